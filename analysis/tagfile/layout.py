"""The bytes of a tag file, little-endian: file header, block headers, gap records. No I/O and no compression here."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np

FILE_MAGIC = b"\x8bBRTAGS\n"
BLOCK_MAGIC = b"\x8bBRTAGB\n"
"""Neither is UTF-8 text, and both break where a transfer as text changes line ends."""

VERSION = 1
DATA, END, END_BY_REPAIR = 0, 1, 2
MOST_TAGS = 1 << 17
"""Tags in a block at most."""

MOST_PAYLOAD = 1 << 28
LIMIT_PS = 2**62
"""Times stay below, either sign, so that any two of them have a difference in 64 bits."""

GAP = np.dtype([("from_ps", "<i8"), ("to_ps", "<i8"), ("missed", "<i8"), ("reason", "u1"), ("free", "u1", 7)])
REASONS = ("unknown", "overflow", "missed events", "lost lock", "not recorded", "lost to damage")
DAMAGED = REASONS.index("lost to damage")

_FILE = struct.Struct("<8sIHHQQ")
_BLOCK = struct.Struct("<8sIIQQQqqqqIIIIHHBBBB")
FILE_HEADER_BYTES, BLOCK_HEADER_BYTES = _FILE.size, _BLOCK.size


@dataclass(frozen=True)
class ClockState:
    """What the tagger's times hung on.

    Attributes:
        source: in words, as the instrument names it: "internal", "10 MHz in", "White Rabbit".
        locked: to that source; None if the instrument does not say.
    """

    source: str = ""
    locked: bool | None = None

    def to_bytes(self) -> bytes:
        return json.dumps({"source": self.source, "locked": self.locked}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> "ClockState":
        body = json.loads(text)
        return cls(str(body["source"]), body["locked"])


@dataclass(frozen=True)
class FileHeader:
    """The start of a file: what its blocks must name as theirs, and free metadata."""

    file_id: int
    metadata: dict[str, Any]
    length: int

    @staticmethod
    def pack(file_id: int, metadata: Mapping[str, Any]) -> bytes:
        """Return the header's bytes.

        Raises:
            ValueError: metadata that JSON cannot hold.
        """
        try:
            text = json.dumps(dict(metadata), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise ValueError(f"the metadata must be plain JSON: {error}") from None
        rest = _FILE.pack(FILE_MAGIC, 0, VERSION, 0, file_id, len(text))[12:] + text
        return FILE_MAGIC + struct.pack("<I", google_crc32c.value(rest)) + rest

    @classmethod
    def unpack(cls, start: bytes) -> "FileHeader | None":
        """Return the header at the start of ``start``, None if it is damaged or missing.

        Raises:
            ValueError: a later version of the format.
        """
        if len(start) < FILE_HEADER_BYTES or not start.startswith(FILE_MAGIC):
            return None
        _, crc, version, _, file_id, length = _FILE.unpack_from(start)
        end = FILE_HEADER_BYTES + length
        if end > len(start) or google_crc32c.value(start[12:end]) != crc:
            return None
        if version > VERSION:
            raise ValueError(f"the file has version {version} of the format, this program reads up to {VERSION}")
        return cls(file_id, json.loads(start[FILE_HEADER_BYTES:end]), end)


@dataclass(frozen=True)
class BlockHeader:
    """One block's header. Times of a block without tags mean nothing, nor do gap times without gaps.

    Attributes:
        tags_before: in all blocks before this one.
        first_ps, last_ps: of the tags.
        gap_first_ps, gap_last_ps: from the start of the earliest gap to the end of the latest one.
        channels: how many the block has; their numbers are the payload's first bytes.
        word_bytes: 4 or 8; a word is (time since the tag before) << channel_bits | index of its channel.
    """

    payload_crc: int
    file_id: int
    number: int
    tags_before: int
    first_ps: int
    last_ps: int
    gap_first_ps: int
    gap_last_ps: int
    tags: int
    payload_bytes: int
    gaps: int
    words_bytes: int
    channels: int
    state_bytes: int
    word_bytes: int
    channel_bits: int
    kind: int

    def pack(self) -> bytes:
        fields = (self.payload_crc, self.file_id, self.number, self.tags_before, self.first_ps, self.last_ps,
                  self.gap_first_ps, self.gap_last_ps, self.tags, self.payload_bytes, self.gaps, self.words_bytes,
                  self.channels, self.state_bytes, self.word_bytes, self.channel_bits, self.kind, 0)  # fmt: skip
        rest = _BLOCK.pack(BLOCK_MAGIC, 0, *fields)[12:]
        return BLOCK_MAGIC + struct.pack("<I", google_crc32c.value(rest)) + rest

    @classmethod
    def unpack(cls, buffer: bytes, offset: int = 0) -> "BlockHeader | None":
        """Return the block header at ``offset``, None if there is no sound one."""
        raw = buffer[offset : offset + BLOCK_HEADER_BYTES]
        if len(raw) < BLOCK_HEADER_BYTES or not raw.startswith(BLOCK_MAGIC):
            return None
        _, crc, *fields, _ = _BLOCK.unpack(raw)
        if google_crc32c.value(raw[12:]) != crc:
            return None
        header = cls(*fields)
        parts = header.channels + header.gaps * GAP.itemsize + header.state_bytes + header.words_bytes
        sound = header.payload_bytes == parts <= MOST_PAYLOAD and header.tags <= MOST_TAGS and header.channels <= 256
        return header if sound and header.kind <= END_BY_REPAIR and header.word_bytes in (4, 8) else None
