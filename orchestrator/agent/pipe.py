"""Messages between an agent and its driver processes, over a pipe that ends when either of them does."""

import os
import struct
from multiprocessing.connection import Connection
from typing import Any

from ..wire.codec import Decoder, encode
from ..wire.messages import Message


class Dark(Message, tag="dark", frozen=True):
    """To a driver process: interrupt what you do and make every instrument, or one, dark, now.

    Attributes:
        instrument: which one; "" for all.
        reason: for the log and for the call that is interrupted.
        reopen: open instruments that are not open first; at the start, and for a fresh process after a crash.
        ticket: in a dry run, the participant under which it was registered, if it was.
    """

    reason: str
    instrument: str = ""
    reopen: bool = False
    ticket: str = ""


class Epoch(Message, tag="epoch", frozen=True):
    """To a driver process: count hardware time from this TAI second; a run brings its own."""

    tai_s: int


class Ping(Message, tag="ping", frozen=True):
    """To a driver process: are you there? Answered at once, also while a call is running."""


class Pong(Message, tag="pong", frozen=True):
    """From a driver process: I am."""


class Darkened(Message, tag="darkened", frozen=True):
    """From a driver process: how making dark went; ``failures`` are the instruments not confirmed dark."""

    failures: tuple[str, ...] = ()


_HEAD, _SIZE = struct.Struct("<II"), struct.Struct("<Q")
"""Bytes of a message's header and how many arrays follow it; bytes of an array."""
_AT_ONCE = 65536


def send(connection: Connection, message: Message) -> None:
    """Send one message; raises OSError or BrokenPipeError if the other side has gone."""
    header, *arrays = encode(message)
    _write(connection, _HEAD.pack(len(header), len(arrays)) + header)  # mostly there is nothing but the header
    for array in arrays:
        _write(connection, _SIZE.pack(len(array)))
        _write(connection, array)


def receive(connection: Connection, decoder: Decoder) -> list[Any]:
    """Return the messages that came, waiting for the first, and for the rest of one that has begun to come.

    Raises:
        EOFError: the other side has gone.
    """
    came = _Came(connection)
    messages: list[Any] = []
    while not messages or came.data:
        size, arrays = _HEAD.unpack(came.take(_HEAD.size))
        frames = [came.take(size)]
        frames += [came.take(_SIZE.unpack(came.take(_SIZE.size))[0]) for _ in range(arrays)]
        messages.append(decoder.decode(frames)[0])
    return messages


class _Came:
    """Bytes that were read and not taken yet: as many as there were, since each read costs more than to take some."""

    def __init__(self, connection: Connection) -> None:
        self._descriptor = connection.fileno()
        self.data = memoryview(os.read(self._descriptor, _AT_ONCE))

    def take(self, size: int) -> memoryview:
        """Return the next ``size`` bytes; reads those that are missing."""
        have = len(self.data)
        if size > have:
            whole = memoryview(bytearray(size))
            whole[:have] = self.data
            while have < size:
                more = os.readv(self._descriptor, [whole[have:]])
                if not more:
                    raise EOFError
                have += more
            self.data = memoryview(b"")
            return whole
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def _write(connection: Connection, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(connection.fileno(), left) :]
