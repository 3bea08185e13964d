"""The counts port of a WebSQ: one text line ``unix_time,c1,...,cN`` per measurement period, from when one connects.

What comes first may be half a line, or sum up a period that began before, and is left out. Lines are summed up as they
come, so that whoever looks now and then misses none of them and waits for none.
"""

import math

from ...testbed.errors import TransportTimeout
from ..interfaces import Instrument
from ..transports import ByteTransport

LATE_S = 5.0
"""How much later than one period a line may come."""


class CountsSum:
    """Sums up the lines of a connection that stays open.

    Args:
        instrument: names the errors.
        channels: how many detectors there are.

    Attributes:
        live_s: how long the lines that were summed up have counted, s.
        clicks: of each detector in that time.
    """

    def __init__(self, transport: ByteTransport, instrument: Instrument, channels: int) -> None:
        self._transport, self._instrument = transport, instrument
        self.live_s, self.clicks = 0.0, [0] * channels
        self._rest = b""
        self._whole = False
        """Whether the next line sums up a period of ``_period_s`` from its beginning."""
        self._period_s = self._heard_s = 0.0

    def close(self) -> None:
        """Disconnect; may be called twice."""
        self._transport.close()

    def take(self, period_s: float) -> None:
        """Sum up the lines that came, each of ``period_s`` (s); those around a change of it are left out.

        Raises:
            TransportTimeout: none came for much longer than a period.
            TransportError: the connection broke; the next call makes a new one.
            ProtocolError: a line makes no sense.
        """
        now_s = self._instrument.clock.monotonic_s()
        if not self._transport.is_open:
            self._transport.open()
            self._rest, self._whole, self._heard_s, self._period_s = b"", False, now_s, period_s
        *lines, self._rest = (self._rest + self._transport.discard_input()).split(b"\n")
        if lines:
            self._heard_s = now_s
        elif now_s - self._heard_s > period_s + LATE_S:
            self._transport.close()
            raise TransportTimeout(
                f"no counts came for {now_s - self._heard_s:.1f} s, where a line is due every {period_s:g} s",
                where=f"{self._instrument.label} at {self._transport.resource}",
                hint="do the electronics show counts on their own web page?",
            )
        if period_s != self._period_s:
            self._period_s, self._whole, lines = period_s, False, []
        elif lines and not self._whole:
            self._whole, lines = True, lines[1:]
        for line in lines:
            counts = counts_in(line, self._instrument, len(self.clicks))
            self.live_s += period_s
            self.clicks = [total + count for total, count in zip(self.clicks, counts)]


def counts_in(line: bytes, instrument: Instrument, channels: int) -> list[int]:
    """Return the counts of ``channels`` detectors in a line.

    Raises:
        ProtocolError: they are not there.
    """
    try:
        numbers = [float(field) for field in line.decode("ascii").split(",")]
    except ValueError:  # what is not ASCII is a ValueError too
        raise instrument.protocol_error("counts port", line, "expected numbers") from None
    if len(numbers) != channels + 1:
        raise instrument.protocol_error("counts port", line, f"expected a time and {channels} counts")
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise instrument.protocol_error("counts port", line, "expected counts, none of them negative")
    return [round(number) for number in numbers[1:]]
