"""One recording with an ID900/ID1000: arm, play, collect, stop, check.

The instrument sends its time stamps to DataLinkTargetService on the host computer, which passes them on, one message
per channel and sub-acquisition (``sub_acquisitions.py``). A recording is returned only if it is whole: every message
came, their tags add up to what the service counted, and neither the service nor the instrument reports a loss.
Whatever happens, the instrument is stopped and every stream closed.

Source for the order of commands: public code built on the maker's Python examples.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ...testbed.clock import PS_PER_S
from ...testbed.errors import InstrumentError, OverflowDetected, ProtocolError, TransportTimeout
from ..interfaces import ClockMap, Recording
from ..transports import ZmqStream
from .datalink import DataLink, StreamStatus
from .sub_acquisitions import Plan, merge, unroll

if TYPE_CHECKING:
    from .id900 import Id900

START_LATENCY_PS = 5_000_000_000
"""Bound on the time between the instrument's reply to REC:PLAY and the true start; an estimate, not the maker's."""
RATE_BOUND = {"INTERNAL": 5e-6, "EXTERNAL": 1e-9}
"""Bound on the relative frequency error of the instrument's clock, by clock reference; estimates, as above."""

_POLL_S = 0.1
_COLLECT_EVERY_S = 2.0
_STOP_MARGIN_S = 5.0
_SILENCE_S = 10.0
_LEFTOVER_S = 1.0


class StreamedRecording:
    """Records once; made by ``Id900.record``.

    Args:
        unit: the opened instrument; its text commands and errors are used.
        datalink: the host's DataLinkTargetService.
        streams: the stream to listen on, by channel; opened and closed here.
        address: the instrument's address as the service must be told.
    """

    def __init__(
        self, unit: "Id900", datalink: DataLink, streams: dict[int, ZmqStream], address: str, plan: Plan
    ) -> None:
        self._unit, self._clock, self._datalink = unit, unit.clock, datalink
        self._streams, self._address, self._plan = streams, address, plan
        self._messages: dict[int, list[bytes]] = {channel: [] for channel in streams}
        self._ids: dict[int, str] = {}
        self._sending: set[int] = set()
        self._rate_bound = math.inf

    def run(self, start_ps: int | None) -> Recording:
        """Record from ``start_ps`` or at once and return the tags."""
        self._check_start(start_ps)
        try:
            self._stop_leftovers()
            self._arm()
            offset_ps, uncertainty_ps = self._play(start_ps)
            self._wait_until_played()
            self._wait_until_transferred()
            counted = self._stop_channels()
        except BaseException as error:
            self._clean_up(error)
            raise
        finally:
            for stream in self._streams.values():
                stream.close()
        return self._assemble(counted, offset_ps, uncertainty_ps)

    # --- start ------------------------------------------------------------------------------------------------

    def _check_start(self, start_ps: int | None) -> None:
        """Refuse a start that is already past; no I/O."""
        if start_ps is not None and self._clock.now_ps() - start_ps > self._clock.uncertainty_ps:
            late_s = (self._clock.now_ps() - start_ps) / PS_PER_S
            raise self._unit.error(
                f"the recording should have started {late_s:.3f} s ago",
                hint="choose a start further ahead, 1 s is enough",
            )

    def _stop_leftovers(self) -> None:
        """Stop acquisitions of this instrument that an earlier program left behind, and no other instrument's.

        An id reads ``address:port``; one that names no address at all is taken for ours, as the maker's tools do.
        """
        ours = [each for each in self._datalink.acquisitions() if self._address in each.split(":") or ":" not in each]
        for acquisition in ours:
            self._datalink.stop(acquisition)
        if ours:
            self._clock.sleep(_LEFTOVER_S)

    def _arm(self) -> None:
        tell, plan = self._unit._tell, self._plan
        self._rate_bound = RATE_BOUND[self._unit.clock_reference]
        tell("REC:TRIG:ARM:MODE MANU")
        tell("REC:ENAB ON")
        tell("REC:STOP")
        tell(f"REC:NUM {plan.count}")
        tell(f"REC:PWID {plan.width_ps};PPER {plan.period_ps}")
        for channel, stream in self._streams.items():
            tell(f"RAW{channel}:ERRO:CLEA")
            stream.open()  # before the service sends, so that it finds a client at once
            port = int(stream.resource.rpartition(":")[2])
            self._ids[channel] = self._datalink.start_stream(self._address, channel, port)
            self._sending.add(channel)
            tell(f"RAW{channel}:SEND ON")

    def _play(self, start_ps: int | None) -> tuple[int, int]:
        """Start, and return the hardware time of device time zero and its uncertainty, both in ps."""
        if start_ps is not None:
            while (left_ps := start_ps - self._clock.now_ps()) > 0:
                self._clock.sleep(left_ps / PS_PER_S)
            self._check_start(start_ps)
        self._collect()
        for messages in self._messages.values():
            messages.clear()  # nothing is recorded yet: what came so far is an earlier recording's
        before_ps = self._clock.now_ps()
        self._unit._tell("REC:PLAY")
        after_ps = self._clock.now_ps()
        half_ps = (after_ps - before_ps + 1) // 2
        return before_ps + half_ps, self._clock.uncertainty_ps + half_ps + START_LATENCY_PS

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
        longest_s = _SILENCE_S + self._plan.total_ps / PS_PER_S
        for channel, acquisition in self._ids.items():
            while (status := self._datalink.status(acquisition)).sub_acquisitions < self._plan.count:
                self._collect()
                self._check_loss(channel, status)
                # Its own count of silence also runs before the recording, so it says nothing at first.
                waited_s = self._clock.monotonic_s() - began_s
                if waited_s > longest_s or min(waited_s, status.inactivity_s) > _SILENCE_S:
                    raise self._incomplete(channel, status.sub_acquisitions)
                self._clock.sleep(_POLL_S)
            self._check_loss(channel, status)
            messages, stream = self._messages[channel], self._streams[channel]
            while len(messages) < self._plan.count:
                try:
                    messages.append(stream.receive(_SILENCE_S))
                except TransportTimeout as error:
                    raise self._incomplete(channel, len(messages)) from error

    def _collect(self) -> None:
        """Take in the messages that are there, so that none waits in a queue of limited length."""
        for channel, stream in self._streams.items():
            while stream.has_input(0.0):
                self._messages[channel].append(stream.receive(0.0))

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

    def _stop_sending(self, channel: int) -> None:
        self._unit._tell(f"RAW{channel}:SEND OFF")
        self._sending.discard(channel)

    def _stop_acquisition(self, channel: int) -> StreamStatus:
        status = self._datalink.stop(self._ids[channel])
        del self._ids[channel]
        return status

    def _clean_up(self, error: BaseException) -> None:
        """Stop whatever still runs; what cannot be stopped is noted on ``error``, which is raised anyway."""
        steps: list[Callable[[], object]] = [partial(self._unit._tell, "REC:STOP")]
        steps += [partial(self._stop_sending, channel) for channel in sorted(self._sending)]
        steps += [partial(self._stop_acquisition, channel) for channel in sorted(self._ids)]
        with self._clock.shielded():
            for step in steps:
                try:
                    step()
                except InstrumentError as failure:
                    error.add_note(f"while stopping: {failure}")

    # --- result -----------------------------------------------------------------------------------------------

    def _assemble(self, counted: dict[int, int], offset_ps: int, uncertainty_ps: int) -> Recording:
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
        clock_map = ClockMap(offset_ps, 0.0, uncertainty_ps, self._rate_bound, "host clock", locked=True)
        return Recording(times, channels, self._plan.duration_ps, clock_map, self._plan.gaps_ps())

    def _check_loss(self, channel: int, status: StreamStatus) -> None:
        if status.errors:
            raise self._overflow(channel, "; ".join(status.errors))

    def _overflow(self, channel: int, why: str) -> OverflowDetected:
        return OverflowDetected(
            f"tags of input {channel} were lost: {why}",
            where=f"{self._unit.label} at {self._unit.resource}",
            hint="attenuate (at most 10 M tags/s in all inputs together) or record for shorter; if it happens at "
            "low rates too, restart the instrument",
        )

    def _incomplete(self, channel: int, came: int) -> InstrumentError:
        return self._unit.error(
            f"only {came} of {self._plan.count} sub-acquisitions of input {channel} were transferred",
            hint="is DataLinkTargetService reachable from the instrument (firewall), and its dlt_address right?",
        )

    def _nonsense(self, channel: int, why: str) -> ProtocolError:
        return ProtocolError(
            f"the time stamps of input {channel} make no whole recording: {why}",
            where=f"{self._unit.label} at {self._unit.resource}",
            hint="nothing was kept; record again, and end other programs that use the same stream ports",
        )
