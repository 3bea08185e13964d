"""Messages between an agent and its driver processes, over a pipe that ends when either of them does.

A pipe is given by its descriptor. A driver process waits at its end; an agent's end (``AgentEnd``) never does, since a
driver process may be frozen, also in the midst of a message.
"""

import os
import struct
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from ..wire.codec import Decoder, encode, peek
from ..wire.errors import WireError, to_refusal
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
    if whole := _one(data):
        return [decoder.decode((whole,))[0]]
    messages: list[Any] = []
    for frames in _Came(pipe, data).messages():
        if frames is not None:
            messages.append(decoder.decode(frames)[0])
    return messages


class AgentEnd:
    """An agent's end of a pipe: what the driver process does not take yet waits here, and nobody waits for it."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        os.set_blocking(pipe, False)  # our end only: the other one is a file of its own to the system
        self._unsent: deque[memoryview] = deque()
        self.unsent = 0
        """Bytes that wait here."""
        self._coming: Iterator[list[memoryview] | None] | None = None

    def send(self, message: Message) -> None:
        """Send one message, or as much of it as is taken; ``flush`` goes on with it.

        Raises:
            OSError: the other side has gone.
            WireError: it cannot be sent.
        """
        frames = encode(message)
        header = frames[0]
        data = _HEAD.pack(len(header), len(frames) - 1) + header
        done = 0
        if not self._unsent:
            try:
                done = os.write(self._pipe, data)
            except BlockingIOError:
                done = 0
            if done == len(data) and len(frames) == 1:  # nearly always
                return
        left = [memoryview(data)[done:]]
        for array in frames[1:]:
            left += [memoryview(_SIZE.pack(len(array))), memoryview(array)]
        self._unsent.extend(each for each in left if each)
        self.unsent = sum(map(len, self._unsent))
        self.flush()

    def flush(self) -> None:
        """Send on what waits, as much as is taken.

        Raises:
            OSError: the other side has gone.
        """
        try:
            while self._unsent:
                done = os.write(self._pipe, self._unsent[0])
                self.unsent -= done
                self._unsent[0] = self._unsent[0][done:]
                if not self._unsent[0]:
                    self._unsent.popleft()
        except BlockingIOError:
            return

    def receive(self, decoder: Decoder) -> list[Any]:
        """Return the messages that came whole; the rest of one that has begun to come is taken in when it comes.

        One that cannot be read, as when a driver's value is not of the types it promises, is a refusal of its job.

        Raises:
            BlockingIOError: nothing has come.
            EOFError: the other side has gone.
        """
        if self._coming is None:
            data = os.read(self._pipe, _AT_ONCE)
            if whole := _one(data):
                return [_read(decoder, (whole,))]
            self._coming = _Came(self._pipe, data).messages()
        messages: list[Any] = []
        for frames in self._coming:
            if frames is None:
                return messages
            messages.append(_read(decoder, frames))
        self._coming = None
        return messages

    def close(self) -> None:
        """Forget the pipe, whose descriptor may be another file's from now on."""
        self._pipe = -1
        self._unsent.clear()
        self.unsent = 0


def _read(decoder: Decoder, frames: Sequence[Any]) -> Any:
    try:
        return decoder.decode(frames)[0]
    except WireError as error:
        return to_refusal(error, peek(frames)[1])


def _one(data: bytes) -> bytes:
    """Return the header in ``data`` if that is one message without arrays and nothing else: nearly always."""
    if len(data) > _HEAD.size:
        size, arrays = _HEAD.unpack_from(data)
        if not arrays and len(data) == _HEAD.size + size:
            return data[_HEAD.size :]
    return b""


class _Came:
    """Bytes that were read and not taken yet: as many as there were, since each read costs more than to take some."""

    def __init__(self, pipe: int, data: bytes) -> None:
        self._pipe = pipe
        self._data = memoryview(data)

    def messages(self) -> Iterator[list[memoryview] | None]:
        """Give the frames of each message, up to the end of what came; None where a pipe that does not wait would."""
        first = True
        while first or self._data:
            first = False
            head = yield from self._take(_HEAD.size)
            size, arrays = _HEAD.unpack(head)
            frames = [(yield from self._take(size))]
            for _ in range(arrays):
                length = yield from self._take(_SIZE.size)
                frames.append((yield from self._take(_SIZE.unpack(length)[0])))
            yield frames

    def _take(self, size: int) -> Generator[None, None, memoryview]:
        """Return the next ``size`` bytes; reads those that are missing."""
        have = len(self._data)
        if size <= have:
            taken, self._data = self._data[:size], self._data[size:]
            return taken
        whole = memoryview(bytearray(size))
        whole[:have] = self._data
        self._data = memoryview(b"")
        while have < size:
            try:
                more = os.readv(self._pipe, [whole[have:]])
            except BlockingIOError:
                yield None
                continue
            if not more:
                raise EOFError
            have += more
        return whole


def _write(pipe: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(pipe, left) :]
