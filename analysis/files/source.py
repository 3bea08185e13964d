"""A file of tags read block by block: memory does not grow with the file."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import Times
from .._gaps import ToldGaps, told_gaps
from ..tags import Tags
from .recording import Recording

STEP = 1 << 18
"""Records in a block of a file that has none of its own."""


@dataclass(frozen=True, eq=False)
class Part:
    """One block.

    Attributes:
        tags: with gaps that begin in them or later, never before tags of a block before.
        reasons, missed: of the gaps, one each, as in ``Recording``.
        clock: source and lock state from here on, {"source": ..., "locked": ...}; None if the file does not say.
        end_byte: how far in the file it goes.
    """

    tags: Tags
    reasons: tuple[str, ...] = ()
    missed: tuple[int | None, ...] = ()
    clock: dict[str, Any] | None = None
    end_byte: int = 0

    def __post_init__(self) -> None:
        if not self.reasons and not self.missed:
            object.__setattr__(self, "reasons", ("unknown",) * len(self.tags.gaps))
            object.__setattr__(self, "missed", (None,) * len(self.tags.gaps))


class Source(ABC):
    """One file; may be read again and again.

    Attributes:
        size: of the file, bytes; 0 for a recording that is no file.
        about, repairs, losses: as in ``Recording``; complete when ``parts`` came to its end.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.about: dict[str, Any] = {}
        self.repairs: tuple[str, ...] = ()
        self.losses: tuple[str, ...] = ()

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Yield the file's blocks in the order of time.

        Raises:
            ValueError: the file is none of its format, or not in order.
            OSError: it cannot be read.
        """

    def look_through(self, stepped: Callable[[int], object] = lambda end_byte: None) -> tuple[int, ToldGaps]:
        """Return the number of tags and all gaps; ``stepped`` is told how far in the file it is."""
        count, gaps, reasons, missed = 0, [np.empty((0, 2), np.int64)], list[str](), list[int | None]()
        for part in self.parts():
            count += len(part.tags)
            gaps.append(part.tags.gaps)
            reasons += part.reasons
            missed += part.missed
            stepped(part.end_byte)
        return count, told_gaps(np.concatenate(gaps), reasons, missed)

    def read(self) -> Recording:
        """Return all of it at once."""
        parts = list(self.parts()) or [Part(Tags([], []))]
        tags = Tags(
            np.concatenate([part.tags.times_ps for part in parts]),
            np.concatenate([part.tags.channels for part in parts]),
            np.concatenate([part.tags.gaps for part in parts]),
        )
        reasons, missed = (tuple(itertools.chain(*words)) for words in zip(*((p.reasons, p.missed) for p in parts)))
        return Recording(tags, reasons, missed, self.about, self.repairs, self.losses)


class WholeSource(Source):
    """A file that its reader can only give as a whole, or a recording that is no file: it is in memory, once."""

    def __init__(self, recording: Recording, size: int = 0) -> None:
        super().__init__(size)
        self._recording = recording
        self.about, self.repairs, self.losses = recording.about, recording.repairs, recording.losses

    def parts(self) -> Iterator[Part]:
        tags, states = self._recording.tags, self.about.get("clock", [])
        if len(tags.gaps):
            yield Part(Tags([], [], tags.gaps), self._recording.reasons, self._recording.missed)
        changes = np.searchsorted(tags.times_ps, [state["from_ps"] for state in states]).tolist() if states else []
        starts = sorted({*range(0, len(tags), STEP), *changes} - {len(tags)})
        for start, stop in itertools.pairwise([*starts, len(tags)]):
            now = [each for each in states if each["from_ps"] <= tags.times_ps[start]][-1:]
            clock = {key: now[0][key] for key in ("source", "locked")} if now else None
            part = Tags._of(tags.times_ps[start:stop], tags.channels[start:stop], tags.gaps[:0])
            yield Part(part, clock=clock, end_byte=self.size * stop // len(tags))

    def read(self) -> Recording:
        return self._recording


class Watched(Source):
    """Another source; ``stepped`` is told how far it is read."""

    def __init__(self, source: Source, stepped: Callable[[int], object]) -> None:
        super().__init__(source.size)
        self.about, self.repairs, self.losses = source.about, source.repairs, source.losses
        self._source, self._stepped = source, stepped

    def parts(self) -> Iterator[Part]:
        for part in self._source.parts():
            self._stepped(part.end_byte)
            yield part


def arrays(source: Source) -> Iterator[tuple[Times, npt.NDArray[np.uint8]]]:
    """Yield (times, channels) of a file, at least ``STEP`` tags at a time but for the last ones."""
    held, count = list[Tags](), 0
    for part in source.parts():
        held.append(part.tags)
        count += len(part.tags)
        if count >= STEP:
            yield _joined(held)
            held, count = [], 0
    if count:
        yield _joined(held)


def _joined(held: list[Tags]) -> tuple[Times, npt.NDArray[np.uint8]]:
    return np.concatenate([tags.times_ps for tags in held]), np.concatenate([tags.channels for tags in held])
