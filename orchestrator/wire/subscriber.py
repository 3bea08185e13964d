"""The receiving end of a stream: counts what it lost, and shows only the newest if asked to."""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq

from .codec import ANSWERS, Decoder, Limits
from .errors import LinkError, WireError
from .keys import KeyPair
from .link import Link
from .messages import Event
from .nonces import elapsed_s
from .publisher import NUMBER
from .sockets import Socket
from .values import Array


@dataclass(frozen=True)
class Published:
    """One event as it arrived; ``lost``: how many of its topic are missing since the one before it."""

    topic: str
    number: int
    lost: int
    message: Event
    arrays: list[Array]


class Subscriber:
    """The receiving end. To be used from one thread.

    Args:
        endpoint: the publisher's address.
        server_public_key: the key it must hold.
        keys: our own pair.
        topics: topics to receive, or how they begin; "" is all.
        context: the ZeroMQ context; the process's own if not given.
        conflate: keep only the newest event of every topic, for displays.
        hwm: so many events wait for us; more are lost.
        limits: how large an event may be.
    """

    def __init__(
        self,
        endpoint: str,
        server_public_key: str,
        keys: KeyPair,
        topics: Sequence[str] = ("",),
        *,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        conflate: bool = False,
        hwm: int = 1000,
        limits: Limits = ANSWERS,
    ) -> None:
        self.conflate, self._decoder = conflate, Decoder(Event, limits)
        self.lost: Counter[str] = Counter()
        """Events that were published and did not arrive, by topic."""
        self.malformed = 0

        def prepare(socket: Socket) -> None:
            socket.setsockopt(zmq.RCVHWM, hwm)
            for topic in topics:
                socket.setsockopt(zmq.SUBSCRIBE, topic.encode())

        largest = max(limits.header_bytes, limits.array_bytes)
        self._link = Link(
            context or zmq.Context.instance(), zmq.SUB, endpoint, server_public_key, keys, largest, prepare
        )
        self._last: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, Published] = {}

    @property
    def socket(self) -> Socket:
        """Return the socket to poll. After a refusal it is another one, so ask anew in every round."""
        return self._link.socket

    @property
    def problem(self) -> LinkError | None:
        """Return why there is no connection, as far as is known; None if there is one."""
        return None if self._link.is_up else self._link.why_not_up()

    def receive(self, timeout_s: float = 0.0) -> Published | None:
        """Return the next event, or None if none comes in time; also brings a refused connection back."""
        end = elapsed_s() + timeout_s
        self._link.note()
        while True:
            event = self._newest() if self.conflate else self._next()
            left = end - elapsed_s()
            if event is not None or left <= 0:
                return event
            self._link.wait(min(left, 0.5))

    def close(self) -> None:
        """Close; may be called twice."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> Published | None:
        """Return the next event that is there and can be understood."""
        while True:
            try:
                frames = self._link.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            event = self._take(frames)
            if event is not None:
                return event

    def _newest(self) -> Published | None:
        """Return the newest event of some topic, the topic that waited longest first."""
        for _ in range(10_000):
            event = self._next()
            if event is None:
                break
            before = self._waiting.get(event.topic)
            if before is not None:
                event = Published(event.topic, event.number, event.lost + before.lost, event.message, event.arrays)
            self._waiting[event.topic] = event
        return self._waiting.pop(next(iter(self._waiting))) if self._waiting else None

    def _take(self, frames: list[Any]) -> Published | None:
        try:
            topic = frames[0].bytes.decode()
            boot, number = NUMBER.unpack(frames[1].bytes)
        except (UnicodeDecodeError, struct.error, IndexError):
            self.malformed += 1
            return None
        known, last = self._last.get(topic, (boot, number - 1))
        lost = max(number - last - 1, 0) if known == boot else 0
        self._last[topic] = (boot, number)
        self.lost[topic] += lost
        try:
            message, arrays = self._decoder.decode(frames[2:])
        except WireError:
            self.malformed += 1
            return None
        return Published(topic, number, lost, message, arrays)
