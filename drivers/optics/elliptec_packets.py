"""Packets of one Thorlabs Elliptec unit on its bus: 9600 8N1, up to 16 units on one port.

A host packet is address, two lower-case letters, upper-case hex data, and no terminator. A reply is address, two
upper-case letters, hex data, CR LF; ``GS`` and a status code stands for a failure or a plain ok. Handset buttons
(``BO``, ``BS``) speak unasked, and other units share the line: what is not ours is recorded, never taken for a reply.
"""

import re
from collections import deque

from ...testbed.errors import InstrumentError
from ..interfaces import Instrument
from ..transports import Bus
from ..transports.resync import again, drain

REPLY_S = 2.0
BUSY_S = 30.0
"""For how long a busy unit is asked again."""
_BUSY_POLL_S = 0.2

STATUS = {
    0x00: "ok", 0x01: "communication time-out", 0x02: "mechanical time-out", 0x03: "command error or not supported",
    0x04: "value out of range", 0x05: "module isolated", 0x06: "module out of isolation", 0x07: "initialising",
    0x08: "thermal error", 0x09: "busy", 0x0A: "sensor error", 0x0B: "motor error", 0x0C: "out of range",
    0x0D: "over-current error",
}  # fmt: skip
_BUSY = (0x07, 0x09)
_HINTS = {
    0x02: "is the rotor blocked? if not, let it search its motor frequencies (Thorlabs ELLO software), then home it",
    0x08: "let it cool down, then home it",
    0x0A: "power-cycle it, then home it",
    0x0B: "power-cycle it, then home it",
    0x0D: "check its supply, then home it",
}
_DIGITS = {"IN": 30, "GS": 2, "PO": 8, "GV": 2}
"""Number of hex digits after each reply's letters."""
_LINE = re.compile(rb"[0-9A-F][A-Z][A-Z0-9][0-9A-F]*\r\n")
"""Address, two letters, data."""


class ElliptecPackets:
    """The packets of the unit at ``address``; ``instrument`` gives clock, resource and the names in errors."""

    def __init__(self, instrument: Instrument, address: str) -> None:
        self._instrument, self._clock, self._address = instrument, instrument.clock, address
        self._bus: Bus | None = None
        self._in_step = True
        self.unsolicited: deque[str] = deque(maxlen=100)
        """What came unasked, newest last."""

    def open(self) -> None:
        self._bus = Bus.join(
            self._instrument.resource,
            self._clock,
            self._instrument.label,
            baudrate=9600,
            bytesize=8,
            parity="N",
            stopbits=1,
        )
        self._in_step = True

    def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.leave()

    def query(self, command: str, wanted: str) -> str:
        """Return the data of reply ``wanted``; a lost reply is asked for again, so only for what changes nothing."""
        return again(self.request, command, wanted)

    def request(self, command: str, wanted: str, timeout_s: float = REPLY_S, *, status_is_enough: bool = False) -> str:
        """Return the data of reply ``wanted``, or "" if the unit only said ok and that is enough.

        A busy unit has not taken the request, so it is asked again, whatever the request is; a request whose reply
        was lost is not made again here.

        Raises:
            TransportTimeout: no reply within ``timeout_s`` (s).
            ProtocolError: a reply that cannot be understood.
            InstrumentError: an error status, or busy for longer than ``BUSY_S``.
        """
        busy_since_s = None
        while True:
            letters, data = self._exchange(command, wanted, timeout_s)
            if letters != "GS":
                return data
            code = int(data, 16)
            if code == 0 and (status_is_enough or wanted == "GS"):
                return ""
            if code == 0:
                self._in_step = False
                raise self._instrument.protocol_error(self._address + command, letters + data, f"expected {wanted}")
            now_s = self._clock.monotonic_s()
            busy_since_s = now_s if busy_since_s is None else busy_since_s
            if code not in _BUSY or now_s >= busy_since_s + BUSY_S:
                raise self.refused(command, code)
            self._clock.sleep(_BUSY_POLL_S)

    def status(self) -> int:
        """Return the status code; asking clears an error."""
        return int(again(self._exchange, "gs", "GS", REPLY_S)[1], 16)

    def status_at_rest(self) -> int:
        """Return the status code as soon as the unit is no longer busy, or after ``BUSY_S`` seconds."""
        end = self._clock.monotonic_s() + BUSY_S
        while (code := self.status()) in _BUSY and self._clock.monotonic_s() < end:
            self._clock.sleep(_BUSY_POLL_S)
        return code

    def refused(self, command: str, code: int) -> InstrumentError:
        """Return the error for a status code."""
        return self._instrument.error(
            f"'{self._address}{command}' ended with status {code:02X}: {status_text(code)}",
            _HINTS.get(code, "asking the status cleared it; try again, power-cycle the unit if it stays"),
        )

    def _exchange(self, command: str, wanted: str, timeout_s: float) -> tuple[str, str]:
        """Send one packet and return letters and data of our unit's reply: ``wanted`` or a status."""
        if self._bus is None:
            raise self._instrument.error("the instrument is not open", "open it first")
        packet = self._address + command
        with self._bus.lock:
            port = self._bus.transport
            if not self._in_step:
                self._record(drain(port))
            stale = port.discard_input()
            if stale:
                self._record(stale)
            self._in_step = False
            port.write(packet.encode("ascii"))
            end, left = self._clock.monotonic_s() + timeout_s, timeout_s
            while True:
                raw = port.read_until(b"\r\n", left)
                if _LINE.fullmatch(raw) is None:
                    raise self._instrument.protocol_error(packet, raw, "unexpected reply")
                line = raw.decode("ascii")
                address, letters, data = line[0], line[1:3], line[3:-2]
                if address != self._address or letters not in (wanted, "GS"):
                    self._record(raw)
                    left = max(0.0, end - self._clock.monotonic_s())
                    continue
                if len(data) != _DIGITS[letters]:
                    raise self._instrument.protocol_error(packet, raw, f"{letters} needs {_DIGITS[letters]} digits")
                self._in_step = True
                return letters, data

    def _record(self, data: bytes) -> None:
        self.unsolicited.extend(line for line in data.decode("ascii", errors="replace").split("\r\n") if line)


def status_text(code: int) -> str:
    """Return the meaning of a status code."""
    return STATUS.get(code, f"unknown status {code:02X}")
