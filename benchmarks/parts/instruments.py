"""Small instruments on TCP that answer at once; each is served by a process of its own.

They share nothing with the drivers: what they answer is written out here, from the makers' manuals.
"""

import socket
import time
from multiprocessing.connection import Connection

ROTATOR_ANSWERS = {
    b"0in": b"0IN0E11400517202317010168" + b"00023000\r\n",
    b"0gp": b"0PO00004600\r\n",
    b"0st": b"0PO00004600\r\n",
    b"0gs": b"0GS00\r\n",
}
"""An ELL14 mount that stands still: identity, position (45 deg), stop, status."""

LASER_ANSWERS = {
    b"?": b"OK",
    b"gsn?": b"12345",
    b"gfv?": b"1.0.0",
    b"glm?": b"0785-06-01-0100-100",
    b"ilk?": b"0",
    b"f?": b"0",
    b"gam?": b"1",
    b"@cobas?": b"0",
    b"gom?": b"2",
    b"p?": b"0.010",
}
"""A Cobolt 06-01 that is ready to light; ``l0``, ``l1`` and ``l?`` are its light."""


def rotator(ready: Connection) -> None:
    """Serve an ELL14; tell its port through ``ready``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            connection = _accept(listener)
            while data := connection.recv(4096):
                for start in range(0, len(data), 3):  # every packet it knows is three bytes long
                    connection.sendall(ROTATOR_ANSWERS[data[start : start + 3]])


def laser(ready: Connection) -> None:
    """Serve a Cobolt 06-01; tell its port through ``ready``, and then every ``l0``: when it came, monotonic ns."""
    lit = False
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            connection, buffer = _accept(listener), b""
            while data := connection.recv(4096):
                now_ns = time.monotonic_ns()
                *commands, buffer = (buffer + data).split(b"\r")
                for command in commands:
                    if command in (b"l0", b"l1"):
                        lit = command == b"l1"
                    if command == b"l0":
                        ready.send(now_ns)
                    answer = str(int(lit)).encode() if command == b"l?" else LASER_ANSWERS.get(command, b"OK")
                    connection.sendall(answer + b"\r\n")


def echo(ready: Connection, answer: bytes) -> None:
    """Answer whatever comes with ``answer``; tell the port through ``ready``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        connection = _accept(listener)
        while connection.recv(4096):
            connection.sendall(answer)


def _accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
