"""Serial ports and raw TCP through pyserial: ``serial:///dev/ttyUSB0`` and ``socket://host:port``."""

import math
import select
import socket
from typing import Any

import serial

from ...testbed.clock import Clock
from .byte_stream import ByteTransport


class SerialTransport(ByteTransport):
    """A pyserial port. ``options`` (baudrate, parity, rtscts, xonxoff, ...) go to pyserial; sockets ignore them."""

    def __init__(self, resource: str, clock: Clock, label: str = "", **options: Any) -> None:
        super().__init__(resource, clock, label)
        self.options = options
        self._port: Any = None
        self._is_socket = resource.startswith("socket://")

    def _open_port(self) -> str:
        url = self.resource.removeprefix("serial://")
        self._port = self._connected(url) if self._is_socket else self._opened(url)
        self._news = select.poll()
        self._news.register(self._port.fileno(), select.POLLIN)
        if not self._is_socket:
            return f"pty:{url}"
        connection: socket.socket = self._port._socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return f"tcp:{connection.getpeername()[1]}:{connection.getsockname()[1]}"

    def _opened(self, url: str) -> Any:
        return serial.serial_for_url(url, timeout=0, write_timeout=2.0, **self.options)

    def _connected(self, url: str) -> Any:
        """Connect without pyserial's clearing of the input, which would throw away what a far end says first."""
        port = serial.serial_for_url(url, timeout=0, write_timeout=2.0, do_not_open=True, **self.options)
        port.reset_input_buffer = lambda: None
        port.open()
        return port

    def _close_port(self) -> None:
        port, self._port = self._port, None
        if self._is_socket:  # pyserial's own close sleeps 0.3 s of wall time as well, which holds up a whole dry run
            port._socket.close()
            port._socket, port.is_open = None, False
        port.close()

    def _send(self, data: bytes) -> None:
        if self._is_socket:  # pyserial asks the system three times as often, which is most of a fast instrument's time
            self._port._socket.sendall(data)
        else:
            self._port.write(data)

    def _receive(self, slice_s: float) -> bytes:
        if not self._news.poll(math.ceil(slice_s * 1000)):
            return b""
        if not self._is_socket:
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        data = bytes(self._port._socket.recv(65536))
        if not data:
            raise ConnectionResetError("the far end closed it")
        return data

    def pollable(self) -> object:
        return int(self._port.fileno())
