"""ZeroMQ transports to instruments that speak it: request/reply text (REQ) and a one-way stream (PAIR).

The instrument's own link is plain and belongs on a private network.
"""

import secrets
from typing import Any

import zmq

from ...testbed.clock import Clock
from ...testbed.errors import TransportError, TransportTimeout


class ZmqLine:
    """One ZeroMQ socket connected to an instrument; counts messages."""

    socket_type: int
    queue = 1000

    def __init__(self, resource: str, clock: Clock, label: str = "") -> None:
        self.resource, self.clock, self.label = resource, clock, label or resource
        self.key = ""
        self.sent = 0
        self.received = 0
        self._socket: Any = None

    def open(self) -> None:
        """Connect. ZeroMQ connects in the background: whether anybody is there shows at the first reply."""
        address = self.resource.replace("zmq://", "tcp://", 1)
        self._socket = zmq.Context.instance().socket(self.socket_type)
        self._socket.linger = 0
        self._socket.rcvhwm = self.queue
        self._socket.reconnect_ivl = 5  # ms; a stream may be connected a moment before the far end binds it
        identity = secrets.token_hex(8)
        if self.socket_type == zmq.REQ:
            self._socket.setsockopt(zmq.IDENTITY, identity.encode())
        self._socket.connect(address)
        self.key = f"zmq:{address.rpartition(':')[2]}:{identity if self.socket_type == zmq.REQ else ''}"
        self.sent = self.received = 0
        self.clock.opened(self)

    def close(self) -> None:
        """Close; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def pollable(self) -> object:
        return self._socket

    def has_input(self, slice_s: float) -> bool:
        """Return whether a message is there, waiting at most ``slice_s`` seconds of wall time."""
        return bool(self._socket.poll(slice_s * 1000))

    def send(self, text: str) -> None:
        """Send one message."""
        if self._socket is None:
            raise TransportError(f"{self.resource} is closed", where=self.label, hint="open the instrument first")
        self._socket.send_string(text)
        self.sent += 1
        self.clock.wrote(self)

    def receive(self, timeout_s: float) -> bytes:
        """Return the next message.

        Raises:
            TransportTimeout: none came in time.
        """
        if not self.clock.wait_readable(self, timeout_s):
            raise TransportTimeout(
                f"no answer within {timeout_s:g} s",
                where=f"{self.label} at {self.resource}",
                hint="is it switched on, reachable, and not held by another program (one client at a time)?",
            )
        self.received += 1
        return bytes(self._socket.recv())


class ZmqRequester(ZmqLine):
    """Request/reply text over REQ. A lost reply would wedge a REQ socket, so a fresh one is opened then."""

    socket_type = zmq.REQ

    def request(self, text: str, timeout_s: float = 2.0) -> str:
        """Send ``text`` and return the reply's text."""
        self.send(text)
        try:
            return self.receive(timeout_s).decode("utf-8", errors="replace")
        except BaseException:  # an interrupt wedges it like a timeout, and the way to the dark goes through here
            self.close()
            self.open()
            raise


class ZmqStream(ZmqLine):
    """Messages pushed by the far end over PAIR.

    Args:
        queue: so many messages wait for us here; then the far end has to wait.
    """

    socket_type = zmq.PAIR

    def __init__(self, resource: str, clock: Clock, label: str = "", queue: int = 1000) -> None:
        super().__init__(resource, clock, label)
        self.queue = queue
