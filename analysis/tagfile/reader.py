"""Reading tag files: what is sound is returned, what is not becomes a gap and a line of ``losses``."""

import os
import secrets
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import google_crc32c
import numpy as np
import numpy.typing as npt

from .._gaps import ToldGaps
from ..tags import Tags
from .codec import Packed, Unpacker
from .contents import Block, Payload, Told, check_order, gap_records, hole_between, start_of, state_of, told_of, touches
from .index import Entry, Index
from .layout import BLOCK_HEADER_BYTES, DAMAGED, END, GAP, LIMIT_PS, REASONS, BlockHeader, ClockState
from .losses import Loss, losses


class TagFileReader:
    """Reads one file; a context manager. A file may be read while it grows: up to the last whole block.

    Raises:
        ValueError: it is no tag file, of a later version, or nothing in it is sound.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._fd: int | None = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._index = Index(self._fd, str(self.path))
        except BaseException:
            self.close()
            raise
        self._damaged: list[Entry] = []
        self._unpacker = Unpacker()
        self._buffer: Payload = np.empty(0, np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the writer was given; empty if the file's header is damaged (``losses`` says so)."""
        return self._index.header.metadata if self._index.header else {}

    @property
    def ended(self) -> bool:
        """Whether the file has its end mark: its writer was closed."""
        return self._index.end is not None and self._index.end.header.kind == END

    @property
    def tags_found(self) -> int:
        """Tags in all blocks that are not known to be damaged."""
        return sum(entry.header.tags for entry in self._sound())

    @property
    def size(self) -> int:
        """Bytes of the file when it was opened."""
        return self._index.size

    def losses(self) -> list[Loss]:
        """Return what is missing, as far as reading went; all of it after ``check``, ``read()`` or all ``blocks()``."""
        return losses(self._index, self._damaged)

    def blocks(self, from_ps: int | None = None, to_ps: int | None = None) -> Iterator[Block]:
        """Yield the sound blocks with a tag or a gap in [from, to), in order, whole. Memory is that of one block.

        Where blocks are lost between two of them, a block without tags stands in, with the hole as its gap.
        """
        for entry, payload in self._each(from_ps, to_ps):
            times, channels = np.empty(entry.header.tags, np.int64), np.empty(entry.header.tags, np.uint8)
            if self._unpacked(entry, payload, times, channels):
                told, state = told_of(gap_records(entry, payload)), state_of(entry, payload)
                clock = ClockState.from_bytes(state) if state else None
                hole = self._hole_before(entry)
                if hole is not None:
                    yield hole
                tags = Tags._of(times, channels, told.gaps)
                yield Block(entry.number, tags, told.reasons, told.missed, clock, entry.end)

    def late_gaps(self) -> ToldGaps:
        """Return all gaps if some begin before tags of earlier blocks, else none, for then ``blocks`` has them in time.

        Only blocks with gaps are read.
        """
        last, late = -LIMIT_PS, False
        for entry in self._index.blocks:
            late |= bool(entry.header.gaps) and entry.header.gap_first_ps <= last
            last = entry.header.last_ps if entry.header.tags else last
        records = [np.empty(0, GAP)]
        for entry in [each for each in self._sound() if late and each.header.gaps]:
            payload = self._payload(entry)
            records += [] if payload is None else [gap_records(entry, payload).copy()]
        return told_of(np.concatenate(records))

    def check(self, stepped: Callable[[int], object] = lambda offset: None) -> list[Loss]:
        """Read every block's bytes and return what is missing. ``stepped`` is told how far in the file it is."""
        for entry, _ in self._each(None, None):
            stepped(entry.end)
        return self.losses()

    def read(self, from_ps: int | None = None, to_ps: int | None = None) -> Tags:
        """Return the tags with from <= time < to; by default all. What was lost to damage is a gap.

        A hole at the start or the end of a file is no gap, for how long it is nobody knows; ``losses`` has it.
        """
        whole = self.read_told(from_ps, to_ps).tags
        if from_ps is None and to_ps is None:
            return whole
        return whole.between(-LIMIT_PS if from_ps is None else from_ps, LIMIT_PS if to_ps is None else to_ps)

    def read_told(self, from_ps: int | None = None, to_ps: int | None = None) -> "Told":
        """Return whole blocks with a tag or a gap in [from, to), why their gaps are there, and the clock's states."""
        entries = [entry for entry in self._sound() if touches(entry, from_ps, to_ps)]
        check_order(entries, self.path)
        count, damaged = sum(entry.header.tags for entry in entries), len(self._damaged)
        times, channels = np.empty(count, np.int64), np.empty(count, np.uint8)
        records, clocks = [np.empty(0, GAP)], list[tuple[int, ClockState]]()
        at, state = 0, b""
        for entry in entries:
            payload = self._payload(entry)
            part = slice(at, at + entry.header.tags)
            at += entry.header.tags
            if payload is None or not self._unpacked(entry, payload, times[part], channels[part]):
                continue
            records.append(gap_records(entry, payload).copy())
            if state_of(entry, payload) not in (b"", state):
                state = state_of(entry, payload)
                clocks.append((start_of(entry), ClockState.from_bytes(state)))
        if len(self._damaged) > damaged:
            return self.read_told(from_ps, to_ps)  # now that it is known what to leave out
        holes = [loss for loss in self.losses() if loss.blocks and loss.from_ps is not None and loss.to_ps is not None]
        told = told_of(np.concatenate(records), holes)
        return Told(Tags._of(times, channels, told.gaps), told.reasons, told.missed, tuple(clocks))

    def sound_bytes(self) -> Iterator[tuple[BlockHeader, bytes]]:
        """Yield header and bytes, header included, of every sound block."""
        for entry, payload in self._each(None, None):
            yield entry.header, entry.header.pack() + payload.tobytes()

    @property
    def end(self) -> BlockHeader | None:
        """The end mark."""
        return self._index.end.header if self._index.end else None

    @property
    def file_id(self) -> int:
        """What the file's blocks name as theirs."""
        if self._index.header:
            return self._index.header.file_id
        return self._index.blocks[0].header.file_id if self._index.blocks else secrets.randbits(64)

    def _sound(self) -> list[Entry]:
        bad = {entry.number for entry in self._damaged}
        return [entry for entry in self._index.blocks if entry.number not in bad]

    def _each(self, from_ps: int | None, to_ps: int | None) -> Iterator[tuple[Entry, Payload]]:
        """Yield blocks with a sound payload; those that come to light within a damaged one have their turn, too."""
        blocks, number = self._index.blocks, -1
        while (at := bisect_right(blocks, number, key=lambda entry: entry.number)) < len(blocks):
            number = blocks[at].number
            if touches(blocks[at], from_ps, to_ps) and (payload := self._payload(entry := blocks[at])) is not None:
                yield entry, payload

    def _hole_before(self, entry: Entry) -> Block | None:
        """Return a block that stands for those missing right before ``entry``, if times on both sides are known."""
        blocks, damaged = self._index.blocks, set(self._damaged)
        at = bisect_left(blocks, entry)
        if not entry.header.tags or (
            at and blocks[at - 1].number == entry.number - 1 and blocks[at - 1] not in damaged
        ):
            return None
        sound = [each for each in blocks[:at] if each not in damaged]
        before = next((each.header for each in reversed(sound) if each.header.tags), None)
        if before is None:
            return None
        neighbour = sound[-1].header
        lost = entry.header.tags_before - neighbour.tags_before - neighbour.tags
        hole = Tags([], [], [hole_between(before.last_ps, entry.header.first_ps)])
        return Block(neighbour.number + 1, hole, (REASONS[DAMAGED],), (lost,), None, entry.offset, True)

    def _payload(self, entry: Entry) -> Payload | None:
        """Return a block's payload, None if it is damaged. The next call overwrites it."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        size = entry.header.payload_bytes
        if size > self.size - entry.offset - BLOCK_HEADER_BYTES:
            self._note_damage(entry)
            return None
        if size > len(self._buffer):
            self._buffer = np.empty(size, np.uint8)
        payload = self._buffer[:size]
        whole = size == 0 or os.preadv(self._fd, [payload.data], entry.offset + BLOCK_HEADER_BYTES) == size
        if whole and google_crc32c.value(payload) == entry.header.payload_crc:
            return payload
        self._note_damage(entry)
        return None

    def _note_damage(self, entry: Entry) -> None:
        if entry not in self._damaged:
            insort(self._damaged, entry)
            self._index.look_inside(entry)

    def _unpacked(
        self, entry: Entry, payload: Payload, times: npt.NDArray[np.int64], channels: npt.NDArray[np.uint8]
    ) -> bool:
        header = entry.header
        if not header.tags:
            return True
        words = payload[header.payload_bytes - header.words_bytes :]
        packed = Packed(
            payload[: header.channels].tobytes(), words, header.word_bytes, header.channel_bits, header.tags
        )
        try:
            if self._unpacker.unpack(packed, header.first_ps, times, channels) == header.last_ps:
                return True
        except ValueError:
            pass
        self._note_damage(entry)  # its checksums are right: whoever wrote it did not follow the format
        return False
