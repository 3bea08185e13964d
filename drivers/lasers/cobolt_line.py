"""The command line of Cobolt lasers: one command, one line back, at least 100 ms apart, never a stale reply.

Commands end in CR, replies in CR LF. A reply does not name its command, so after a lost one the line is emptied and
pinged (``?`` -> ``OK``) until the ping itself is answered.
"""

import re

from ...testbed.errors import ProtocolError, TransportTimeout
from ..interfaces import Instrument
from ..transports import byte_transport
from ..transports.resync import again, drain

GAP_S = 0.1
"""Least time between two commands; the maker's own library keeps it."""
REPLY_S = 2.0
_ATTEMPTS = 3
_MAX_LATE = 10
"""How many late replies to look past for the ping's own."""


class CoboltLine:
    """The line to ``instrument``, which gives clock, resource and the names in errors."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument, self._clock = instrument, instrument.clock
        self._port = byte_transport(
            instrument.resource, self._clock, instrument.label, baudrate=115200, bytesize=8, parity="N", stopbits=1
        )
        self._in_step = True
        self._last_sent_s = float("-inf")

    def open(self) -> None:
        self._port.open()
        self._in_step = True

    def close(self) -> None:
        self._port.close()

    def query(self, query: str, expected: re.Pattern[str]) -> str:
        """Return the reply to a query; a lost or unexpected one is asked for again.

        Raises:
            TransportTimeout: no reply.
            ProtocolError: no reply of the expected form.
        """

        def ask() -> str:
            reply = self.exchange(query)
            if not expected.fullmatch(reply):
                self._in_step = reply.startswith("Syntax error")
                raise self._instrument.protocol_error(query, reply, "unexpected reply")
            return reply

        return again(ask)

    def tell(self, command: str) -> None:
        """Send a command once; never again by itself, because a lost ``OK`` does not mean a lost command.

        Raises:
            InstrumentError: the laser refused it, or the answer was lost or unreadable.
        """
        reply = self.exchange(command)
        if reply.startswith("Syntax error"):
            raise self._instrument.error(
                f"the laser refused '{command}': {reply}", "this head may not know the command, or not in this mode"
            )
        if reply != "OK":
            self._in_step = False
            raise self._instrument.protocol_error(command, reply, "expected OK")

    def exchange(self, command: str) -> str:
        """Send a command once and return its reply, whatever it says."""
        if not self._in_step:
            self.resync()
        return self._transact(command)

    def greet(self) -> str:
        """Ping and return "" if the answer is OK, else what was found.

        The first answer may be spoilt by half a command that another program left behind.

        Raises:
            TransportTimeout: nothing came at all.
        """
        found = ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self._transact("?")
                if answer == "OK":
                    return ""
                found = repr(answer)
                drain(self._port)
            except ProtocolError as error:
                found = error.what
            except TransportTimeout as error:
                partial = self._port.discard_input()
                found = repr(partial) if partial else found
                silence = error
        if not found:
            raise silence
        return found

    def resync(self) -> None:
        """Empty the line, then ping until the ping itself is answered: whatever came late is behind us then."""
        drain(self._port)
        answer = self._transact("?")
        for _ in range(_MAX_LATE):
            if answer == "OK":
                break
            self._in_step = False
            answer = self._line("?")
        drain(self._port)

    def shout(self, command: str) -> None:
        """Send a command whether in step or not, and leave its reply to the next exchange, which sweeps it away."""
        self._wait_for_gap()
        self._in_step = False
        self._port.write(command.encode("ascii") + b"\r")
        self._last_sent_s = self._clock.monotonic_s()

    @property
    def in_step(self) -> bool:
        return self._in_step

    def lose_step(self) -> None:
        """Have the next exchange bring the line in step first."""
        self._in_step = False

    def _transact(self, command: str) -> str:
        self._wait_for_gap()
        self._port.discard_input()
        self._in_step = False
        self._port.write(command.encode("ascii") + b"\r")
        self._last_sent_s = self._clock.monotonic_s()
        return self._line(command)

    def _wait_for_gap(self) -> None:
        too_early_s = self._last_sent_s + GAP_S - self._clock.monotonic_s()
        if too_early_s > 0.0:
            self._clock.sleep(too_early_s)

    def _line(self, command: str) -> str:
        raw = self._port.read_until(b"\r\n", REPLY_S)[:-2]
        text = raw.decode("ascii", errors="replace")
        if not text.isascii() or not text.isprintable():
            raise self._instrument.protocol_error(command, raw, "garbage on the line")
        self._in_step = True
        return text.strip()
