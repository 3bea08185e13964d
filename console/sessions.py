"""What a running ``bellringer run`` leaves for the other commands of this user: a folder while it lasts.

~/.local/state/bellringer/run-PID/
    lock           held by the run's process
    run.json       name and folder of the run
    contact.json   if it started its own testbed: how to reach it

and for good, of one that had instruments of its own: ~/.local/state/bellringer/audit/TIME-PID/SERVICE/audit.jsonl.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..orchestrator.client.contact import sessions
from ..orchestrator.coordinator.lock import FolderLock, held
from ..orchestrator.wire.files import write_whole

STALE_S = 3600.0
"""A run that was killed leaves its folder; driver processes may still be making dark in it for a while."""


class Announced(msgspec.Struct, frozen=True):
    """Which run it is, and where its record is."""

    run: str
    folder: str


@contextlib.contextmanager
def session_folder(folder: Path) -> Iterator[Path]:
    """Make a folder that only this user can enter and hold its lock; a contact file in it is gone at the end."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    contact = folder / "contact.json"
    with FolderLock(folder):
        contact.unlink(missing_ok=True)  # of one that was killed
        for left in folder.glob("keys-*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            yield folder
        finally:
            contact.unlink(missing_ok=True)


@contextlib.contextmanager
def run_session() -> Iterator[Path]:
    """Make the folder of this process's run; all of it is gone at the end."""
    for old in sessions().glob("run-*"):
        if not held(old) and time.time() - old.stat().st_mtime > STALE_S:
            shutil.rmtree(old, ignore_errors=True)
    with session_folder(_of(os.getpid())) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def audits_of_run() -> Path:
    """Return where the services of this process's run keep their audit logs: who did what outlasts the run."""
    return sessions() / "audit" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"


def announce(session: Path, run: str, folder: Path) -> None:
    """Say which run this is, as soon as it has a name."""
    write_whole(session / "run.json", msgspec.json.encode(Announced(run, str(folder.absolute()))).decode(), 0o600)


def announced(pid: int) -> Announced | None:
    """Return which run a process does, None if it did not say yet or has ended."""
    try:
        return msgspec.json.decode((_of(pid) / "run.json").read_bytes(), type=Announced)
    except (OSError, msgspec.MsgspecError):
        return None


def announced_here() -> set[str]:
    """Return the names of this user's runs on this machine, also of those whose instruments are not theirs yet."""
    folders = [folder for folder in sessions().glob("run-*") if held(folder)]
    runs = [announced(int(folder.name.removeprefix("run-"))) for folder in folders]
    return {run.run for run in runs if run is not None}


def _of(pid: int) -> Path:
    return sessions() / f"run-{pid}"
