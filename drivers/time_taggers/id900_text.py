"""SCPI text of the ID900/ID1000 over ZeroMQ: every message, a set too, gets exactly one reply.

The replies to sets differ between firmware (nothing, an echo, ``Value set to ...``), so a set is judged by reading
back; where nothing can be read back, a reply that looks like an error is one. A lost reply costs one command: the
connection is opened afresh, and what comes late is never taken for the answer to something else.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ...testbed.errors import InstrumentError, TransportTimeout
from ..interfaces import Instrument
from ..transports import ZmqRequester

REPLY_S = 2.0
_VALUE = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(|TB|V|mV|ms)")
_REFUSAL = re.compile(
    r"SCPI_ERR|\bERROR|UNKNOWN|INVALID|ILLEGAL|UNDEFINED|NOT ALLOWED|OUT OF RANGE|^-\d{3},", re.IGNORECASE
)


class Refused(InstrumentError):
    """The instrument answered a command with an error text."""


class TextLink:
    """Commands and queries of one instrument; ``instrument`` names the errors."""

    def __init__(self, resource: str, instrument: Instrument) -> None:
        self._instrument = instrument
        self._requester = ZmqRequester(resource, instrument.clock, instrument.label)

    def open(self) -> None:
        """Connect in the background; whether anybody is there shows at the first reply."""
        self._requester.open()

    def close(self) -> None:
        """Close; may be called twice."""
        self._requester.close()

    def ask(self, query: str, timeout_s: float = REPLY_S) -> str:
        """Send a message and return the text of its reply, without white space around it.

        Raises:
            TransportTimeout: no reply in time; names the message.
            ProtocolError: a reply that is no text.
        """
        try:
            reply = self._requester.request(query, timeout_s)
        except TransportTimeout as error:
            raise TransportTimeout(
                f"no answer to {query!r} within {timeout_s:g} s",
                where=f"{self._instrument.label} at {self._instrument.resource}",
                hint="is it switched on, reachable, and not held by another program (one client at a time)? "
                "the connection was opened afresh, so the command can be given again",
            ) from error
        if any(not each.isprintable() or each == "\ufffd" for each in reply if each not in "\r\n\t"):
            raise self._instrument.protocol_error(query, reply, "expected text")
        return reply.strip()

    def tell(self, command: str, timeout_s: float = REPLY_S) -> None:
        """Send a command.

        Raises:
            Refused: the reply looks like an error.
        """
        reply = self.ask(command, timeout_s)
        if any(_REFUSAL.search(line) for line in reply.splitlines()):
            raise Refused(
                f"{command!r} was refused: {reply!r}",
                where=f"{self._instrument.label} at {self._instrument.resource}",
                hint="the instrument's state does not allow it, or its firmware does not know the command",
            )

    def read(self, heads: Sequence[str], parse: Callable[[str], Any]) -> list[Any]:
        """Return the values of several settings or readings (``INPU1:THRE``), asked for in one message."""
        query = ";:".join(f"{head}?" for head in heads)
        reply = self.ask(query)
        try:
            values = [parse(line) for line in reply.splitlines() if line.strip()]
        except (ValueError, KeyError):
            raise self._instrument.protocol_error(query, reply, "a value that cannot be read") from None
        if len(values) != len(heads):
            raise self._instrument.protocol_error(query, reply, f"expected {len(heads)} lines")
        return values

    def set(
        self,
        heads: Sequence[str],
        value: str,
        parse: Callable[[str], Any],
        *,
        tolerance: float = 0.0,
        timeout_s: float = REPLY_S,
    ) -> None:
        """Set several settings to ``value`` in one message and read them all back.

        Raises:
            Refused: the reply looks like an error.
            InstrumentError: it reads back something else, by more than ``tolerance``.
        """
        self.tell(";:".join(f"{head} {value}" for head in heads), timeout_s)
        wanted = parse(value)
        for head, found in zip(heads, self.read(heads, parse)):
            if found != wanted and not (tolerance and math.isclose(found, wanted, rel_tol=0, abs_tol=tolerance)):
                raise self._instrument.error(
                    f"{head} was set to {value} and reads {found}",
                    hint="the instrument does not take this value; see its manual for what it does",
                )


def number(text: str) -> float:
    """Return the number in ``100TB``, ``0.25V``, ``250mV``, ``1000ms`` or ``48213``; voltages in volts."""
    match = _VALUE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no number")
    return float(match[1]) / (1000 if match[2] == "mV" else 1)


def word(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a parser for words whose length and letter case differ between firmware (``RISIng`` is ``RISI``)."""
    by_start = {choice[:3]: choice for choice in choices}
    return lambda text: by_start[text.strip().upper()[:3]]
