"""A client's side of a connection, never waiting: hello on every new connection, ids, nonces, answers, lost requests.

``Client`` (client.py) is the waiting face of it. ``step`` must be called regularly; a connection that broke comes back
in some later step.
"""

import contextlib
import itertools
from collections import Counter, deque
from typing import Any

import msgspec
import zmq

from .codec import Decoder, Limits, encode, peek
from .errors import LinkError, LinkLost, NotSent, WireError, from_refusal, to_refusal
from .gate import skew
from .link import SILENCE_MS, Link
from .messages import VERSION, Answer, Hello, Message, Refusal, Reply
from .nonces import elapsed_s
from .sockets import NOBLOCK, SEND, receive
from .values import Array


class Answered(msgspec.Struct, frozen=True):
    """The answer to one request."""

    id: int
    message: Reply | Refusal
    arrays: list[Array]

    def value(self) -> Any:
        """Return the answer's value.

        Raises:
            BellringerError: the service refused, as the class it named.
        """
        if isinstance(self.message, Refusal):
            raise from_refusal(self.message)
        return self.message.value


class Session:
    """The state of one connection.

    Args:
        link: the connection.
        name: what we call ourselves in the hello.
        limits: how large an answer may be.
        request_limits: how large a request may be.
    """

    def __init__(self, link: Link, name: str, limits: Limits, request_limits: Limits) -> None:
        self.link, self.name, self.request_limits = link, name, request_limits
        self._decoder = Decoder(Answer, limits)
        self.server: Hello | None = None
        self.answers: deque[Answered] = deque()
        self.counters: Counter[str] = Counter()
        self.refused: LinkError | None = None
        """Why the service refused our hello."""
        self.nonce_at = float("-inf")
        """When the newest nonce came, ``elapsed_s``."""
        self._nonce = 0
        self._ids = itertools.count(1)
        self._hello_id = self._hello_on = self._ready_on = 0
        self._due: dict[int, int] = {}  # requests without an answer, and the connection each went out on

    @property
    def is_ready(self) -> bool:
        """Return whether the service answered our hello on this connection, as far as is known."""
        return self.link.is_up and self._ready_on == self.link.connections

    @property
    def called(self) -> str:
        """Return what to call the service in errors."""
        return f"{self.server.name} at {self.link.endpoint}" if self.server is not None else self.link.endpoint

    def step(self, wait_s: float = 0.0) -> None:
        """Take in what came, waiting for it at most ``wait_s``, and do what is due."""
        if wait_s * 1000 >= SILENCE_MS and self.is_ready:
            if self._take_next(0):
                return  # nearly always: the answer is all there is to see to
        elif wait_s > 0:
            self._greet_if_new()
            self.link.wait(min(wait_s, 0.5))
        self.look()
        while self._take_next(NOBLOCK):
            pass
        self._fail_lost()

    def look(self) -> None:
        """Note how the connection is and say hello on a new one; read nothing."""
        self.link.note()
        self._greet_if_new()

    def _greet_if_new(self) -> None:
        if self.link.is_up and self._hello_on != self.link.connections:
            with contextlib.suppress(NotSent):  # it broke again already; some later step says hello
                self.say_hello()

    def send(self, message: Message, *arrays: Array) -> int:
        """Send a request, with ``id`` and newest nonce filled in; return the id.

        Raises:
            WireError: it cannot be sent.
            NotSent: the connection just broke, or so much is unsent already that this was not taken.
        """
        id = next(self._ids)
        if hasattr(message, "nonce"):
            message = msgspec.structs.replace(message, id=id, nonce=self._nonce)
        else:
            message = msgspec.structs.replace(message, id=id)
        frames = encode(message, *arrays, limits=self.request_limits)
        try:
            if len(frames) == 1:  # copying a lone header costs less than sharing it with ZeroMQ's thread
                SEND(self.link.socket, frames[0], NOBLOCK)
            else:
                self.link.socket.send_multipart(frames, NOBLOCK, copy=False)
        except zmq.Again as error:
            raise NotSent(
                "the service takes no more requests now; this one was not sent",
                where=self.called,
                hint="it may be frozen, or just gone; try again in a moment",
            ) from error
        self._due[id] = self.link.connections
        return id

    def say_hello(self) -> None:
        """Say hello, again for a fresh nonce."""
        self.refused = None
        self._hello_id = self.send(Hello(0, name=self.name))
        self._hello_on = self.link.connections

    def drop(self, id: int) -> None:
        """Forget a request."""
        self._due.pop(id, None)

    def reopen(self) -> None:
        """Start afresh with a new connection; requests without an answer are lost."""
        self.link.reopen()
        self.refused = None
        self._fail_lost()

    def _take_next(self, flags: int) -> bool:
        """Take in one message, and return whether there was one."""
        arrays: list[Array] = []
        try:
            frames = receive(self.link.socket, flags)
            message, arrays = self._decoder.decode(frames)
        except zmq.Again:
            return False
        except WireError as error:
            self.counters["malformed"] += 1
            message = to_refusal(error, peek(frames, self._decoder.limits)[1], where=self.called)
        if self._due.pop(message.id, None) is None:
            self.counters["late"] += 1
            return True
        if message.nonce:
            self._nonce, self.nonce_at = message.nonce, elapsed_s()
        if message.id == self._hello_id:
            self._greeted(message)
        elif isinstance(message, Hello):
            self.counters["malformed"] += 1
        else:
            self.answers.append(Answered(message.id, message, arrays))
        return True

    def _greeted(self, message: Hello | Reply | Refusal) -> None:
        if isinstance(message, Hello) and message.version[0] == VERSION[0]:
            self.server, self._ready_on = message, self._hello_on
            return
        if isinstance(message, Refusal):
            error = from_refusal(message)
        elif isinstance(message, Hello):
            error = skew(VERSION, message.version)
        else:
            error = WireError("the service answered our hello with something else")
        kind = type(error) if isinstance(error, LinkError) else LinkError
        self.refused = kind(error.what, where=self.link.endpoint, hint=error.hint)

    def _fail_lost(self) -> None:
        """Answer every request whose connection is gone."""
        alive = self.link.connections if self.link.is_up else -1
        for id in [id for id, connection in self._due.items() if connection != alive]:
            del self._due[id]
            if id != self._hello_id:
                self.counters["lost"] += 1
                error = LinkLost(
                    "the connection was lost before the answer; whether the request was carried out is unknown",
                    where=self.called,
                    hint="the service may have been restarted; look at its status, then decide",
                )
                self.answers.append(Answered(id, to_refusal(error, id), []))
