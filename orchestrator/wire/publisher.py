"""A one-way stream of events: published to whoever subscribed, numbered topic by topic, never waiting for anybody.

A subscriber that does not keep up loses events at its high-water mark; it knows how many, from the numbers. Frames:
topic, then 16 bytes with the publisher's start (random) and the number, then the message and its arrays (codec.py).
"""

import secrets
import struct
from collections import Counter, deque
from types import TracebackType
from typing import Self

import zmq

from ...testbed.errors import BellringerError
from .codec import encode
from .enrolled import Enrolled
from .keys import KeyPair
from .messages import Event
from .sockets import Socket, bind, close, serve_curve
from .values import Array
from .zap import OnKnock, Zap

NUMBER = struct.Struct(">QQ")
"""The second frame: the publisher's start, and the event's number in its topic, from 1."""


class Publisher:
    """The sending end of a stream, at a service. To be used from one thread.

    When a key is revoked the port is closed and opened again: ZeroMQ cannot hang up on one subscriber. The others come
    back by themselves and may find a gap.

    Args:
        endpoint: e.g. ``tcp://*:5571``; port ``*`` lets the system choose, see ``self.endpoint``.
        keys: the service's own pair.
        zap: the context's authentication handler.
        enrolled: whose keys may subscribe; any role.
        name: its domain, unique per process.
        hwm: so many events wait for a slow subscriber; more are dropped for it.
        on_knock: told of every handshake, in the handler's thread.

    Raises:
        BellringerError: the address is taken or is no address.
    """

    def __init__(
        self,
        endpoint: str,
        keys: KeyPair,
        zap: Zap,
        enrolled: Enrolled,
        *,
        name: str,
        hwm: int = 1000,
        on_knock: OnKnock = lambda knock: None,
    ) -> None:
        self.endpoint, self.name = endpoint, name
        self._keys, self._zap, self._enrolled, self._hwm = keys, zap, enrolled, hwm
        self._boot, self._numbers = secrets.randbits(64), Counter[str]()
        self._new: deque[str] = deque(maxlen=1000)
        self._revocations = enrolled.revocations
        zap.add(name, enrolled, on_knock)
        self._socket: Socket | None = None
        try:
            self._open()
        except BellringerError:
            self.close()
            raise

    def publish(self, topic: str, event: Event, *arrays: Array) -> int:
        """Publish one event and return its number in its topic. Do not change the arrays afterwards.

        Raises:
            WireError: it cannot be sent.
        """
        frames = encode(event, *arrays)
        self._hang_up_on_the_revoked()
        self._note_subscriptions()
        self._numbers[topic] += 1
        if self._socket is not None:
            number = NUMBER.pack(self._boot, self._numbers[topic])
            self._socket.send_multipart([topic.encode(), number, *frames], zmq.NOBLOCK, copy=False)
        return self._numbers[topic]

    def subscribed(self) -> list[str]:
        """Return the prefixes subscribed to since last time, so that newcomers can be told how things are."""
        self._note_subscriptions()
        new = list(self._new)
        self._new.clear()
        return new

    def close(self) -> None:
        """Close the port; may be called twice."""
        self._hang_up()
        self._zap.remove(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._socket = serve_curve(self._zap.context.socket(zmq.XPUB), self._keys, self.name)
        self._socket.setsockopt(zmq.SNDHWM, self._hwm)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 4096)  # subscriptions
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.endpoint = bind(self._socket, self.endpoint)

    def _hang_up(self) -> None:
        if self._socket is not None:
            close(self._socket, None)
            self._socket = None

    def _hang_up_on_the_revoked(self) -> None:
        self._enrolled.refresh()
        if self._revocations != self._enrolled.revocations:
            self._revocations = self._enrolled.revocations
            self._hang_up()
        if self._socket is None:
            try:
                self._open()
            except BellringerError:  # ZeroMQ frees the address a moment later; the next event tries again
                self._hang_up()

    def _note_subscriptions(self) -> None:
        while self._socket is not None and self._socket.poll(0):
            message = self._socket.recv()
            if message[:1] == b"\x01":
                self._new.append(message[1:].decode(errors="replace"))
