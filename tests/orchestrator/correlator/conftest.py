"""Two taggers' streams of one pair source, made from numbers: known clocks, known coincidences."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from bellringer.drivers.interfaces import ClockMap, Recording, TagBlock
from bellringer.orchestrator.correlator import Correlator, LinkEnds

S = 10**12
ENDS = LinkEnds("alice-bob", ("alice", "bob"), ((1, 2), (3, 4)), 600)


@dataclass
class Source:
    """Tags of both ends over ``seconds``.

    Pairs come at ``rate`` (1/s) with detectors alike in the share ``(1 + E) / 2``; each end has ``noise`` clicks per
    second more. Bob's stream begins ``late_ps`` after Alice's, his clock gains ``drift``, his light takes ``path_ps``.
    """

    seconds: float = 4.0
    rate: float = 3000.0
    noise: float = 6000.0
    E: float = 0.9
    late_ps: int = 3_000_000_000
    drift: float = 1.2e-6
    path_ps: int = 25_000_000
    seed: int = 1
    jitter_ps: float = 80.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        span = round(self.seconds * S)
        pairs = np.sort(rng.integers(0, span, rng.poisson(self.rate * self.seconds)))
        which = rng.integers(0, 2, pairs.size)
        alike = rng.random(pairs.size) < (1 + self.E) / 2
        ends = []
        for flags in (which, np.where(alike, which, 1 - which)):
            extra = rng.integers(0, span, rng.poisson(self.noise * self.seconds))
            times = np.concatenate([pairs + np.rint(rng.normal(0, self.jitter_ps, pairs.size)).astype(np.int64), extra])
            reflected = np.concatenate([flags, rng.integers(0, 2, extra.size)])
            order = np.argsort(times, kind="stable")
            ends.append((times[order], reflected[order]))
        bob = ends[1][0] + self.path_ps - self.late_ps
        bob = bob + np.rint(bob * self.drift).astype(np.int64)
        self.tags = [self._kept(*ends[0], 1), self._kept(bob, ends[1][1], 3)]
        self.maps = [
            ClockMap(offset, 0.0, 10_000_000_000, 5e-6, "host clock", True) for offset in (0, self.late_ps + 4 * 10**9)
        ]

    def _kept(self, times: Any, reflected: Any, first_input: int) -> tuple[Any, Any]:
        inside = (times >= 0) & (times < round(self.seconds * S) - 10**10)
        return times[inside], (first_input + reflected[inside]).astype(np.uint8)

    def blocks(self, end: int, edges: list[int]) -> list[TagBlock]:
        """Return an end's stream cut at ``edges`` (ps, ascending)."""
        times, channels = self.tags[end]
        found = []
        for low, high in itertools.pairwise(edges):
            part = slice(*np.searchsorted(times, [low, high]))
            found.append(TagBlock(low, high, times[part], channels[part]))
        return found

    def recording(self, end: int) -> Recording:
        times, channels = self.tags[end]
        return Recording(times, channels, round(self.seconds * S) - 10**10, self.maps[end])

    def feed(self, correlator: Correlator, cuts: tuple[list[int], list[int]], stream: str = "1") -> None:
        """Feed both ends' streams, in the order in which their blocks are over."""
        end_ps = round(self.seconds * S) - 10**10
        both = [
            (block.end_ps + (self.late_ps if end else 0), end, number, block)
            for end in (0, 1)
            for number, block in enumerate(
                self.blocks(end, [0, *(cut for cut in cuts[end] if cut < end_ps), end_ps]), 1
            )
        ]
        for _, end, number, block in sorted(both, key=lambda each: each[:3]):
            correlator.feed(end, stream + "ab"[end], number, block, self.maps[end])


@pytest.fixture(scope="session")
def make_source() -> Any:
    return Source


@pytest.fixture
def correlator() -> Correlator:
    return Correlator(ENDS)


@pytest.fixture(scope="session")
def ends() -> LinkEnds:
    return ENDS
