"""One recording with an ID900/ID1000: arm, play, collect, stop, check.

A recording is returned only if it is whole: every message came, their tags add up to what the service counted, and
neither the service nor the instrument reports a loss. Whatever happens, the instrument is stopped and every stream
closed.
"""

from typing import TYPE_CHECKING

from ...testbed.clock import PS_PER_S
from ...testbed.errors import InstrumentError, TransportTimeout
from ..interfaces import ClockMap, Recording
from ..transports import ZmqStream
from .datalink import DataLink, StreamStatus
from .id900_sending import NOT_COMING, SILENCE_S, Sending
from .sub_acquisitions import Plan, merge, unroll

if TYPE_CHECKING:
    from .id900 import Id900

_POLL_S = 0.1
_COLLECT_EVERY_S = 2.0
_STOP_MARGIN_S = 5.0


class StreamedRecording(Sending):
    """Records once; made by ``Id900.record``."""

    def __init__(
        self, unit: "Id900", datalink: DataLink, streams: dict[int, ZmqStream], address: str, plan: Plan
    ) -> None:
        super().__init__(unit, datalink, streams, address, "recording")
        self._plan = plan

    def run(self, start_ps: int | None) -> Recording:
        """Record from ``start_ps`` or at once and return the tags."""
        self._check_start(start_ps)
        try:
            self._stop_leftovers()
            self._arm(self._plan.count, self._plan.width_ps, self._plan.period_ps)
            clock_map = self._play(start_ps)
            self._wait_until_played()
            self._wait_until_transferred()
            counted = self._stop_channels()
        except BaseException as error:
            self._clean_up(error)
            raise
        finally:
            self.close()
        return self._assemble(counted, clock_map)

    # --- wait -------------------------------------------------------------------------------------------------

    def _wait_until_played(self) -> None:
        left_s = self._plan.total_ps / PS_PER_S
        end_s = self._clock.monotonic_s() + left_s
        while left_s > 0:
            self._clock.sleep(min(left_s, _COLLECT_EVERY_S))
            left_s -= _COLLECT_EVERY_S
            self._collect()
        while self._unit.is_recording():
            if self._clock.monotonic_s() > end_s + _STOP_MARGIN_S:
                raise self._unit.error(
                    f"still recording {_STOP_MARGIN_S:g} s after the recording should have ended",
                    hint="does another program use it? power-cycle it if this repeats",
                )
            self._clock.sleep(_POLL_S)

    def _wait_until_transferred(self) -> None:
        """Wait until the service has passed on every sub-acquisition of every channel, and take them all in."""
        began_s = self._clock.monotonic_s()
        longest_s = SILENCE_S + self._plan.total_ps / PS_PER_S
        for channel, acquisition in self._ids.items():
            while (status := self._datalink.status(acquisition)).sub_acquisitions < self._plan.count:
                self._collect()
                self._check_loss(channel, status)
                # Its own count of silence also runs before the recording, so it says nothing at first.
                waited_s = self._clock.monotonic_s() - began_s
                if waited_s > longest_s or min(waited_s, status.inactivity_s) > SILENCE_S:
                    raise self._incomplete(channel, status.sub_acquisitions)
                self._clock.sleep(_POLL_S)
            self._check_loss(channel, status)
            messages, stream = self._messages[channel], self._streams[channel]
            while len(messages) < self._plan.count:
                try:
                    messages.append(stream.receive(SILENCE_S))
                except TransportTimeout as error:
                    raise self._incomplete(channel, len(messages)) from error

    # --- stop -------------------------------------------------------------------------------------------------

    def _stop_channels(self) -> dict[int, int]:
        """Stop sending and return the number of tags the service counted, by channel."""
        final: dict[int, StreamStatus] = {}
        losses: dict[int, int] = {}
        for channel in self._streams:
            self._stop_sending(channel)
            final[channel] = self._stop_acquisition(channel)
            losses[channel] = self._unit.tag_errors(channel)
        for channel, status in final.items():
            self._check_loss(channel, status)
            if losses[channel]:
                raise self._overflow(channel, f"the instrument counts {losses[channel]} errors")
        return {channel: status.tags for channel, status in final.items()}

    # --- result -----------------------------------------------------------------------------------------------

    def _assemble(self, counted: dict[int, int], clock_map: ClockMap) -> Recording:
        tags = {}
        for channel, messages in self._messages.items():
            came = sum(map(len, messages)) // 8
            try:
                tags[channel] = unroll(messages, self._plan)
            except ValueError as error:
                raise self._nonsense(channel, str(error)) from error
            if came != counted[channel]:
                raise self._nonsense(channel, f"{came} time stamps came, the service counted {counted[channel]}")
        times, channels = merge(tags)
        return Recording(times, channels, self._plan.duration_ps, clock_map, self._plan.gaps_ps())

    def _incomplete(self, channel: int, came: int) -> InstrumentError:
        return self._unit.error(
            f"only {came} of {self._plan.count} sub-acquisitions of input {channel} were transferred",
            hint=NOT_COMING,
        )
