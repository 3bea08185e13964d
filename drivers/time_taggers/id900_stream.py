"""A continuous stream of an ID900/ID1000: sub-acquisitions without an end, read block by block.

The instrument hands tags over at the end of every sub-acquisition of 0.2 s, so a block is a whole number of them, those
that have arrived on every channel. The 40 ns between two are gaps of the block. The service's messages carry no number:
should one be missing, nothing after it can be placed in time, so every reported loss ends the stream.

Memory: at most ``_HELD`` messages a channel are kept here and ``QUEUE`` in ZeroMQ's queue (0.2 s of tags each); then
the far end has to wait, and it reports it if it loses tags meanwhile.
"""

from typing import TYPE_CHECKING

import numpy as np

from ...testbed.errors import BellringerError
from ..interfaces import ClockMap, TagBlock
from ..transports import ZmqStream
from .datalink import DataLink
from .id900_sending import NOT_COMING, SILENCE_S, Sending
from .sub_acquisitions import DEAD_PS, STREAM_PS, merge, place

if TYPE_CHECKING:
    from .id900 import Id900

QUEUE = 50
_HELD = 25
_MOST_BYTES = 40_000_000
"""A block is closed when it holds so much: 5 million tags, half a second at the instrument's rated limit."""
_PERIOD_PS = STREAM_PS + DEAD_PS


class TagStream(Sending):
    """Streams until stopped; made by ``Id900.start_stream``."""

    def __init__(self, unit: "Id900", datalink: DataLink, streams: dict[int, ZmqStream], address: str) -> None:
        super().__init__(unit, datalink, streams, address, "stream")
        self._taken = 0
        self._heard_s = 0.0

    def start(self, start_ps: int | None) -> ClockMap:
        """Begin at ``start_ps`` or at once."""
        self._check_start(start_ps)
        try:
            self._stop_leftovers()
            self._arm(None, STREAM_PS, _PERIOD_PS)
            clock_map = self._play(start_ps)
        except BaseException as error:
            self.give_up(error)
            raise
        self._heard_s = self._clock.monotonic_s()
        return clock_map

    def read(self, wait_s: float) -> TagBlock:
        """Return the sub-acquisitions that have arrived on every channel, or an empty block."""
        try:
            self._wait(wait_s)
            for channel, acquisition in self._ids.items():
                self._check_loss(channel, self._datalink.status(acquisition))
                if errors := self._unit.tag_errors(channel):
                    raise self._overflow(channel, f"the instrument counts {errors} errors")
            return self._block()
        except BaseException as error:
            self.give_up(error)
            raise

    def stop(self) -> None:
        """End it in good order."""
        try:
            self._unit._tell("REC:STOP")
            for channel in self._streams:
                self._stop_sending(channel)
                self._stop_acquisition(channel)
        except BaseException as error:
            self.give_up(error)
            raise
        self.close()

    def give_up(self, error: BaseException) -> None:
        """End it whatever still works; what does not is noted on ``error``."""
        self._clean_up(error)
        self.close()

    # --- inside -----------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        for channel, stream in self._streams.items():
            while len(self._messages[channel]) < _HELD and stream.has_input(0.0):
                self._messages[channel].append(stream.receive(0.0))

    def _wait(self, wait_s: float) -> None:
        """Wait until every channel has a message, at most ``wait_s``."""
        end_s = self._clock.monotonic_s() + wait_s
        self._collect()
        while empty := [channel for channel, messages in self._messages.items() if not messages]:
            now_s = self._clock.monotonic_s()
            if now_s - self._heard_s > SILENCE_S:
                raise self._unit.error(
                    f"no time stamps of input {empty[0]} for {SILENCE_S:g} s; one message every 0.2 s should come",
                    hint=NOT_COMING,
                )
            if now_s >= end_s or not self._clock.wait_readable(self._streams[empty[0]], end_s - now_s):
                return
            self._collect()
        self._heard_s = self._clock.monotonic_s()

    def _block(self) -> TagBlock:
        first, count = self._taken, self._ready()
        tags = {}
        for channel, messages in self._messages.items():
            try:
                tags[channel] = place(messages[:count], first, _PERIOD_PS)
            except ValueError as error:
                raise self._nonsense(channel, str(error)) from error
            del messages[:count]
        self._taken += count
        ends = _PERIOD_PS * np.arange(first + 1, first + count + 1, dtype=np.int64)
        gaps = np.stack([ends - DEAD_PS, ends], axis=1)
        return TagBlock(first * _PERIOD_PS, self._taken * _PERIOD_PS, *merge(tags), gaps)

    def _ready(self) -> int:
        """Return how many sub-acquisitions the next block holds: at least one, if one is there."""
        together = min(map(len, self._messages.values()))
        size = 0
        for count in range(together):
            size += sum(len(messages[count]) for messages in self._messages.values())
            if size > _MOST_BYTES:
                return max(1, count)
        return together


def no_stream(unit: "Id900") -> BellringerError:
    """Return the error for reading a stream that is not there."""
    return unit.error("no stream runs", hint="start one; an error, and going dark, end it")
