"""E-stops that outlive the testbed they were pressed at, until a person acknowledges them.

A coordinator for one run or one ``up`` has a journal only as long as that lasts. So it also keeps a latched e-stop
here, in a folder for all testbeds of a computer: each has a file of its own, so that none waits for another, nor
forgets another's. A file is removed once it is acknowledged; one that cannot be read counts as latched. If the
coordinator does not answer, whoever pressed keeps it here (``keep``): it may never hear of it.

    [{"number": 1, "who": "anna", "key": "...", "reason": "smoke", "utc": "2026-01-31T12:05:00+00:00"}]
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...testbed.errors import BellringerError
from ..durable import sync_folder
from ..wire.errors import KeyFileError
from ..wire.files import write_whole
from ..wire.history import utc_now
from .estop import Latch


class Press(msgspec.Struct, frozen=True):
    """Somebody pressed; the numbers in the files are their coordinators' own and are left out."""

    who: str
    key: str
    reason: str
    utc: str


_BY_HAND = "pressed-"
Presses = Annotated[list[Press], msgspec.Meta(min_length=1)]


class KeptEStop:
    """A coordinator's part of the folder; call from one thread.

    Args:
        folder: of the computer; made when it is needed.
        latch: the coordinator's; what is in the folder is pressed in it at once.

    Attributes:
        found: the presses that were in the folder: number, who, key, reason, utc.
    """

    def __init__(self, folder: Path, latch: Latch) -> None:
        self._latch, self._own = latch, folder / f"{secrets.token_hex(8)}.json"
        found = kept(folder)
        self._files = {*found, self._own}
        self.found = [{"number": n, **press} for n, press in enumerate(pressed(found), latch.number + 1)]
        for press in self.found:
            latch.restore("estop", press)

    def note(self) -> None:
        """Keep the latch as it is now; returns once that is on disk.

        Raises:
            BellringerError: it is not; says what will be wrong when this testbed has ended.
        """
        if not self._latch.latched:
            forget(self._files)
            self._files = {self._own}
            return
        try:
            write_whole(self._own, msgspec.json.encode(self._latch.presses).decode(), 0o600)
        except KeyFileError as error:
            what = f"the e-stop is pressed, but will be forgotten when this testbed ends: {error.what}"
            raise BellringerError(what, where=error.where, hint=error.hint) from error


def keep(folder: Path, press: Press) -> None:
    """Keep what a person pressed and no coordinator has taken.

    Raises:
        KeyFileError: it cannot be written.
    """
    write_whole(folder / f"{_BY_HAND}{secrets.token_hex(8)}.json", msgspec.json.encode([press]).decode(), 0o600)


def by_hand(folder: Path) -> list[Path]:
    """Return the files that ``keep`` made."""
    return list(folder.glob(f"{_BY_HAND}*.json"))


def kept(folder: Path) -> dict[Path, list[Press]]:
    """Return by file what is latched; what cannot be read is a press of nobody known, with the reason."""
    try:
        files = [file for file in folder.iterdir() if file.suffix == ".json"]
    except FileNotFoundError:
        return {}
    except OSError as error:
        return {folder: [_unreadable(folder, error)]}
    return {file: presses for file in files if (presses := _read(file))}


def pressed(found: dict[Path, list[Press]]) -> list[dict[str, Any]]:
    """Return all presses once, the oldest first: who, key, reason, utc."""
    presses = dict.fromkeys(press for each in found.values() for press in each)
    return [msgspec.to_builtins(press) for press in sorted(presses, key=lambda press: press.utc)]


def forget(files: Iterable[Path]) -> None:
    """Remove files whose e-stops a person has acknowledged.

    Raises:
        BellringerError: one cannot be removed.
    """
    for file in files:
        try:
            file.unlink()
            sync_folder(file.parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise BellringerError(
                f"the e-stop is acknowledged, but will be latched again: its file cannot be removed: {error.strerror}",
                where=str(file),
                hint="remove it by hand",
            ) from error


def _read(file: Path) -> list[Press]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Presses)
    except FileNotFoundError:  # acknowledged just now
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return [_unreadable(file, error)]


def _unreadable(path: Path, error: Exception) -> Press:
    try:
        utc = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        utc = utc_now()
    return Press("somebody", "", f"what was kept of it cannot be read ({error})", utc)
