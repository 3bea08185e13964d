"""Where the blocks of a tag file are, told by their headers; damage is stepped over, byte by byte if need be."""

import os
from bisect import insort
from dataclasses import dataclass, field

from .layout import BLOCK_HEADER_BYTES, BLOCK_MAGIC, DATA, FILE_HEADER_BYTES, FILE_MAGIC, BlockHeader, FileHeader

_CHUNK = 1 << 20
_LONGEST_FILE_HEADER = 1 << 26


@dataclass(frozen=True, order=True)
class Entry:
    """A block with a sound header, at ``offset``; its payload need not be sound."""

    number: int
    offset: int
    header: BlockHeader = field(compare=False)

    @property
    def end(self) -> int:
        return self.offset + BLOCK_HEADER_BYTES + self.header.payload_bytes


class Index:
    """The headers of one open file.

    Attributes:
        header: the file's, None if it is damaged.
        size: bytes of the file when it was looked at.
        blocks: of tags, by number, each number once.
        end: the end mark, None if there is none.

    Raises:
        ValueError: there is neither a file header nor a block, or the format is a later version.
    """

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self.header = self._file_header()
        self.blocks: list[Entry] = []
        self.end: Entry | None = None
        self._file_id = self.header.file_id if self.header else None
        self._search(self.start, self.size)
        if self.header is None and not self.blocks and self.end is None:
            torn = os.pread(fd, len(FILE_MAGIC), 0) == FILE_MAGIC
            raise ValueError(
                f"{name} has lost its header, and there is no sound block in it"
                if torn
                else f"{name} is no tag file: neither its start nor anything in it is one's"
            )

    @property
    def start(self) -> int:
        """Where the blocks begin, or could."""
        return self.header.length if self.header else 0

    def look_inside(self, entry: Entry) -> None:
        """Find blocks within one whose payload is damaged: bytes cut out can bring a header where none should be."""
        self._search(entry.offset + 1, entry.end)

    def _file_header(self) -> FileHeader | None:
        start = os.pread(self._fd, FILE_HEADER_BYTES, 0)
        if not start.startswith(FILE_MAGIC) or len(start) < FILE_HEADER_BYTES:
            return None
        length = int.from_bytes(start[-8:], "little")
        if length > min(self.size, _LONGEST_FILE_HEADER):
            return None
        return FileHeader.unpack(os.pread(self._fd, FILE_HEADER_BYTES + length, 0))

    def _search(self, start: int, stop: int) -> None:
        """Take in every block header in [start, stop): hop from block to block, search where there is none.

        A hop may skip headers if bytes were cut out of the block; its checksum tells, and then ``look_inside`` does.
        """
        offset = start
        while offset < stop:
            entry = self._entry(offset)
            if entry is None:
                found = self._next_magic(offset + 1, stop)
                if found is None:
                    return
                offset = found
                continue
            self._take(entry)
            offset = entry.end

    def _entry(self, offset: int) -> Entry | None:
        header = BlockHeader.unpack(os.pread(self._fd, BLOCK_HEADER_BYTES, offset))
        if header is None:
            return None
        if self._file_id is None:
            self._file_id = header.file_id
        return Entry(header.number, offset, header) if header.file_id == self._file_id else None

    def _take(self, entry: Entry) -> None:
        if entry.header.kind != DATA:
            self.end = self.end or entry
        elif all(entry.number != other.number for other in self._near(entry.number)):
            insort(self.blocks, entry)

    def _near(self, number: int) -> list[Entry]:
        """Return the blocks of this number; blocks come nearly in order, so look from the end."""
        if not self.blocks or self.blocks[-1].number < number:
            return []
        return [entry for entry in self.blocks if entry.number == number]

    def _next_magic(self, start: int, stop: int) -> int | None:
        while start < stop:
            chunk = os.pread(self._fd, min(_CHUNK, stop - start) + len(BLOCK_MAGIC) - 1, start)
            found = chunk.find(BLOCK_MAGIC)
            if 0 <= found < stop - start:
                return start + found
            start += _CHUNK
        return None
