"""The simulated instruments' ends of byte streams: TCP and pseudo-terminals.

Every port counts what it consumed and delivered per connection, which is what the lockstep rule needs, and can
misbehave on request (``Fault``), which is what tests of drivers need.
"""

import contextlib
import functools
import os
import pty
import socket
import tempfile
import tty
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .lab import Lab

_BYTEWISE = 20
"""So many replies of a connection may come byte by byte, those after them in two pieces at most: every piece is a step
of lab time's rule, and whoever has put so many replies together can."""


@dataclass
class Fault:
    """One misbehaviour, applied to the next ``count`` replies.

    ``kind``: ``drop`` (no reply), ``corrupt`` (one byte changed), ``garbage`` (bytes before the reply), ``truncate``
    (half of it), ``late`` (``delay_s`` later), ``stale`` (the previous reply again before this one),
    ``disconnect`` (the connection breaks instead of a reply).
    """

    kind: str
    count: int = 1
    delay_s: float = 5.0


class Client(Protocol):
    """The far end a byte-stream twin answers to."""

    def send(self, data: bytes, delay_s: float = 0.0) -> None:
        """Deliver ``data`` after ``delay_s`` of lab time, in pieces, never before what was sent earlier."""


class _Stream(ABC):
    """One byte-stream connection, whatever carries it."""

    def __init__(self, port: "BytePort", key: str) -> None:
        self.port, self.key = port, key
        self.consumed = self.delivered = 0
        self._not_before_ps = 0
        self._sent = 0
        self._previous = b""

    def send(self, data: bytes, delay_s: float = 0.0) -> None:
        lab, rng = self.port.lab, self.port.rng
        for reply, extra_s in self.port.misbehave(data, self._previous, self):
            when = max(lab.now_ps + round((delay_s + extra_s) * 1e12), self._not_before_ps)
            self._not_before_ps = when
            self._sent += 1
            for piece in _pieces(reply, rng, bytewise=self._sent <= _BYTEWISE):
                lab.at(when, functools.partial(self._deliver, piece), owner=self.port.name)
        self._previous = data

    def _deliver(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._write(data)
            self.delivered += len(data)

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


def _pieces(data: bytes, rng: Any, *, bytewise: bool) -> list[bytes]:
    """Cut a reply the way real links do: whole, byte by byte, or somewhere."""
    how = rng.integers(3)
    if how == 0 or len(data) < 2 or len(data) > 4096:
        return [data] if data else []
    if how == 1 and bytewise and len(data) < 64:
        return [data[i : i + 1] for i in range(len(data))]
    cut = int(rng.integers(1, len(data)))
    return [data[:cut], data[cut:]]


class BytePort(ABC):
    """A port that carries a byte stream. ``on_bytes(data, client)`` is the twin's parser."""

    resource = ""

    def __init__(self, lab: "Lab", name: str, on_bytes: Callable[[bytes, Client], None]) -> None:
        self.lab, self.name, self.on_bytes = lab, name, on_bytes
        self.rng = lab.rng(f"port {name}")
        self.faults: deque[Fault] = deque()
        self.streams: dict[str, _Stream] = {}
        self.on_connect: Callable[[Client], None] = lambda client: None
        self.on_disconnect: Callable[[Client], None] = lambda client: None

    def misbehave(self, data: bytes, previous: bytes, stream: _Stream) -> list[tuple[bytes, float]]:
        """Return what is really sent for a reply, each with an extra delay in seconds."""
        if not self.faults:
            return [(data, 0.0)]
        fault = self.faults[0]
        fault.count -= 1
        if fault.count <= 0:
            self.faults.popleft()
        if fault.kind == "disconnect":
            self.lab.at(self.lab.now_ps, lambda: self.drop(stream), owner=self.name)
            return []
        middle = len(data) // 2
        return {
            "drop": [],
            "corrupt": [(data[:middle] + bytes([data[middle] ^ 0x15]) + data[middle + 1 :], 0.0)],
            "garbage": [(b"\x00\xfe~#" + data, 0.0)],
            "truncate": [(data[:middle], 0.0)],
            "late": [(data, fault.delay_s)],
            "stale": [(previous + data, 0.0)],
        }[fault.kind]

    @abstractmethod
    def close(self) -> None:
        """Close the port and all its connections."""

    def counts(self, key: str) -> tuple[int, int] | None:
        """Return what was consumed and delivered on a connection, None for one that is not this port's."""
        stream = self.streams.get(key)
        return None if stream is None else (stream.consumed, stream.delivered)

    def agree(self, key: str, sent: int, received: int) -> None:
        """Take the far end's counts of a connection of this port."""
        self.streams[key].consumed, self.streams[key].delivered = sent, received

    def drop(self, stream: _Stream) -> None:
        """Break one connection."""
        stream.close()
        self.streams.pop(stream.key, None)
        self.on_disconnect(stream)

    def broadcast(self, data: bytes, delay_s: float = 0.0) -> None:
        """Send to everybody who is connected."""
        for stream in list(self.streams.values()):
            stream.send(data, delay_s)

    def _consume(self, stream: _Stream, data: bytes) -> None:
        stream.consumed += len(data)
        self.on_bytes(data, stream)


class TcpPort(BytePort):
    """A TCP server on the loopback interface."""

    def __init__(self, lab: "Lab", name: str, on_bytes: Callable[[bytes, Client], None], number: int = 0) -> None:
        super().__init__(lab, name, on_bytes)
        self._server = socket.create_server(("127.0.0.1", number))
        self._server.setblocking(False)
        self.number: int = self._server.getsockname()[1]
        self.resource = f"socket://127.0.0.1:{self.number}"
        lab.watch(self._server, self._accept)

    def _accept(self) -> bool:
        try:
            connection, address = self._server.accept()
        except BlockingIOError:
            return False
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = _TcpStream(self, f"tcp:{self.number}:{address[1]}", connection)
        self.streams[stream.key] = stream
        self.lab.watch(connection, stream.readable)
        self.on_connect(stream)
        return True

    def opened(self, key: str) -> None:
        """Take the connection named ``key`` in now, if it still waits to be accepted."""
        while key not in self.streams and self._accept():
            pass

    def close(self) -> None:
        for stream in list(self.streams.values()):
            stream.close()
        self.lab.unwatch(self._server)
        self._server.close()


class _TcpStream(_Stream):
    def __init__(self, port: BytePort, key: str, connection: socket.socket) -> None:
        super().__init__(port, key)
        self._connection = connection

    def readable(self) -> bool:
        try:
            data = self._connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.port.drop(self)
            return True
        self.port._consume(self, data)
        return True

    def _write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self) -> None:
        self.port.lab.unwatch(self._connection)
        self._connection.close()


class PtyPort(BytePort):
    """A pseudo-terminal: to the driver a serial port like any other (baud rate and parity are not enforced).

    It is reached by a name of its own: the system gives a terminal's number to somebody else as soon as it is free, and
    who still has this lab's must not find another lab's instrument there.
    """

    def __init__(self, lab: "Lab", name: str, on_bytes: Callable[[bytes, Client], None]) -> None:
        super().__init__(lab, name, on_bytes)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._folder = tempfile.mkdtemp(prefix="bellringer-port-")
        self.path = os.path.join(self._folder, name)
        os.symlink(os.ttyname(self._slave), self.path)
        self.resource = f"serial://{self.path}"
        self._stream = _PtyStream(self, f"pty:{self.path}", self._master)
        self.streams[self._stream.key] = self._stream
        lab.watch(self._master, self._stream.readable)

    def opened(self, key: str) -> None:
        """Start the counts of a freshly opened serial port at zero."""
        while self._stream.readable():
            pass
        self._stream.consumed = self._stream.delivered = 0

    def drop(self, stream: _Stream) -> None:
        """A serial cable does not disconnect; it falls silent."""

    def close(self) -> None:
        self.lab.unwatch(self._master)
        os.close(self._master)
        os.close(self._slave)
        os.unlink(self.path)
        os.rmdir(self._folder)


class _PtyStream(_Stream):
    def __init__(self, port: BytePort, key: str, master: int) -> None:
        super().__init__(port, key)
        self._master = master

    def readable(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        if data:
            self.port._consume(self, data)
        return bool(data)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def close(self) -> None:
        pass
