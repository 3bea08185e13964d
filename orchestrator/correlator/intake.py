"""What agents publish of their taggers, taken in by a correlator: blocks of streams, and recordings in pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...drivers.interfaces import ClockMap, Recording, TagBlock
from ..wire.messages import Event
from .correlator import Correlator


class Intake:
    """Sorts events to a correlator.

    Args:
        taggers: of the two ends; events of other instruments are passed over.

    Attributes:
        malformed: events that could not be understood.
        unpaired: recordings for which the other end had none of the same time.
        streaming: whether results come with time; before the first recording they do, so that one sees the state.
    """

    def __init__(self, correlator: Correlator, taggers: tuple[str, str]) -> None:
        self.correlator, self._taggers = correlator, taggers
        self._waiting: list[Recording | None] = [None, None]
        self.malformed = self.unpaired = 0
        self.streaming = True

    def take(self, end: int, event: Event, arrays: Sequence[npt.NDArray[Any]]) -> dict[str, Any] | None:
        """Take in what end 0 or 1 has published; return a result if it made a pair of recordings whole."""
        body = event.body
        if body.get("instrument") != self._taggers[end]:
            return None
        if event.name == "stream_ended":
            self.correlator.ended(end, str(body.get("stream")), str(body.get("why")))
            return None
        try:
            clock_map, tags = ClockMap(**body["clock_map"]), _tags(body, arrays)
        except (KeyError, TypeError, ValueError):
            self.malformed += 1
            return None
        if isinstance(tags, Recording):
            return self._pair(end, tags)
        self.streaming = True
        self.correlator.feed(end, body["stream"], body["block"], tags, clock_map)
        return None

    def _pair(self, end: int, recording: Recording) -> dict[str, Any] | None:
        self.streaming = False
        self.unpaired += self._waiting[end] is not None
        self._waiting[end] = recording
        first, second = self._waiting
        if first is None or second is None:
            return None
        if not _together(first, second):
            self.unpaired += 1
            self._waiting[1 - end] = None
            return None
        self._waiting = [None, None]
        return self.correlator.correlate(first, second)


def _together(first: Recording, second: Recording) -> bool:
    """Return whether two recordings may overlap in hardware time."""
    one, two = first.clock_map, second.clock_map
    apart = max(one.offset_ps - two.offset_ps - second.duration_ps, two.offset_ps - one.offset_ps - first.duration_ps)
    return apart < one.uncertainty_ps + two.uncertainty_ps


def _tags(body: dict[str, Any], arrays: Sequence[npt.NDArray[Any]]) -> TagBlock | Recording:
    """Return what an event holds.

    Raises:
        KeyError, TypeError, ValueError: it is none of ours.
    """
    times, channels = arrays
    gaps = np.array(body["gaps_ps"], np.int64).reshape(-1, 2)
    if times.dtype != np.int64 or times.shape != channels.shape or np.any(times[1:] < times[:-1]):
        raise ValueError("these are no time tags")
    if "stream" in body:
        return TagBlock(body["begin_ps"], body["end_ps"], times, channels, gaps)
    return Recording(times, channels, body["duration_ps"], ClockMap(**body["clock_map"]), gaps)
