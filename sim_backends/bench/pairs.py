"""Continuous-wave photon pairs to clicks, in bulk: the hot loop of the bench.

A segment is a stretch of time in which all settings are constant. In it, coincident detections by detector i of one
arm and j of the other, and detections without a detected partner, are independent Poisson processes (thinning of the
pair process; dark counts and background add to the latter). Each pair with both photons detected has its own
spectral offset, which dispersion turns into delays of opposite sign in the two arms, and its own jitter in each
detector. A detection without a detected partner is a uniform Poisson point; displacing it at random by picoseconds
gives a uniform Poisson point again (the displacement theorem), so nothing is drawn for that: this is exact.

Not modelled here: multi-pair interference within a coherence time (jitter is far longer), afterpulsing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .detector import Floats, apply_dead_time

GUARD_SIGMAS = 12.0


@dataclass(frozen=True)
class Rates:
    """What a segment emits into the detectors; rates in Hz, times in ps.

    Attributes:
        pairs: float64[na, nb], both photons detected, by detector i of arm a and j of arm b.
        alone: float64[na + nb], detections without a detected partner, dark counts and background included.
        spread_ps: (a, b), signed delay in each arm per standard deviation of the pair's spectral offset.
        jitter_ps: float64[na + nb], standard deviation of each detector's timing jitter.
        dead_time_ps: float64[na + nb].
    """

    pairs: npt.NDArray[np.float64]
    alone: npt.NDArray[np.float64]
    spread_ps: tuple[float, float]
    jitter_ps: npt.NDArray[np.float64]
    dead_time_ps: npt.NDArray[np.float64]


class PairClicks:
    """Turns consecutive segments into clicks, carrying the jitter tail and the dead time across their edges.

    All times are lab time of emission; a detector's own delay is added by the caller. ``float64`` times are relative
    to the segment's start, where they are exact to better than 1e-5 ps.
    """

    def __init__(self, detectors: int) -> None:
        self._late: list[list[Floats]] = [[] for _ in range(detectors)]
        self._last: list[float] = [-np.inf] * detectors
        self._end_ps: int | None = None

    def segment(
        self, rates: Rates, start_ps: int, duration_ps: int, rng: np.random.Generator
    ) -> list[npt.NDArray[np.int64]]:
        """Return int64 click times, ascending, per detector, final up to a guard of some ns before the segment's end.

        Clicks inside the guard come with the next segment, once no earlier one can overtake them any more.
        """
        if self._end_ps is not None and self._end_ps != start_ps:
            self._late = [[] for _ in self._late]
            self._last = [-np.inf] * len(self._last)
        self._end_ps = start_ps + duration_ps
        runs = self._draw(rates, duration_ps, rng)
        guard = guard_ps(rates)
        clicks = []
        for number, parts in enumerate(runs):
            merged = np.concatenate([*self._late[number], *parts])
            merged.sort()
            cut = int(np.searchsorted(merged, duration_ps - guard))
            final = apply_dead_time(merged[:cut], rates.dead_time_ps[number], self._last[number])
            self._late[number] = [merged[cut:] - duration_ps]
            self._last[number] = (final[-1] if final.size else self._last[number]) - duration_ps
            whole = final.astype(np.int64)  # truncation towards zero: a rounding of half a picosecond, the same for all
            whole += start_ps
            clicks.append(whole)
        return clicks

    @staticmethod
    def _draw(rates: Rates, duration_ps: int, rng: np.random.Generator) -> list[list[Floats]]:
        count_a, count_b = rates.pairs.shape
        spread_a, spread_b = rates.spread_ps
        per_ps = duration_ps * 1e-12
        runs: list[list[Floats]] = [[] for _ in range(count_a + count_b)]
        for i in range(count_a):
            for j in range(count_b):
                times = _poisson_times(rates.pairs[i, j] * per_ps, duration_ps, rng)
                if times.size == 0:
                    continue
                offset, jitter_a, jitter_b = rng.standard_normal((3, times.size))
                runs[i].append(_displaced(times, offset, spread_a, jitter_a, rates.jitter_ps[i]))
                runs[count_a + j].append(_displaced(times, offset, spread_b, jitter_b, rates.jitter_ps[count_a + j]))
        for number, rate in enumerate(rates.alone):
            runs[number].append(_poisson_times(rate * per_ps, duration_ps, rng))
        return runs


def guard_ps(rates: Rates) -> float:
    """Return a bound on how much a click can come before its pair's emission, ps."""
    widths = np.hypot(np.max(np.abs(rates.spread_ps)), rates.jitter_ps)
    return float(GUARD_SIGMAS * widths.max() + 1.0) if widths.size else 1.0


def _poisson_times(mean: float, duration_ps: int, rng: np.random.Generator) -> Floats:
    """Return the ascending times of a Poisson process with ``mean`` expected points in [0, duration)."""
    if mean <= 0:
        return np.empty(0)
    count = int(rng.poisson(mean))
    times = rng.standard_exponential(count + 1)
    np.cumsum(times, out=times)
    times *= duration_ps / times[-1]  # given their number, the points are ordered uniforms: spacings over their sum
    return times[:-1]


def _displaced(times: Floats, offset: Floats, spread: float, jitter: Floats, sigma: float) -> Floats:
    jitter *= sigma
    if spread:
        jitter += spread * offset
    jitter += times
    return jitter
