"""How bytes and messages reach an instrument: serial, TCP, PyVISA, ZeroMQ, HTTP, and ports shared by several."""

from .bus import Bus, byte_transport
from .byte_stream import ByteTransport
from .http import HttpRequester
from .zeromq import ZmqRequester, ZmqStream

__all__ = ["Bus", "ByteTransport", "HttpRequester", "ZmqRequester", "ZmqStream", "byte_transport"]
