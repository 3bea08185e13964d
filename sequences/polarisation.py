"""Measuring a link in polarisation bases: turn the analysers, acquire, count. Shared by the library's sequences."""

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
