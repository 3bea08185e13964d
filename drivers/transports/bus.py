"""Ports that several instruments share (Elliptec, SIM900, MeCom): one owner, one transport, counted users."""

import threading
from typing import Any

from ...testbed.clock import Clock
from ...testbed.errors import BellringerError
from .byte_stream import ByteTransport
from .serial_port import SerialTransport
from .tcp import TcpTransport
from .visa import VisaTransport


def byte_transport(resource: str, clock: Clock, label: str = "", **serial_options: Any) -> ByteTransport:
    """Return the transport for a byte-stream resource string, not yet opened."""
    upper = resource.upper()
    if resource.startswith("socket://"):
        return TcpTransport(resource, clock, label)  # a serial line's options are the converter's business
    if resource.startswith("serial://"):
        return SerialTransport(resource, clock, label, **serial_options)
    if upper.startswith("ASRL") or (upper.startswith("TCPIP") and upper.endswith("::SOCKET")):
        return VisaTransport(resource, clock, label, **serial_options)
    raise BellringerError(
        f"'{resource}' is no byte-stream resource",
        where=label,
        hint="use serial:///dev/..., socket://host:port, ASRL/dev/...::INSTR or TCPIP::host::port::SOCKET",
    )


class Bus:
    """A shared port: the first user opens it, the last one closes it; ``lock`` is held for one whole transaction."""

    _buses: dict[tuple[str, int], "Bus"] = {}
    _buses_lock = threading.Lock()

    def __init__(self, transport: ByteTransport) -> None:
        self.transport = transport
        self.lock = threading.RLock()
        self._users = 0
        self._key: tuple[str, int] = ("", 0)

    @classmethod
    def join(cls, resource: str, clock: Clock, label: str = "", **serial_options: Any) -> "Bus":
        """Return the open bus at ``resource``, shared with everybody who joined it through the same clock."""
        key = (resource, id(clock))
        with cls._buses_lock:
            bus = cls._buses.get(key)
            if bus is None:
                bus = cls(byte_transport(resource, clock, label, **serial_options))
                bus._key = key
            bus.transport.open()  # does nothing when open; opens again after a broken connection
            cls._buses[key] = bus
            bus._users += 1
            return bus

    def leave(self) -> None:
        """Give up one use; the last user closes the port."""
        with self._buses_lock:
            self._users -= 1
            if self._users == 0:
                self._buses.pop(self._key, None)
                self.transport.close()
