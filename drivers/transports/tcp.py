"""Raw TCP: ``socket://host:port``. What answers at once is looked for before sleeping (``EagerPoll``)."""

import math
import select
import socket
import struct
from urllib.parse import urlsplit

from ...testbed.clock import Clock
from ...testbed.eager_poll import EagerPoll
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
        self._socket.settimeout(None)  # the system keeps the limit: it need not be asked first then
        longest = struct.pack("ll", *divmod(round(SEND_S * 1e6), 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, longest)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._news = EagerPoll()
        self._news.register(self._socket, select.POLLIN)
        return f"tcp:{self._socket.getpeername()[1]}:{self._socket.getsockname()[1]}"

    def _close_port(self) -> None:
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)
        self._news.asked()

    def _receive(self, slice_s: float) -> bytes:
        if not self._news.poll(math.ceil(slice_s * 1000)):
            return b""
        data = self._socket.recv(_AT_ONCE)
        if not data:
            raise ConnectionResetError("the far end closed it")
        return data

    def pollable(self) -> object:
        return self._socket.fileno()
