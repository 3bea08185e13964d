"""Measuring a link in polarisation bases: turn the analysers, acquire, count. Shared by the library's sequences."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..testbed.testbed import Link
from .acquisition import Acquisition

if TYPE_CHECKING:
    from .run import Run


def measure(run: "Run", link: Link, angles: tuple[float, float], seconds: float, label: str) -> Acquisition:
    """Acquire with both analysers at polarisation ``angles`` (degrees from H).

    A half-wave plate at angle a turns polarisation by 2a, so each plate goes to half its analyser's angle.
    """
    plates = [end.plate for end in link.ends.values()]
    run.move({plate: (angle / 2) % 180.0 for plate, angle in zip(plates, angles)})
    return run.acquire(link, seconds, label)


def note_missing_coincidences(run: "Run", acquisitions: Collection[Acquisition]) -> None:
    """Say what to look at if the tags of none of them show a common peak: whatever is counted from them is chance."""
    if any(each.clock is not None for each in acquisitions):
        return
    last = [*acquisitions][-1]
    clicks = zip(last.ends, last.singles().sum(axis=1))
    seen = ", ".join(f"{end} {count / last.seconds if last.seconds else 0.0:.4g} clicks/s" for end, count in clicks)
    run.note(
        f"NO COINCIDENCES between {' and '.join(last.ends)} in {len(acquisitions)} recordings, only chance now ("
        f"{seen}; {last.reason}). Few clicks at an end: is the source lit, are shutters and switches open, are the "
        "channels those of the testbed file? Enough at both: the clocks of the taggers' computers differ (bellringer "
        "doctor), or the ends see different pairs (bellringer live shows rates while you turn things)"
    )
