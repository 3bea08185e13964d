"""Messages between an agent and its driver processes, over a pipe that ends when either of them does.

A pipe is given by its descriptor.
"""

import os
import struct
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


class Count(Message, tag="count", frozen=True):
    """To a driver process: what have the detectors of an instrument counted up to now (``Counted``)?"""

    instrument: str
    ticket: str = ""


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


def send(pipe: int, message: Message) -> None:
    """Send one message; raises OSError or BrokenPipeError if the other side has gone."""
    frames = encode(message)
    header = frames[0]
    data = _HEAD.pack(len(header), len(frames) - 1) + header
    done = os.write(pipe, data)
    if done == len(data) and len(frames) == 1:  # nearly always
        return
    _write(pipe, memoryview(data)[done:])
    for array in frames[1:]:
        _write(pipe, _SIZE.pack(len(array)))
        _write(pipe, array)


def receive(pipe: int, decoder: Decoder) -> list[Any]:
    """Return the messages that came, waiting for the first, and for the rest of one that has begun to come.

    Raises:
        EOFError: the other side has gone.
    """
    data = os.read(pipe, _AT_ONCE)
    if len(data) > _HEAD.size:
        size, arrays = _HEAD.unpack_from(data)
        if not arrays and len(data) == _HEAD.size + size:  # one message and nothing else: nearly always
            return [decoder.decode((data[_HEAD.size :],))[0]]
    came = _Came(pipe, data)
    messages: list[Any] = []
    while not messages or came.data:
        size, arrays = _HEAD.unpack(came.take(_HEAD.size))
        frames = [came.take(size)]
        frames += [came.take(_SIZE.unpack(came.take(_SIZE.size))[0]) for _ in range(arrays)]
        messages.append(decoder.decode(frames)[0])
    return messages


class _Came:
    """Bytes that were read and not taken yet: as many as there were, since each read costs more than to take some."""

    def __init__(self, pipe: int, data: bytes) -> None:
        self._pipe = pipe
        self.data = memoryview(data)

    def take(self, size: int) -> memoryview:
        """Return the next ``size`` bytes; reads those that are missing."""
        have = len(self.data)
        if size > have:
            whole = memoryview(bytearray(size))
            whole[:have] = self.data
            while have < size:
                more = os.readv(self._pipe, [whole[have:]])
                if not more:
                    raise EOFError
                have += more
            self.data = memoryview(b"")
            return whole
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def _write(pipe: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(pipe, left) :]
