"""One folder per run: what was asked, what happened, what came out.

    runs/20260131-120500-chsh-7f3a/
        run.json        what was asked: sequence, parameters, seed, versions, epoch, and at the end the status
        testbed.yaml    the testbed file as it was
        snapshots.json  every instrument's values at the start
        events.jsonl    what happened, one line each, written as it happens, stamped with hardware time
        tags/           time tags, one tag file (docs/time-tags.md) per node and recording, complete or absent
        data/           tables behind the figures
        results.json    what came out: values with errors and units
        report.html     the same for people

Every file is written to a temporary name and moved into place, except events.jsonl, which is appended and flushed
line by line; a killed run leaves everything that was acknowledged, and a loss of power every other file. The run's
process holds a lock on events.jsonl: where nobody does, a run that has no end was interrupted. Some room on the disk is
taken at the start and given back at the end, or when the disk is full: so a run that filled it can still write how it
ended.
"""

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis import Tags
from ...analysis.tagfile import ClockState, TagFileWriter
from ...testbed.errors import BellringerError, nearest
from ..durable import sync_folder
from .keeper import not_written

EVENTS = "events.jsonl"
RESERVE = ".reserve"
RESERVE_BYTES = 1 << 20


class RunFolder:
    """The record of one run, being written.

    Whatever writes raises a BellringerError if the disk does not take it; what was written before is still whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events = None if not path.exists() else open(path / EVENTS, "ab", buffering=0)  # noqa: SIM115
        if self._events is not None:
            with contextlib.suppress(OSError):  # of a file system without locks; then nobody can tell
                _flock(self._events.fileno(), exclusive=True)

    @classmethod
    def create(cls, runs: Path, sequence: str, testbed_text: str, asked: Mapping[str, Any]) -> "RunFolder":
        """Make a new run's folder under ``runs`` and write what was asked.

        Raises:
            BellringerError: the folder cannot be written.
        """
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{sequence}-{secrets.token_hex(2)}"
        path = runs / name
        try:
            (path / "tags").mkdir(parents=True)
            (path / "data").mkdir()
            with open(path / RESERVE, "wb") as reserve:
                os.posix_fallocate(reserve.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            raise BellringerError(
                f"cannot make the run folder: {error}", where=str(path), hint="choose another folder with --runs"
            ) from error
        folder = cls(path)
        folder.write_text("testbed.yaml", testbed_text)
        folder.write_json(
            "run.json", {"run": name, **asked, "started_utc": datetime.now(UTC).isoformat(), "status": "running"}
        )
        return folder

    @property
    def name(self) -> str:
        return self.path.name

    def event(self, time_ps: int, kind: str, **body: Any) -> None:
        """Append one event, stamped with hardware time in ps."""
        assert self._events is not None
        line = (json.dumps({"t_ps": time_ps, "event": kind, **_plain(body)}) + "\n").encode()
        with self._writing(EVENTS):
            whole = os.fstat(self._events.fileno()).st_size
            if self._events.write(line) != len(line):
                os.ftruncate(self._events.fileno(), whole)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, **more: Any) -> None:
        """Add to what ``run.json`` says."""
        self.write_json("run.json", {**json.loads((self.path / "run.json").read_text()), **more})

    def finish(self, status: str, **more: Any) -> None:
        """Note how the run ended; the folder is complete then."""
        self.give_room()
        self.add(**more, status=status, ended_utc=datetime.now(UTC).isoformat())
        if self._events is not None:
            self._events.close()
            self._events = None

    def write_json(self, name: str, body: Any) -> None:
        """Write ``body`` as JSON; NaN and infinity become null."""
        self.write_text(name, json.dumps(_plain(body), indent=1, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole or not at all, and durably."""
        with self._writing(name), _whole(self.path / name) as temporary, open(temporary, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def write_tags(
        self,
        number: int,
        node: str,
        tags: Tags,
        about: Mapping[str, Any],
    ) -> str:
        """Write one recording's tags (times of the tagger's own clock) as a tag file and return the file's name.

        Args:
            about: kept in the file; the clock's source and state are taken from its ``clock_map``.
        """
        name = f"tags/{number:04d}-{node}.tags"
        clock_map = about.get("clock_map", {})
        clock = ClockState(clock_map.get("source", ""), clock_map.get("locked"))
        with self._writing(name), _whole(self.path / name) as temporary:
            temporary.unlink(missing_ok=True)  # of a writer that was killed
            with TagFileWriter(temporary, _plain(about), fsync="block") as file:
                file.append(tags, clock, ["not recorded"] * len(tags.gaps))
        return name

    def give_room(self) -> None:
        """Give the room back that was kept for the end of the run; may be called twice."""
        with contextlib.suppress(OSError):  # of a disk that takes nothing any more
            (self.path / RESERVE).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.give_room()
            raise not_written(self.path / name, error) from error


class _whole:
    """Give a temporary path and move it into place on success; leave nothing on failure."""

    def __init__(self, path: Path) -> None:
        self.path, self.temporary = path, path.with_name(path.name + ".part")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            os.replace(self.temporary, self.path)
            sync_folder(self.path.parent)
        else:
            self.temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return ``value`` made of plain JSON types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def read_run(folder: Path) -> dict[str, Any]:
    """Return what was asked of a run and how it ended; its status is ``interrupted`` if its process was killed.

    Raises:
        BellringerError: its ``run.json`` cannot be read.
    """
    path = folder / "run.json"
    interrupted = not _held(folder / EVENTS)  # asked first: a run that ends meanwhile has its end in the file
    try:
        found = {"testbed": "", **json.loads(path.read_bytes())}
        found |= {name: str(found[name]) for name in ("run", "status")}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BellringerError(
            "the record of this run is damaged: run.json is no description of a run",
            where=str(path),
            hint="its tags, data and events are files of their own, and may be whole",
        ) from error
    if found["status"] in ("running", "paused") and interrupted:
        found["status"] = "interrupted"
    return found


def list_runs(runs: Path) -> Iterator[dict[str, Any]]:
    """Yield what ``read_run`` returns for every run under ``runs``, newest first; a damaged one has that status."""
    for path in sorted(runs.glob("*/run.json"), reverse=True):
        try:
            found = read_run(path.parent)
        except BellringerError as error:
            found = {"run": path.parent.name, "testbed": "", "status": "damaged", "error": str(error)}
        yield {**found, "folder": str(path.parent)}


def _held(events: Path) -> bool:
    """Return whether a run's process still writes this file, as far as can be known."""
    try:
        with open(events, "rb") as file:
            _flock(file.fileno(), exclusive=False)
    except FileNotFoundError:
        return False
    except OSError:  # it is locked, or cannot be
        return True
    return False


def _flock(descriptor: int, exclusive: bool) -> None:
    import fcntl  # runs are made on Linux; clients import this package anywhere

    fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of the run called ``name``, or of the latest one if ``name`` is ``latest``.

    Raises:
        BellringerError: there is none; says which ones there are.
    """
    folders = {path.parent.name: path.parent for path in sorted(runs.glob("*/run.json"))}
    if name == "latest" and folders:
        return list(folders.values())[-1]
    if Path(name, "run.json").exists():
        return Path(name)
    if name not in folders:
        hint = nearest(name, list(folders)[-10:]) if folders else "no run is kept there; name its folder with --runs"
        raise BellringerError(f"there is no run '{name}' in {runs}", hint=hint)
    return folders[name]
