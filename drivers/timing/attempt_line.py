"""Lines of attempt/1 (docs/attempt-protocol.md): check digits, numbered requests, replies that can be lost or late.

Every command may be sent again and means the same, so a lost or spoilt reply is asked for again under its number, and
a reply to anything else is passed over: no stale value is ever taken for a new one.
"""

import functools
import operator
import re

from ...testbed.errors import ProtocolError, TransportTimeout
from ..interfaces import Instrument, Refused
from ..transports import byte_transport

REPLY_S = 1.0
_ATTEMPTS = 3
_MOST_LINES = 300
_FIELD = re.compile(r"(\w+)=(\S*)")

HINTS = {
    "garbage": "the line is disturbed: check cable and bridge",
    "command": "the core may speak another version of the protocol",
    "role": "another program has control of this core: close it, or wait for its lease to end",
    "hash": "load the program again",
    "long": "use a shorter herald table or fewer pulses",
    "program": "compile the program for this core",
    "past": "plan a later start; check that the clocks agree",
    "lead": "plan a later start",
    "clock": "wait until the clock reference is locked again",
    "busy": "wait for the other batch to end, or abort it",
    "epoch": "another coordinator has taken over; this one must stop",
    "repeated": "use a new batch number",
    "late": "the batch will not run; commit earlier, or plan a later start",
    "state": "ask for the core's status",
    "gone": "ask sooner after the batch",
    "slot": "look which slots hold a qubit",
}
"""What to do about each code of refusal."""


def sealed(text: str) -> bytes:
    """Return a line with check digits and end."""
    data = text.encode("ascii")
    return b"%s*%02X\n" % (data, functools.reduce(operator.xor, data, 0))


def unsealed(line: bytes) -> str | None:
    """Return the text of a line, or None if it is not what its digits say."""
    text, star, digits = line.rstrip(b"\r\n").rpartition(b"*")
    if not star or b"%02X" % functools.reduce(operator.xor, text, 0) != digits:
        return None
    return text.decode("ascii", errors="replace") if text.isascii() else None


def fields(text: str) -> dict[str, str]:
    """Return the ``key=value`` words of a text."""
    return dict(_FIELD.findall(text))


class AttemptLine:
    """One connection to a core; ``instrument`` gives clock, resource and the names in errors."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self.port = byte_transport(instrument.resource, instrument.clock, instrument.label)
        self._number = 0
        self.heard_s = float("-inf")
        """Monotonic time of the last command that was answered, as it was sent."""

    def connect(self) -> None:
        """Open the connection; nothing is asked."""
        self.port.open()
        self._number = 0

    def greeting(self) -> str:
        """Return the text of the core's first line; what is no line of attempt/1 is returned as it came."""
        raw = self.port.read_until(b"\n", REPLY_S)
        return unsealed(raw) or repr(raw)

    def close(self) -> None:
        """Close; may be called twice."""
        self.port.close()

    def ask(self, text: str, body: bytes = b"") -> tuple[str, list[str]]:
        """Send a command, and again if its reply is lost, and return what stands after OK and the lines that follow.

        Raises:
            Refused: the core refused it.
            TransportTimeout: no reply, however often it was sent.
            ProtocolError: replies came, but none that could be understood.
        """
        self._number += 1
        request = sealed(f"{self._number} {text}") + body
        for attempt in range(_ATTEMPTS):
            sent_s = self._instrument.clock.monotonic_s()
            self.port.discard_input()  # half a line would spoil the next one
            self.port.write(request)
            try:
                reply = self._reply(text)
            except (TransportTimeout, ProtocolError):
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            self.heard_s = sent_s
            return reply
        raise AssertionError("unreachable")

    def tell(self, text: str) -> None:
        """Send a line without a number; nothing is awaited."""
        self.port.write(sealed(text))

    def _reply(self, command: str) -> tuple[str, list[str]]:
        """Return the reply to the present number; raises ProtocolError if it was spoilt."""
        end_s = self._instrument.clock.monotonic_s() + REPLY_S
        head, wanted, lines = "", -1, list[str]()
        for _ in range(_MOST_LINES):
            if len(lines) == wanted:
                return head, lines
            raw = self.port.read_until(b"\n", max(0.0, end_s - self._instrument.clock.monotonic_s()))
            text = unsealed(raw)
            if text is None or text.startswith("0 ERR garbage"):
                raise self._instrument.protocol_error(command, raw, "garbage on the line")
            number, _, rest = text.partition(" ")
            if number != str(self._number):
                continue
            word, _, said = rest.partition(" ")
            if word == "ERR":
                raise self._refusal(command, said)
            if word == "OK":
                count = fields(said).get("lines", "0")
                head, lines = said, []
                wanted = int(count) if count.isdecimal() else 0
            elif wanted >= 0:
                lines.append(rest)
        raise self._instrument.protocol_error(command, head, "a reply without end")

    def _refusal(self, command: str, said: str) -> Refused:
        code, _, why = said.partition(" ")
        return Refused(
            f"the core refused '{command[:60]}': {code}, {why}",
            code=code,
            where=f"{self._instrument.label} at {self._instrument.resource}",
            hint=HINTS.get(code, "see docs/attempt-protocol.md"),
        )
