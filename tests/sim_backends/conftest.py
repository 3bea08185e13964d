"""Tools to talk to twins in raw bytes, with lab time moved by the test and nobody waiting for the wall."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import zmq
from bellringer.sim_backends.lab.lab import Lab
from bellringer.sim_backends.lab.message_ports import StreamPort

_PATIENCE_S = 10.0
"""Wall time after which something that the kernel or ZeroMQ carries has not arrived and never will."""


class ManualLab(Lab):
    """A lab whose time only moves when the test says so. Its wires deliver in the test's own thread."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.streams: dict[int, StreamPort] = {}
        """Stream ports by number, the latest of each."""

    def stream_port(self, name: str, number: int = 0) -> StreamPort:
        port = super().stream_port(name, number)
        self.streams[port.number] = port
        return port

    def run_for(self, seconds: float) -> None:
        """Let ``seconds`` of lab time pass."""
        self.advance_to(self.now_ps + round(seconds * 1e12))

    def take_in(self, enough: Any) -> None:
        """Take in what is on its way, without moving time, until ``enough()``."""
        end = time.monotonic() + _PATIENCE_S
        while not enough():
            assert time.monotonic() < end, "a message never reached the lab"
            self.advance_to(self.now_ps)

    def close(self) -> None:
        """Close all ports."""
        self.stop()
        self.run()


class ByteWire:
    """The client's end of a byte stream."""

    def __init__(self, lab: ManualLab, stream: Any) -> None:
        self._lab, self._stream, self._taken = lab, stream, 0

    def send(self, data: bytes) -> None:
        """Write ``data`` and see it reach the twin."""
        consumed = self._stream.consumed + len(data)
        self._write(data)
        self._lab.take_in(lambda: self._stream.consumed >= consumed)

    def receive(self) -> bytes:
        """Return everything the twin has delivered up to now and not yet fetched."""
        data = b""
        while self._taken < self._stream.delivered:
            piece = self._read(self._stream.delivered - self._taken)
            self._taken += len(piece)
            data += piece
        return data

    def ask(self, data: bytes, seconds: float = 0.2) -> bytes:
        """Send, let ``seconds`` of lab time pass, and return what came."""
        self.send(data)
        self._lab.run_for(seconds)
        return self.receive()

    def _write(self, data: bytes) -> None:
        raise NotImplementedError

    def _read(self, count: int) -> bytes:
        raise NotImplementedError


class SerialWire(ByteWire):
    """A pseudo-terminal opened by its path."""

    def __init__(self, lab: ManualLab, port: Any) -> None:
        super().__init__(lab, next(iter(port.streams.values())))
        self._descriptor = os.open(port.path, os.O_RDWR | os.O_NOCTTY)

    def _write(self, data: bytes) -> None:
        os.write(self._descriptor, data)

    def _read(self, count: int) -> bytes:
        return os.read(self._descriptor, count)

    def close(self) -> None:
        os.close(self._descriptor)


class TcpWire(ByteWire):
    """A TCP connection."""

    def __init__(self, lab: ManualLab, port: Any) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port.number))
        key = f"tcp:{port.number}:{self._socket.getsockname()[1]}"
        lab.take_in(lambda: key in port.streams)
        super().__init__(lab, port.streams[key])
        self._socket.settimeout(_PATIENCE_S)

    def _write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _read(self, count: int) -> bytes:
        return self._socket.recv(count)

    def close(self) -> None:
        self._socket.close()


class RequestWire:
    """A ZeroMQ REQ socket."""

    def __init__(self, lab: ManualLab, port: Any) -> None:
        self._lab, self._port = lab, port
        self._socket = zmq.Context.instance().socket(zmq.REQ)
        self._socket.linger = 0
        self._socket.rcvtimeo = int(_PATIENCE_S * 1000)
        self._socket.connect(f"tcp://127.0.0.1:{port.number}")

    def send(self, text: str) -> None:
        """Send a request and see it reach the twin."""
        before = self._consumed()
        self._socket.send_string(text)
        self._lab.take_in(lambda: self._consumed() > before)

    def receive(self) -> str:
        """Return the reply, which must have been delivered."""
        return str(self._socket.recv_string())

    def ask(self, text: str, seconds: float = 0.02) -> str:
        """Send, let ``seconds`` of lab time pass, and return the reply."""
        self.send(text)
        self._lab.run_for(seconds)
        return self.receive()

    def waiting(self) -> bool:
        """Return whether the twin still owes a reply."""
        return sum(consumed - delivered for consumed, delivered in self._port.connections.values()) > 0

    def _consumed(self) -> int:
        return sum(consumed for consumed, _ in self._port.connections.values())

    def close(self) -> None:
        self._socket.close()


class StreamWire:
    """A ZeroMQ PAIR socket."""

    def __init__(self, lab: ManualLab, number: int) -> None:
        self._lab, self._number = lab, number
        self._socket = zmq.Context.instance().socket(zmq.PAIR)
        self._socket.linger = 0
        self._socket.rcvtimeo = int(_PATIENCE_S * 1000)
        self._socket.reconnect_ivl = 5
        self._socket.connect(f"tcp://127.0.0.1:{number}")
        self._taken = 0

    def receive(self, messages: int) -> list[bytes]:
        """Return the next ``messages`` messages; they must have been sent in lab time."""
        self._lab.take_in(lambda: self.sent() >= self._taken + messages)
        self._taken += messages
        return [self._socket.recv() for _ in range(messages)]

    def sent(self) -> int:
        """Return how many messages the twin has delivered."""
        return self._lab.streams[self._number].delivered

    def close(self) -> None:
        self._socket.close()


class FakeBench:
    """A bench with given clicks instead of light: ``clicks[port]`` are int64 lab times in ps, ascending."""

    def __init__(self, clicks: dict[str, Sequence[int]]) -> None:
        self.clicks = {port: np.asarray(times, np.int64) for port, times in clicks.items()}
        self.open = 0

    def capture(self, ports: Sequence[str], from_ps: int) -> "FakeCapture":
        self.open += 1
        return FakeCapture(self, ports, from_ps)

    def ready_at(self, until_ps: int) -> int:
        return until_ps + 1_000_000_000


class FakeCapture:
    """Gives the clicks between one reading and the next; time must grow, and reading ahead of it is an error."""

    def __init__(self, bench: FakeBench, ports: Sequence[str], from_ps: int) -> None:
        self._bench, self._ports, self._from_ps = bench, ports, from_ps

    def read(self, until_ps: int) -> dict[str, Any]:
        assert until_ps >= self._from_ps
        low, self._from_ps = self._from_ps, until_ps
        none = np.empty(0, np.int64)
        clicks = {port: self._bench.clicks.get(port, none) for port in self._ports}
        return {port: times[(times >= low) & (times < until_ps)] for port, times in clicks.items()}

    def close(self) -> None:
        self._bench.open -= 1


@pytest.fixture
def lab() -> Iterator[ManualLab]:
    lab = ManualLab(seed=1)
    yield lab
    lab.close()


@pytest.fixture
def wire(lab: ManualLab) -> Iterator[Any]:
    """Return ``connect(kind, port)``: a client's end of a twin's port; ``kind`` is serial, tcp, request or stream."""
    kinds = {"serial": SerialWire, "tcp": TcpWire, "request": RequestWire, "stream": StreamWire}
    wires: list[Any] = []

    def connect(kind: str, port: Any) -> Any:
        wires.append(kinds[kind](lab, port))
        return wires[-1]

    yield connect
    for each in wires:
        each.close()


@pytest.fixture
def fake_bench() -> type[FakeBench]:
    return FakeBench
