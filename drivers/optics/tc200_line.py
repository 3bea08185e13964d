"""The command line of the Thorlabs TC200: it echoes a command, prints lines ended by CR, then a prompt ``> ``.

The prompt may have further blanks around it, and ``stat?`` prints its value on the prompt's line. The echo tells our
reply from a late one.
"""

import re

from ...testbed.errors import InstrumentError, ProtocolError, TransportTimeout
from ..interfaces import Instrument
from ..transports import byte_transport
from ..transports.resync import again, drain

REPLY_S = 2.0
_MAX_LATE = 5
"""How many late replies to look past for the one with our echo."""
_PROMPT = b"> "


class Tc200Line:
    """The line to ``instrument``, which gives clock, resource and the names in errors."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._port = byte_transport(
            instrument.resource, instrument.clock, instrument.label, baudrate=115200, bytesize=8, parity="N", stopbits=1
        )
        self._in_step = True

    def open(self) -> None:
        self._port.open()
        self._in_step = True

    def close(self) -> None:
        self._port.close()

    def leftovers(self) -> bytes:
        """Return, and forget, what came without ever becoming a reply."""
        return self._port.discard_input()

    def query(self, query: str, expected: re.Pattern[str]) -> str:
        """Return the reply to a query; a lost or unexpected one is asked for again.

        Raises:
            TransportTimeout: no reply.
            ProtocolError: no reply of the expected form, or the unit does not know the query.
        """

        def ask() -> str:
            reply = " ".join(self._exchange(query))
            if not expected.fullmatch(reply):
                self._in_step = False
                raise self._instrument.protocol_error(query, reply, "unexpected reply")
            return reply

        return again(ask)

    def tell(self, command: str) -> None:
        """Send a command once.

        Raises:
            InstrumentError: the unit refused it, or its answer was lost or unreadable.
        """
        for line in self._exchange(command):
            spurious = command == "mode=normal" and "CMD_ARG_RANGE_ERR" in line  # it obeys, and complains all the same
            if "CMD_" in line and not spurious:
                raise self._instrument.error(
                    f"the unit refused '{command}': {line}", "the value may be outside what this unit allows now"
                )

    def tell_unsure(self, command: str) -> InstrumentError | None:
        """Send a command once and return how its answer got lost, for callers that read back what it did."""
        try:
            self.tell(command)
        except (TransportTimeout, ProtocolError) as error:
            return error
        return None

    def _exchange(self, command: str) -> list[str]:
        """Send a command and return the lines between its echo and the prompt."""
        if not self._in_step:
            drain(self._port)
        self._port.discard_input()
        self._in_step = False
        self._port.write(command.encode("ascii") + b"\r")
        for _ in range(_MAX_LATE):
            block = self._port.read_until(_PROMPT, REPLY_S)
            echo, *lines = block[: -len(_PROMPT)].decode("ascii", errors="replace").split("\r")
            if echo.strip().endswith(command):  # blanks of the last prompt, or garbage, may stand before it
                self._in_step = True
                return [line.strip() for line in lines if line.strip()]
        raise self._instrument.protocol_error(command, block, "another command is echoed")
