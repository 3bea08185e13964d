"""The coordinator's memory across restarts: append-only JSON lines, each on disk before anybody is told.

    {"n": 17, "utc": "2026-01-31T12:05:00+00:00", "epoch": 3, "what": "estop", "body": {"who": "anna", ...}}

A record counts when its newline is on disk. A last line that is torn (the machine died while it was written) was never
acknowledged to anybody and is cut off; damage anywhere else, or a gap in the numbers, is refused. A running coordinator
only appends; a long file is written anew at a start (``compact``).
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from ...testbed.errors import BellringerError
from ..durable import sync_folder
from .terms import Change, Ending

FILE = "journal.jsonl"


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line: the ``n``-th record (from 1), when (UTC, for people), under which epoch, what happened."""

    n: int
    utc: str
    epoch: int
    what: str
    body: dict[str, Any]


class Journal:
    """The journal of a state folder, open for appending; call with the folder locked (``lock``).

    Args:
        folder: the state folder.
        utc: gives the time stamp of a record.

    Attributes:
        records: what was there at the start, in order.

    Raises:
        BellringerError: the file cannot be read or is damaged before its last line.
    """

    def __init__(self, folder: Path, utc: Callable[[], str]) -> None:
        self.path = folder / FILE
        self._utc = utc
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self.records = self._recover()
            sync_folder(folder)
        except OSError as error:
            os.close(self._descriptor)
            raise self._unusable(error) from error
        except BellringerError:
            os.close(self._descriptor)
            raise
        self._next = len(self.records) + 1

    def append(self, epoch: int, what: str, body: dict[str, Any]) -> None:
        """Write one record and return once it is on disk.

        Raises:
            Ending: it is not; the journal must not be used any more (its end may be torn).
        """
        record = Record(self._next, self._utc(), epoch, what, body)
        line = msgspec.json.encode(record) + b"\n"
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError("the disk took only part of the line")
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._unusable(error) from error
        self._next += 1

    def compact(self, epoch: int, changes: Iterable[Change]) -> None:
        """Replace all records by ``changes``, which lead to the same state; a kill leaves the old file or the new one.

        Raises:
            Ending: the disk did not take it.
        """
        utc = self._utc()
        records = [Record(n, utc, epoch, change.name, change.body) for n, change in enumerate(changes, 1)]
        temporary = self.path.with_name(FILE + ".part")
        try:
            with open(temporary, "wb", opener=_private) as file:
                file.writelines(msgspec.json.encode(record) + b"\n" for record in records)
                file.flush()
                os.fsync(file.fileno())
            descriptor = os.open(temporary, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            os.close(self._descriptor)
            self._descriptor = descriptor
            os.replace(temporary, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._unusable(error) from error
        self._next = len(records) + 1

    def damaged(self, number: int, why: str) -> BellringerError:
        """Return the error of a record (from 1) that cannot be used."""
        return BellringerError(
            f"the coordinator's journal is damaged: {why}",
            where=f"{self.path}:{number}",
            hint="look at the lab, then move the file away: e-stops, ownership and nodes noted in it are forgotten",
        )

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _recover(self) -> list[Record]:
        *lines, torn = self.path.read_bytes().split(b"\n")
        records: list[Record] = []
        for number, line in enumerate(lines, 1):
            try:
                record = msgspec.json.decode(line, type=Record)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise self.damaged(number, str(error)) from error
            if record.n != number:
                raise self.damaged(number, f"record {number} is missing, {record.n} stands in its place")
            records.append(record)
        if torn:
            os.ftruncate(self._descriptor, sum(len(line) + 1 for line in lines))
            os.fsync(self._descriptor)
        return records

    def _unusable(self, error: OSError) -> Ending:
        return Ending(
            f"the coordinator's journal cannot be used: {error}",
            where=str(self.path),
            hint="free or repair the disk; without its journal no coordinator runs, and the nodes go dark",
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
