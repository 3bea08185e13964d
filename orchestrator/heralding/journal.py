"""A party's journal of batches: what it has promised, on disk before anybody is told.

``append`` writes, ``sync`` makes everything appended so far durable at once: thousands of heralds a second share a few
syncs. Files have a fixed size and their room is taken in advance, one of them as a reserve: on a full disk the batch
under way still gets its result, but ``room`` is false and nothing is armed until there is a reserve again. A file goes
when all batches in it were acknowledged and ``RETAINED`` later ones are full.
"""

from types import TracebackType
from typing import Self

import msgspec

from ...testbed.errors import BellringerError
from . import frames
from .disk import Disk
from .entries import (
    Acknowledged,
    Barred,
    Corrected,
    Ended,
    Entry,
    Heralded,
    Met,
    Opened,
    from_bytes,
    to_bytes,
    with_records,
)
from .recovered import Key, Recovered

FILE_BYTES = 16 << 20
"""Size of a file, and so of the reserve: at least what one batch may need (some 100 bytes a herald)."""
RETAINED = 4


class NodeJournal:
    """The journal, recovered and open for appending.

    Args:
        disk: for this journal alone.
        file_bytes: size of its files.

    Attributes:
        recovered: what was there at the start.

    Raises:
        BellringerError: it cannot be read, something that was promised is missing, or there is no room for a file.
    """

    def __init__(self, disk: Disk, file_bytes: int = FILE_BYTES) -> None:
        self._disk, self._file_bytes = disk, file_bytes
        self._files: dict[str, set[Key]] = {}
        """Files in use, oldest first, and the batches in each that nobody has acknowledged."""
        self._spare = ""
        self._offset = self._number = self._on_disk = 0
        self._epoch = self._mark = 0
        self._acknowledged: list[Key] = []
        self._failed = False
        self.recovered = Recovered()
        try:
            self._recover()
            if not self._files:
                first, self._spare = self._spare or self._created(), ""
                self._begin_file(first)
            self.make_room()
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def room(self) -> bool:
        """Return whether there is a reserve, so that another batch may be opened."""
        return bool(self._spare)

    def append(self, entry: Entry) -> int:
        """Write an entry and return its number; it is a promise only after ``sync``.

        Raises:
            BellringerError: the disk did not take it; the journal must not be used any more.
        """
        if self._failed:
            raise self._unusable(OSError("an earlier write failed"))
        try:
            self._write(entry)
        except OSError as error:
            self._failed = True
            raise self._unusable(error) from error
        return self._number

    def sync(self) -> int:
        """Return once everything appended is on disk, with the number of the last entry.

        Raises:
            BellringerError: as ``append``.
        """
        if self._failed:
            raise self._unusable(OSError("an earlier write failed"))
        if self._on_disk < self._number:
            try:
                self._disk.sync(self._current)
                self._on_disk = self._number
                self._let_go()
            except OSError as error:
                self._failed = True
                raise self._unusable(error) from error
        return self._on_disk

    def make_room(self) -> bool:
        """Try to have a reserve; return whether there is one. A full disk is no error here."""
        if not self._spare:
            try:
                self._spare = self._created()
            except OSError:
                return False  # which is what the caller asked
        return True

    def close(self) -> None:
        """Let go of the files."""
        self._disk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- writing ----------------------------------------------------------------------------------------------

    @property
    def _current(self) -> str:
        return next(reversed(self._files))

    def _write(self, entry: Entry) -> None:
        if isinstance(entry, Ended):
            entry = with_records(entry, ())  # they stand before it
        payload = to_bytes(entry)
        if self._offset + frames.OVERHEAD + len(payload) > self._file_bytes:
            self._next_file()
        self._number += 1
        frame = frames.pack(self._number, self._on_disk, payload)
        self._disk.write(self._current, self._offset, frame)
        self._offset += len(frame)
        self._note(entry, self._current)

    def _next_file(self) -> None:
        self._disk.sync(self._current)
        self._on_disk = self._number
        spare, self._spare = self._spare or self._created(), ""
        self._begin_file(spare)
        self.make_room()
        for entry in (Met(self._epoch), Barred(self._mark)):  # what files that go must not take along
            self._write(entry)

    def _begin_file(self, name: str) -> None:
        self._files[name], self._offset = set(), 0

    def _created(self) -> str:
        """Make a file; a new one is named after the newest."""
        newest = max([*self._files, self._spare, "batches-00000000"])
        name = f"batches-{int(newest.rpartition('-')[2]) + 1:08}"
        self._disk.create(name, self._file_bytes)
        return name

    def _note(self, entry: Entry, name: str) -> None:
        """Note what an entry in a file means for letting files go."""
        match entry:
            case Met():
                self._epoch = max(self._epoch, entry.epoch)
            case Barred():
                self._mark = max(self._mark, entry.batch)
            case Opened() | Heralded() | Corrected() | Ended():
                if isinstance(entry, Opened):
                    self._epoch, self._mark = max(self._epoch, entry.epoch), max(self._mark, entry.batch)
                self._files[name].add((entry.run, entry.batch))
            case Acknowledged():
                self._acknowledged.append((entry.run, entry.batch))

    def _let_go(self) -> None:
        """Forget batches whose acknowledgement is on disk, and remove the oldest files if nothing in them is owed."""
        for keys in self._files.values() if self._acknowledged else ():
            keys.difference_update(self._acknowledged)
        self._acknowledged.clear()
        while len(self._files) > RETAINED + 1 and not next(iter(self._files.values())):
            oldest = next(iter(self._files))
            del self._files[oldest]
            self._disk.remove(oldest)

    # --- reading ----------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Read everything up to the first hole and clear away what is behind it."""
        names = sorted(name for name in self._disk.names() if name.startswith("batches-"))
        contents = {name: self._disk.read(name) for name in names}
        hole, behind = "", 0
        for name, data in contents.items():
            if hole:
                behind = max(behind, frames.promised(data, 0))
                continue
            end = self._take_in(name, data)
            following = [frames.frame_at(contents[later], 0) for later in names if later > name]
            if not any(first is not None and first.number == self._number + 1 for first in following):
                hole, behind, self._offset = name, frames.promised(data, end), end
        if behind > self._number:
            raise BellringerError(
                f"the journal of batches is damaged: entry {self._number + 1} was on disk and cannot be read",
                where=f"{hole}, byte {self._offset}",
                hint="restore the disk; or move the folder away, then results nobody acknowledged are lost",
            )
        self._on_disk = self._number
        self._clear(contents, hole)
        self._let_go()

    def _take_in(self, name: str, data: bytes) -> int:
        """Take in a file's entries; return where they end."""
        end = 0
        for frame in frames.frames(data):
            if self._number and frame.number != self._number + 1:
                break
            try:
                entry = from_bytes(frame.payload)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise BellringerError(
                    f"entry {frame.number} of the journal of batches cannot be understood: {error}",
                    where=f"{name}, byte {end}",
                    hint="was it written by another version of bellringer? use that one, or move the folder away",
                ) from error
            self._files.setdefault(name, set())
            self._number, end = frame.number, frame.end
            self.recovered.take(entry)
            self._note(entry, name)
        return end

    def _clear(self, contents: dict[str, bytes], hole: str) -> None:
        """Zero what lies behind the last entry, so that it can never follow a new one; keep one empty file."""
        for name in [name for name in contents if name >= hole]:
            data = contents[name]
            begin = self._offset if name == hole and name in self._files else 0
            if data.count(0, begin) < len(data) - begin:
                self._disk.write(name, begin, bytes(len(data) - begin))
                self._disk.sync(name)
            if name not in self._files:
                if self._spare or len(data) != self._file_bytes:
                    self._disk.remove(name)
                else:
                    self._spare = name

    def _unusable(self, error: OSError) -> BellringerError:
        return BellringerError(
            f"the journal of batches cannot be used: {error}",
            hint="free or repair the disk; without its journal a node arms nothing and stays dark",
        )
