"""Raw TCP: ``socket://host:port``. As few system calls as there can be: they are most of a fast instrument's time."""

import math
import select
import socket
import struct
from typing import Any
from urllib.parse import urlsplit

from ...testbed.clock import SLICE_S, Clock
from .byte_stream import ByteTransport

CONNECT_S, SEND_S = 5.0, 2.0
_AT_ONCE = 65536


class TcpTransport(ByteTransport):
    """A TCP connection to an instrument."""

    def __init__(self, resource: str, clock: Clock, label: str = "") -> None:
        super().__init__(resource, clock, label)
        self._socket: socket.socket

    def _open_port(self) -> str:
        where = urlsplit(self.resource)
        if not where.hostname or where.port is None:
            raise ValueError("it names no host and port")
        self._socket = socket.create_connection((where.hostname, where.port), CONNECT_S)
        self._socket.settimeout(None)  # the system keeps the limits: it need not be asked first then
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_S))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(SLICE_S))
        self._news = select.poll()
        self._news.register(self._socket, select.POLLIN)
        return f"tcp:{self._socket.getpeername()[1]}:{self._socket.getsockname()[1]}"

    def _close_port(self) -> None:
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _receive(self, slice_s: float) -> bytes:
        if slice_s != SLICE_S and not self._news.poll(math.ceil(slice_s * 1000)):
            return b""
        try:
            data = self._socket.recv(_AT_ONCE)
        except BlockingIOError:  # nothing came for ``SLICE_S``
            return b""
        if not data:
            raise ConnectionResetError("the far end closed it")
        return data

    def pollable(self) -> object:
        return self._socket.fileno()


def _timeval(seconds: float) -> Any:
    whole = int(seconds)
    return struct.pack("ll", whole, round((seconds - whole) * 1e6))
