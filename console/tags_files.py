"""Opening files of time tags for a command: progress after two seconds, errors with what, where and next."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ..analysis import Tags
from ..analysis.files import Source, open_recording
from ..analysis.files.together import tags_by_channel, together
from ..testbed.errors import BellringerError
from ..testbed.units import parse

PATIENCE_S = 2.0
"""Nobody needs a bar for less."""


class Slow:
    """A progress bar on stderr that appears only if the work takes long; a context manager.

    Where stderr is no terminal it is one line of text.
    """

    def __init__(self, text: str, total: float | None = None) -> None:
        self._text, self._console = text, Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task: TaskID = self._progress.add_task(text, total=total)
        self._timer = threading.Timer(PATIENCE_S, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._console.is_terminal:
            self._progress.stop()

    def at(self, done: float) -> None:
        """Tell how far the work is, of ``total``."""
        self._progress.update(self._task, completed=done)

    def _show(self) -> None:
        if self._console.is_terminal:
            self._progress.start()
        else:
            self._console.print(f"{self._text} ...", markup=False)


@contextlib.contextmanager
def telling(path: Path, hint: str = "bellringer tags info --formats lists what --format takes") -> Iterator[None]:
    """Turn what can go wrong with a file into an error with what, where and next; ``hint`` is for wrong content."""
    try:
        yield
    except ModuleNotFoundError as error:
        what, _, command = str(error).partition(": ")
        raise BellringerError(what, where=str(path), hint=command or "install that package") from None
    except FileExistsError:
        raise BellringerError("there is such a file already", where=str(path), hint="name a new file") from None
    except OSError as error:
        raise BellringerError(
            f"the file cannot be used: {error.strerror or error}",
            where=str(path),
            hint="check its name and permissions",
        ) from None
    except MemoryError:
        raise BellringerError(
            "the tags do not fit into memory", where=str(path), hint="read it by blocks, see docs/time-tags.md"
        ) from None
    except BellringerError:
        raise
    except ValueError as error:
        what = str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ")
        raise BellringerError(what, where=str(path), hint=hint) from None


def opened(path: Path, format: str, options: Sequence[str]) -> Source:
    """Return a file, to be read block by block."""
    given: dict[str, int] = {}
    for each in options:
        name, equals, value = each.partition("=")
        if not equals or not value.strip().lstrip("-").isdigit():
            raise BellringerError(
                f"--option {each!r} is no NAME=NUMBER", hint="write, for example, --option unit_ps=81"
            )
        given[name.strip()] = int(value)
    with telling(path), Slow(f"opening {path.name}"):
        return open_recording(path, format or None, **given)


class Opened:
    """One or several files as one stream; channels of a later file are moved above those of the files before it.

    Every pass reads the files anew, block by block.

    Attributes:
        sources: of each file.
        counts: int64[256], tags of each channel of the stream, those in gaps, too; None if it was not looked through.
        raised: by how much the channels of each file are moved.
        tags_per_s: about, in all of the stream; 0 if it was not looked through.
    """

    def __init__(self, paths: Sequence[Path], format: str, options: Sequence[str], look: bool = False) -> None:
        self.paths = paths
        self.sources = [opened(path, format, options) for path in paths]
        self.counts: npt.NDArray[np.int64] | None = None
        self.raised, self.tags_per_s = [0] * len(paths), 0.0
        if look or len(paths) > 1:
            self._look_through()

    def blocks(self, text: str) -> Iterator[Tags]:
        """Yield the stream with a progress bar; only files are read meanwhile, so errors are about them."""
        with Slow(text, sum(source.size for source in self.sources)) as bar, telling(self.paths[0]):
            yield from together(self.sources, self.raised, bar.at)

    def notes(self) -> list[str]:
        """Return what a person must know of the files before believing a number; after the last block."""
        notes = []
        for path, source, raised in zip(self.paths, self.sources, self.raised):
            notes += [f"{path.name}: channel numbers are raised by {raised}"] if raised else []
            notes += [f"{path.name}: {text}" for text in (*source.repairs, *source.losses)]
        return notes

    def _look_through(self) -> None:
        counts, free = np.zeros(256, np.int64), 0
        for number, (path, source) in enumerate(zip(self.paths, self.sources)):
            with telling(path), Slow(f"looking through {path.name}", source.size) as bar:
                found, span_ps = tags_by_channel(source, bar.at)
            self.tags_per_s += int(found.sum()) / max(span_ps, 1) * 1e12
            last = int(np.flatnonzero(found).max(initial=-1))
            if free + last > 255:
                raise BellringerError(
                    f"{len(self.paths)} files have more than 256 channels together", where=str(path), hint="merge fewer"
                )
            counts[free : free + last + 1] += found[: last + 1]
            self.raised[number], free = free, free + last + 1
        self.counts = counts


def whole_ps(text: str, name: str, least: int = 0) -> int:
    """Return a time with a unit as whole ps."""
    value = parse(text, "ps", name=name, example="1 ns")
    number = round(value)
    if abs(value - number) > 1e-6 or not least <= number < 2**61:
        raise BellringerError(
            f"{name} is {text!r}, not a whole number of ps from {least} up", hint='write it as "1 ns" or "250 ps"'
        )
    return number


def delays_of(words: Sequence[str]) -> dict[int, int]:
    """Return ``["1=2.5 ns"]`` as ``{1: 2500}``."""
    delays = {}
    for word in words:
        channel, equals, time = word.partition("=")
        if not equals or not channel.strip().isdigit():
            raise BellringerError(f"--delay {word!r} names no channel", hint='write --delay 1="2.5 ns"')
        delays[int(channel)] = whole_ps(time.strip().strip('"'), f"--delay {channel}", least=-(2**61))
    return delays
