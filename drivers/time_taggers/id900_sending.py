"""What a recording and a continuous stream of an ID900/ID1000 have in common: arm, play, take in, stop.

The instrument sends its time stamps to DataLinkTargetService on the host computer, which passes them on, one message
per channel and sub-acquisition (``sub_acquisitions.py``).

Source for the order of commands: public code built on the maker's Python examples.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ...testbed.clock import PS_PER_S
from ...testbed.errors import InstrumentError, OverflowDetected, ProtocolError, TooLate
from ..interfaces import ClockMap
from ..transports import ZmqStream
from .datalink import DataLink, StreamStatus

if TYPE_CHECKING:
    from .id900 import Id900

START_LATENCY_PS = 5_000_000_000
"""Bound on the time between the instrument's reply to REC:PLAY and the true start; an estimate, not the maker's."""
RATE_BOUND = {"INTERNAL": 5e-6, "EXTERNAL": 1e-9}
"""Bound on the relative frequency error of the instrument's clock, by clock reference; estimates, as above."""
SILENCE_S = 10.0
"""How long nothing may come where something should."""
NOT_COMING = "is DataLinkTargetService reachable from the instrument (firewall), and its dlt_address right?"
"""What to do then."""

_LEFTOVER_S = 1.0


class Sending:
    """Time stamps on their way from the instrument to us; used once.

    Args:
        unit: the opened instrument; its text commands and errors are used.
        datalink: the host's DataLinkTargetService.
        streams: the stream to listen on, by channel; opened here, closed by ``close``.
        address: the instrument's address as the service must be told.
        what: what we are, for errors.
    """

    def __init__(
        self, unit: "Id900", datalink: DataLink, streams: dict[int, ZmqStream], address: str, what: str
    ) -> None:
        self._unit, self._clock, self._datalink = unit, unit.clock, datalink
        self._streams, self._address, self._what = streams, address, what
        self._messages: dict[int, list[bytes]] = {channel: [] for channel in streams}
        self._ids: dict[int, str] = {}
        self._sending: set[int] = set()
        self._rate_bound = math.inf

    # --- start ------------------------------------------------------------------------------------------------

    def _check_start(self, start_ps: int | None) -> None:
        """Refuse a start that is already past; no I/O."""
        if start_ps is not None and self._clock.now_ps() - start_ps > self._clock.uncertainty_ps:
            late_s = (self._clock.now_ps() - start_ps) / PS_PER_S
            raise TooLate(
                f"the {self._what} should have started {late_s:.3f} s ago",
                where=self._unit.label,
                hint="choose a start further ahead; this computer, or the network, is slow just now",
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

    def _arm(self, count: int | None, width_ps: int, period_ps: int) -> None:
        """Set up ``count`` sub-acquisitions (None: until stopped) and have their time stamps sent to us."""
        tell = self._unit._tell
        self._rate_bound = RATE_BOUND[self._unit.clock_reference]
        tell("REC:TRIG:ARM:MODE MANU")
        tell("REC:ENAB ON")
        tell("REC:STOP")
        tell(f"REC:NUM {'INF' if count is None else count}")
        tell(f"REC:PWID {width_ps};PPER {period_ps}")
        for channel, stream in self._streams.items():
            tell(f"RAW{channel}:ERRO:CLEA")
            stream.open()  # before the service sends, so that it finds a client at once
            port = int(stream.resource.rpartition(":")[2])
            self._ids[channel] = self._datalink.start_stream(self._address, channel, port)
            self._sending.add(channel)
            tell(f"RAW{channel}:SEND ON")

    def _play(self, start_ps: int | None) -> ClockMap:
        """Start, and return how device time, zero at the start, lies to hardware time."""
        if start_ps is not None:
            while (left_ps := start_ps - self._clock.now_ps()) > 0:
                self._clock.sleep(left_ps / PS_PER_S)
            self._check_start(start_ps)
        self._collect()
        for messages in self._messages.values():
            messages.clear()  # nothing is recorded yet: what came so far is an earlier recording's
        before_ps = self._clock.now_ps()
        self._unit._tell("REC:PLAY")
        half_ps = (self._clock.now_ps() - before_ps + 1) // 2
        uncertainty_ps = self._clock.uncertainty_ps + half_ps + START_LATENCY_PS
        return ClockMap(before_ps + half_ps, 0.0, uncertainty_ps, self._rate_bound, "host clock", locked=True)

    def _collect(self) -> None:
        """Take in the messages that are there, so that none waits in a queue of limited length."""
        for channel, stream in self._streams.items():
            while stream.has_input(0.0):
                self._messages[channel].append(stream.receive(0.0))

    # --- stop -------------------------------------------------------------------------------------------------

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

    def close(self) -> None:
        """Close our ends of the streams; nothing is asked of the instrument. May be called twice."""
        for stream in self._streams.values():
            stream.close()

    # --- what can be wrong ------------------------------------------------------------------------------------

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

    def _nonsense(self, channel: int, why: str) -> ProtocolError:
        return ProtocolError(
            f"the time stamps of input {channel} make no whole {self._what}: {why}",
            where=f"{self._unit.label} at {self._unit.resource}",
            hint="nothing was kept; record again, and end other programs that use the same stream ports",
        )
