"""How entries stand in a journal's files, and how a torn end is told from damage.

    magic (4) | length (4) | CRC-32C of all that follows (4) | number (8) | on disk (8) | entry (length)

Little-endian; numbers count from 1 through all files without a gap. ``on disk`` is the number up to which everything
was on disk when this frame was made. Writes that were not yet on disk when the power went may be there, or not, or in
part, in any order; nobody was told of them, so the first hole ends the journal. But if a later frame says that the one
in the hole had been on disk, something that was promised is gone, and that is damage.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import google_crc32c

_HEAD = struct.Struct("<4sII")
_BODY = struct.Struct("<QQ")
MAGIC = b"\xb5HJ1"
OVERHEAD = _HEAD.size + _BODY.size


class Frame(NamedTuple):
    """One entry as it was found."""

    number: int
    on_disk: int
    payload: bytes
    end: int
    """Offset of what follows it in its file."""


def pack(number: int, on_disk: int, payload: bytes) -> bytes:
    """Return the bytes of a frame."""
    body = _BODY.pack(number, on_disk) + payload
    return _HEAD.pack(MAGIC, len(payload), google_crc32c.value(body)) + body


def frame_at(data: bytes, offset: int) -> Frame | None:
    """Return the whole frame that begins at ``offset``, or None."""
    if offset + OVERHEAD > len(data):
        return None
    magic, length, checksum = _HEAD.unpack_from(data, offset)
    begin, end = offset + _HEAD.size, offset + OVERHEAD + length
    if magic != MAGIC or end > len(data) or google_crc32c.value(data[begin:end]) != checksum:
        return None
    number, on_disk = _BODY.unpack_from(data, begin)
    return Frame(number, on_disk, data[begin + _BODY.size : end], end)


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the frames from the beginning up to the first hole."""
    frame = frame_at(data, 0)
    while frame is not None:
        yield frame
        frame = frame_at(data, frame.end)


def promised(data: bytes, offset: int) -> int:
    """Return the highest ``on disk`` of all whole frames anywhere behind ``offset``, 0 if there are none."""
    highest = 0
    offset = data.find(MAGIC, offset)
    while offset >= 0:
        frame = frame_at(data, offset)
        if frame is not None:
            highest = max(highest, frame.on_disk)
        offset = data.find(MAGIC, offset + 1)
    return highest
