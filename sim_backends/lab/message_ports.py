"""The simulated instruments' ends of ZeroMQ connections: replies, and a stream of messages.

They count what they consumed and delivered like ``byte_ports``, but messages instead of bytes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq

from .byte_ports import Fault

if TYPE_CHECKING:
    from .lab import Lab


@dataclass
class Request:
    """One request on a ``ReplyPort``; answer it exactly once."""

    text: str
    port: "ReplyPort"
    envelope: list[bytes]
    key: str

    def reply(self, text: str, delay_s: float = 0.0) -> None:
        """Send the reply after ``delay_s`` of lab time."""
        self.port.answer(self, text, delay_s)


class ReplyPort:
    """A ZeroMQ socket that a REQ client takes for a REP one (a ROUTER, so that connections can be told apart)."""

    def __init__(self, lab: "Lab", name: str, on_request: Callable[[Request], None]) -> None:
        self.lab, self.name, self.on_request = lab, name, on_request
        self._socket = lab.context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self.number = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.resource = f"zmq://127.0.0.1:{self.number}"
        self.faults: deque[Fault] = deque()
        self.connections: dict[str, list[int]] = {}
        """By key: requests consumed, replies delivered."""
        self._previous = ""
        lab.watch(self._socket, self._readable)

    def _readable(self) -> bool:
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        key = f"zmq:{self.number}:{frames[0].decode(errors='replace')}"
        self.connections.setdefault(key, [0, 0])[0] += 1
        self.on_request(Request(frames[-1].decode(errors="replace"), self, frames[:-1], key))
        return True

    def answer(self, request: Request, text: str, delay_s: float) -> None:
        fault = self.faults[0] if self.faults else None
        if fault is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.faults.popleft()
        previous, self._previous = self._previous, text
        if fault is not None:
            if fault.kind in ("drop", "disconnect"):
                return
            delay_s += fault.delay_s if fault.kind == "late" else 0.0
            text = {
                "garbage": "\x00\ufffd~#",
                "truncate": text[: len(text) // 2],
                "corrupt": text[:-1] + "?",
                "stale": previous,
            }.get(fault.kind, text)
        frames = [*request.envelope, text.encode()]
        self.lab.at(
            self.lab.now_ps + round(delay_s * 1e12), lambda: self._deliver(frames, request.key), owner=self.name
        )

    def _deliver(self, frames: list[bytes], key: str) -> None:
        self._socket.send_multipart(frames)
        self.connections[key][1] += 1

    def opened(self, key: str) -> None:
        self.connections[key] = [0, 0]

    def counts(self, key: str) -> tuple[int, int] | None:
        """Return how many requests of a connection came, and how many were answered; None for another port's."""
        found = self.connections.get(key)
        return None if found is None else (found[0], found[1])

    def agree(self, key: str, sent: int, received: int) -> None:
        """Take the far end's counts of a connection of this port."""
        self.connections[key] = [sent, received]

    def close(self) -> None:
        self.lab.unwatch(self._socket)
        self._socket.close()


class StreamPort:
    """A ZeroMQ PAIR socket on which a twin pushes messages. Messages wait until the client has connected."""

    def __init__(self, lab: "Lab", name: str, number: int = 0) -> None:
        self.lab, self.name = lab, name
        self._socket = lab.context.socket(zmq.PAIR)
        self._socket.linger = 0
        if number:
            self._bind(number)
        else:
            number = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.number = number
        self.key = f"zmq:{self.number}:"
        self.delivered = 0
        self._pending: deque[bytes] = deque()

    def _bind(self, number: int) -> None:
        """Bind; ZeroMQ frees a port that was just closed in the background, so it may take a moment."""
        for attempt in range(1000):
            try:
                return self._socket.bind(f"tcp://127.0.0.1:{number}")
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or attempt == 999:
                    raise
                self._socket.poll(10)
        return None

    @property
    def waiting(self) -> int:
        """Return how many messages the client has not made room for."""
        return len(self._pending)

    def send(self, data: bytes, delay_s: float = 0.0) -> None:
        """Push one message after ``delay_s`` of lab time."""
        self.lab.at(self.lab.now_ps + round(delay_s * 1e12), lambda: self._queue(data), owner=self.name)

    def _queue(self, data: bytes) -> None:
        self._pending.append(data)
        self.flush()

    def flush(self) -> bool:
        """Deliver what waits; return whether something still does."""
        while self._pending:
            try:
                self._socket.send(self._pending[0], zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return True
            self._pending.popleft()
            self.delivered += 1
        return False

    def opened(self, key: str) -> None:
        self.delivered = 0

    def counts(self, key: str) -> tuple[int, int] | None:
        """Return 0 and how many messages were delivered; None for another port's connection."""
        return (0, self.delivered) if key == self.key else None

    def agree(self, key: str, sent: int, received: int) -> None:
        """Take the far end's count."""
        self.delivered = received

    def close(self) -> None:
        self._socket.close()
