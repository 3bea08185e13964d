"""Serial ports through pyserial: ``serial:///dev/ttyUSB0``."""

import math
import select
from typing import Any

import serial

from ...testbed.clock import Clock
from .byte_stream import ByteTransport


class SerialTransport(ByteTransport):
    """A pyserial port. ``options`` (baudrate, parity, rtscts, xonxoff, ...) go to pyserial."""

    def __init__(self, resource: str, clock: Clock, label: str = "", **options: Any) -> None:
        super().__init__(resource, clock, label)
        self.options = options
        self._port: Any = None

    def _open_port(self) -> str:
        url = self.resource.removeprefix("serial://")
        options = {"exclusive": True} | self.options  # two programs on one port would take each other's replies
        self._port = serial.serial_for_url(url, timeout=0, write_timeout=2.0, **options)
        self._news = select.poll()
        self._news.register(self._port.fileno(), select.POLLIN)
        return f"pty:{url}"

    def _close_port(self) -> None:
        port, self._port = self._port, None
        port.close()

    def _send(self, data: bytes) -> None:
        self._port.write(data)

    def _receive(self, slice_s: float) -> bytes:
        if not self._news.poll(math.ceil(slice_s * 1000)):
            return b""
        return bytes(self._port.read(max(1, self._port.in_waiting)))

    def pollable(self) -> object:
        return int(self._port.fileno())
