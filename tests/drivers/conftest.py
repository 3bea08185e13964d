"""``peer``: the scripted far end of a byte-stream instrument, and a clock that never waits.

The peer runs in no thread: the clock serves it whenever a driver waits. So a test costs no wall time, and what the
driver sees (one piece of a reply at a time, silence, a late reply) does not depend on how fast the machine is. It
works only with ``peer.clock``. Instruments with other connections can use ``peer.clock``'s jumping sleep alone.
"""

import os
import pty
import random
import select
import socket
import termios
import tty
import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bellringer.testbed.clock import Line, WallClock


@dataclass(frozen=True)
class Late:
    """A reply that comes ``seconds`` of clock time after it should."""

    answer: bytes
    seconds: float


class HangUp:
    """Instead of a reply, the connection breaks."""


class PeerClock(WallClock):
    """Virtual time: it moves only when somebody waits, and then at once."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.peer: Peer | None = None

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.check_aborted()
        self.elapsed_s += max(seconds, 0.0)

    def opened(self, line: Line) -> None:
        if self.peer is not None:
            self.peer.connected()

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        if self.peer is None:
            return super().wait_readable(line, timeout_s)
        end = self.elapsed_s + timeout_s
        while not line.has_input(0.0):
            if self.peer.serve(line.sent, line.received):
                continue
            due = self.peer.next_due_s()
            if due is None or due > end:
                self.elapsed_s = max(self.elapsed_s, end)
                return False
            self.elapsed_s = max(self.elapsed_s, due)
        return True


class Peer:
    """Expects exactly the scripted bytes, in order, and answers each with the scripted reply, cut into pieces."""

    SILENCE = b""
    HANG_UP = HangUp()
    late = Late

    def __init__(self, kind: str = "tcp") -> None:
        self.clock = PeerClock()
        self.clock.peer = self
        self.heard = b""
        """All bytes ever received."""
        self._script: deque[tuple[bytes, bytes | Late | HangUp]] = deque()
        self._unmatched = b""
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._taken = self._delivered = 0
        self._hung_up = False
        self._random = random.Random(1)
        self._connection: socket.socket | None = None
        self._server: socket.socket | None = None
        self._slave = -1
        if kind == "tcp":
            self._server = socket.create_server(("127.0.0.1", 0))
            self._server.settimeout(5.0)
            number = self._server.getsockname()[1]
            self.resource, self.visa_resource = f"socket://127.0.0.1:{number}", f"TCPIP::127.0.0.1::{number}::SOCKET"
            self._file = -1
        else:
            self._file, self._slave = pty.openpty()
            tty.setraw(self._slave)
            path = os.ttyname(self._slave)
            self.resource, self.visa_resource = f"serial://{path}", f"ASRL{path}::INSTR"

    def expects(self, *pairs: tuple[bytes, bytes | Late | HangUp]) -> None:
        """Append (sent, answer) pairs; an answer of ``SILENCE`` is none, ``HANG_UP`` breaks the connection."""
        self._script.extend(pairs)

    def say(self, data: bytes) -> None:
        """Send something unasked, now and in one piece."""
        self._write(data)

    def baud_rate(self) -> int:
        """Return the termios speed code the driver has set on the pseudo-terminal."""
        return int(termios.tcgetattr(self._slave)[4])

    def finish(self) -> None:
        """Check that every pair was used and nothing else was sent."""
        while self._readable(0.0) and self._take():
            pass
        assert not self._script, f"never asked for: {list(self._script)}"
        assert not self._unmatched, f"half a command was sent: {self._unmatched!r}"

    def close(self) -> None:
        """Go away: nobody listens any more."""
        for thing in (self._connection, self._server):
            if thing is not None:
                thing.close()
        if self._slave >= 0:
            os.close(self._file)
            os.close(self._slave)
        self._connection = self._server = None
        self._file = self._slave = -1

    # --- called by the clock ----------------------------------------------------------------------------------

    def connected(self) -> None:
        """Take in the connection that was just opened."""
        self._taken = self._delivered = 0
        self._pieces.clear()
        if self._server is not None:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._server.accept()[0]
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._file = self._connection.fileno()
            self._hung_up = False

    def serve(self, sent: int, received: int) -> bool:
        """Do one thing that is due; return False if there was none and the driver has everything."""
        if self._hung_up or received < self._delivered:
            return True  # on its way to the driver
        if self._taken < sent:
            self._readable(1.0)
            return self._take()
        if self._pieces and self._pieces[0][0] <= self.clock.elapsed_s:
            self._write(self._pieces.popleft()[1])
            return True
        return False

    def next_due_s(self) -> float | None:
        return self._pieces[0][0] if self._pieces else None

    # --- the inside -------------------------------------------------------------------------------------------

    def _readable(self, timeout_s: float) -> bool:
        return self._file >= 0 and bool(select.select([self._file], [], [], timeout_s)[0])

    def _take(self) -> bool:
        data = os.read(self._file, 65536)
        self._taken += len(data)
        self.heard += data
        self._unmatched += data
        while self._unmatched:
            assert self._script, f"unexpected: {self._unmatched!r}"
            wanted, answer = self._script[0]
            together = min(len(wanted), len(self._unmatched))
            assert self._unmatched[:together] == wanted[:together], f"expected {wanted!r}, got {self._unmatched!r}"
            if together < len(wanted):
                break
            self._script.popleft()
            self._unmatched = self._unmatched[together:]
            self._answer(answer)
        return bool(data)

    def _answer(self, answer: bytes | Late | HangUp) -> None:
        if isinstance(answer, HangUp):
            assert self._connection is not None
            self._connection.close()
            self._connection, self._file, self._hung_up = None, -1, True
            return
        data, delay_s = (answer.answer, answer.seconds) if isinstance(answer, Late) else (answer, 0.0)
        due = max(self.clock.elapsed_s + delay_s, self._pieces[-1][0] if self._pieces else 0.0)
        while data:
            cut = self._random.choice([1, len(data), self._random.randint(1, len(data))])
            self._pieces.append((due, data[:cut]))
            data = data[cut:]

    def _write(self, data: bytes) -> None:
        self._delivered += len(data)
        while data:
            data = data[os.write(self._file, data) :]


@pytest.fixture
def _no_rest_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial sleeps 0.3 s of wall time after closing a socket; a test needs not."""
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time", types.SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def peer(_no_rest_after_close: None) -> Iterator[Peer]:
    """A scripted instrument on ``socket://127.0.0.1:PORT``."""
    yield from _served(Peer("tcp"))


@pytest.fixture
def pty_peer() -> Iterator[Peer]:
    """A scripted instrument on a pseudo-terminal."""
    yield from _served(Peer("pty"))


def _served(peer: Peer) -> Iterator[Peer]:
    yield peer
    try:
        peer.finish()
    finally:
        peer.close()
