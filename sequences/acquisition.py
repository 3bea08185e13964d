"""Time tags of both ends of a link over one hardware-time interval, on one time axis.

The two taggers are started by their hosts' clocks, good to milliseconds; the photons themselves then tell how the two
recordings lie to each other and how fast the clocks drift apart. All times of an ``Acquisition`` are int64 ps on the
first end's clock. Where the tags show no common peak, the hosts' clocks are used and ``reason`` says so: counts are
still honest counts, but no coincidences can be expected among them.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..analysis import (
    ClockOffset,
    DelayedCounter,
    NoPeak,
    Tags,
    accidental,
    coincidences,
    correlogram,
    delayed,
    find_clock,
)
from ..analysis.alignment import LONGEST_PATH_PS
from ..analysis.correlation import Histogram
from ..drivers.interfaces import Recording
from ..testbed.errors import BellringerError, TooLate
from ..testbed.testbed import Link

if TYPE_CHECKING:
    from .run import Run

Times = npt.NDArray[np.int64]

PAIRS = ((0, 2), (0, 3), (1, 2), (1, 3))
"""Groups of ``Acquisition.merged``: every detector of the first end with every one of the second."""
WIDE_PS = 1_000_000_000
"""The second end's clicks are kept for so long before and after the interval, for delays and windows off the peak."""
LEADS_S = (0.5, 2.0, 5.0)
"""How long before the interval the taggers are told, which need that to be set up; longer if they were not ready."""


@dataclass(frozen=True)
class Acquisition:
    """What both ends of a link saw over one interval.

    Attributes:
        link: the link.
        ends: names of the two ends; the first one's clock is the reference.
        clicks: ((transmitted, reflected) of the first end, of the second end), each int64[n] ps, ascending, the second
            end already shifted so that coincidences lie at zero; first end cut to the interval, second a little wider.
        interval_ps: [from, to) of the interval.
        gaps: int64[k, 2] ps of each end, stretches [from, to) in which tags may be missing, on the same clock.
        clock: how the second end's clock lies to the first one's, or None if the tags do not tell.
        reason: why ``clock`` is None.
    """

    link: Link
    ends: tuple[str, str]
    clicks: tuple[tuple[Times, Times], tuple[Times, Times]]
    interval_ps: tuple[int, int]
    gaps: tuple[Times, Times]
    clock: ClockOffset | None
    reason: str

    @property
    def seconds(self) -> float:
        """How long both ends recorded in the interval, s: gaps of either end are not counted."""
        return self.merged.live_time_ps(*self.interval_ps) * 1e-12

    @functools.cached_property
    def merged(self) -> Tags:
        """All clicks in one stream: channels 0 and 1 the first end's, 2 and 3 the second's; with the gaps of both."""
        times = [clicks for end in self.clicks for clicks in end]
        parts = [Tags(each, np.full(len(each), channel, np.uint8)) for channel, each in enumerate(times)]
        return Tags.merge([*parts, *(Tags([], [], gaps) for gaps in self.gaps)])

    @property
    def window_ps(self) -> int:
        return round(self.link.coincidence_window * 1e12)

    def singles(self) -> npt.NDArray[np.int64]:
        """Return int64[2, 2], clicks inside the interval by end and detector (transmitted, reflected)."""
        low, high = self.interval_ps
        return np.array([[np.searchsorted(t, high) - np.searchsorted(t, low) for t in end] for end in self.clicks])

    def coincidences(self, delay_ps: int = 0) -> npt.NDArray[np.int64]:
        """Return int64[2, 2] raw coincidence counts by (first end's detector, second end's detector)."""
        return coincidences(self._moved(delay_ps), PAIRS, self.window_ps).reshape(2, 2)

    def accidentals(self, delay_ps: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return (float64[2, 2] mean, float64[2, 2] error) of how many of these are expected to be accidental.

        From the counts off the peak (``analysis.accidentals``), scaled to the window and the live time of the interval;
        without live time they are not numbers.
        """
        tags, starts = self._moved(delay_ps), (self.interval_ps[0] + delay_ps, self.interval_ps[1] + delay_ps)
        counter = DelayedCounter(PAIRS, self.window_ps, tags_per_s=len(tags) / (starts[1] - starts[0]) * 1e12)
        counter.feed(tags)
        far = counter.where.far_ps
        exposure_s = counter.exposure_s(tags.live_stretches(starts[0] - far, starts[1] + far), starts)
        clicks = itertools.product(*self.singles().tolist())
        found = [accidental(int(n), exposure_s, *each) for n, each in zip(counter.counts(), clicks)]
        table = np.array([[each.value, each.error] for each in found], np.float64) * tags.live_time_ps(*starts) * 1e-12
        return table[:, 0].reshape(2, 2), table[:, 1].reshape(2, 2)

    def histogram(self, bin_ps: int, span_ps: int, delay_ps: int = 0) -> Histogram:
        """Return the correlation histogram of all detectors of one end with all of the other, about ``delay_ps``."""
        found = correlogram(self._moved(delay_ps), (0, 1), (2, 3), bin_ps, span_ps)
        return Histogram(found.counts, found.edges_ps + delay_ps)

    def _moved(self, delay_ps: int) -> Tags:
        """Return ``merged`` with coincidences that are ``delay_ps`` off at zero; gaps grow by that."""
        return delayed(self.merged, range(4), {0: delay_ps, 1: delay_ps})


def acquire(run: "Run", link: Link, seconds: float, number: int, label: str) -> Acquisition:
    """Record both ends and align them; called by ``Run.acquire``."""
    ends = list(link.ends.items())
    margin_ps = 2 * run._host.clock.uncertainty_ps + LONGEST_PATH_PS + 10_000_000_000
    recordings = _recorded(run, link, seconds, margin_ps)
    for (node, end), recording in zip(ends, recordings):
        run.folder.write_tags(
            number,
            node,
            _tags(recording),
            {
                "tagger": end.tagger,
                "clock_map": vars(recording.clock_map),
                "duration_ps": recording.duration_ps,
                "label": label,
            },
        )
    acquisition = _align(run, link, recordings, margin_ps, round(seconds * 1e12))
    clock = acquisition.clock
    run._event(
        "acquisition",
        number=number,
        label=label,
        seconds=seconds,
        singles=acquisition.singles().tolist(),
        offset_ps=clock and clock.offset_ps,
        drift=clock and clock.drift,
        reason=acquisition.reason,
    )
    return acquisition


def _recorded(run: "Run", link: Link, seconds: float, margin_ps: int) -> list[Recording]:
    """Record both ends over the interval and ``margin_ps`` around it; again if a tagger was not ready in time."""
    host = run._host
    for lead_s in LEADS_S:
        start_ps = host.clock.now_ps() + round(lead_s * 1e12) - margin_ps
        calls = [
            host.submit(
                end.tagger,
                "call",
                "record",
                seconds + 2 * margin_ps * 1e-12,
                sorted({end.transmitted, end.reflected}),
                start_ps,
            )
            for end in link.ends.values()
        ]
        try:
            return list(host.gather(calls))
        except BellringerError:
            failed = [call.error for call in calls if call.error is not None]
            if lead_s == LEADS_S[-1] or not all(isinstance(each, TooLate) for each in failed):
                raise
        run.note(f"a tagger was not ready {lead_s:g} s after it was asked; recorded again with more time")
    raise AssertionError("unreachable")


def _align(run: "Run", link: Link, recordings: list[Recording], margin_ps: int, duration_ps: int) -> Acquisition:
    first, second = recordings
    expected = first.clock_map.offset_ps - second.clock_map.offset_ps
    uncertainty = first.clock_map.uncertainty_ps + second.clock_map.uncertainty_ps
    clock, reason = None, ""
    try:
        clock = find_clock(first.times_ps, second.times_ps, expected, uncertainty)
        run.clock_memory["drift"] = clock.drift
    except NoPeak as error:
        reason = str(error)
        run.note("no correlation peak in the tags; the ends are aligned by the hosts' clocks only")
    offset, drift, middle = expected, run.clock_memory.get("drift", 0.0), margin_ps + duration_ps // 2
    if clock is not None:
        offset, drift, middle = round(clock.offset_ps), clock.drift, clock.t_ref_ps
    tags = [_tags(recording) for recording in recordings]
    low, high = margin_ps, margin_ps + duration_ps
    (name_a, end_a), (name_b, end_b) = link.ends.items()
    clicks_a = tuple(_between(tags[0].of(n), low, high) for n in (end_a.transmitted, end_a.reflected))
    clicks_b = tuple(
        _between(_to_first_clock(tags[1].of(n), offset, drift, middle), low - WIDE_PS, high + WIDE_PS)
        for n in (end_b.transmitted, end_b.reflected)
    )
    theirs = _to_first_clock(tags[1].gaps.ravel(), offset, drift, middle).reshape(-1, 2)
    gaps = tags[0].gaps, theirs
    return Acquisition(link, (name_a, name_b), (clicks_a, clicks_b), (low, high), gaps, clock, reason)  # type: ignore[arg-type]


def _tags(recording: Recording) -> Tags:
    return Tags(recording.times_ps, recording.channels, recording.gaps_ps)


def _to_first_clock(times_ps: Times, offset_ps: int, drift: float, middle_ps: int) -> Times:
    """Return times on the first end's clock: the inverse of t_b = t_a + offset + drift (t_a - middle)."""
    since = times_ps - (offset_ps + middle_ps)
    return since - np.rint(since * (drift / (1.0 + drift))).astype(np.int64) + middle_ps


def _between(times_ps: Times, low: int, high: int) -> Times:
    return times_ps[np.searchsorted(times_ps, low) : np.searchsorted(times_ps, high)]
