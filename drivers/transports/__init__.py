"""How bytes and messages reach an instrument: serial, TCP, PyVISA, ZeroMQ, and ports shared by several instruments."""

from .bus import Bus, byte_transport
from .byte_stream import ByteTransport
from .zeromq import ZmqRequester, ZmqStream

__all__ = ["Bus", "ByteTransport", "ZmqRequester", "ZmqStream", "byte_transport"]
