"""A client of one service: an encrypted DEALER that says hello, cites fresh nonces, and says clearly what went wrong.

``request`` asks and waits. ``send`` and ``receive`` are its halves, for many requests at once or for a loop that must
never wait: every ``send`` leads to exactly one answer (a lost connection counts as one) unless it is dropped. When a
service comes back, the client finds it again by itself. A command is never repeated; only reading is, once, if it was
stale. To be used from one thread.
"""

from types import TracebackType
from typing import Any, Self

import zmq

from .codec import ANSWERS, COMMANDS, Limits
from .errors import KINDS, LinkError, NoAnswer, NoHello, NotSent, Stale
from .keys import KeyPair
from .link import Link
from .messages import Get, Hello, Message, Nodes, Refusal, Status, kind_of
from .nonces import elapsed_s, needs_nonce
from .session import Answered, Session
from .values import Array

RECENT_S = 0.1
"""A connection that brought an answer within this time is not looked at before the next request."""


class Client:
    """A connection to one service; connects at the first request, or with ``connect``.

    Args:
        endpoint: e.g. ``tcp://alice.lab:5570``.
        server_public_key: the key the service must hold.
        keys: our own pair.
        name: what we call ourselves, for people.
        timeout_s: for connecting, and for every request.
        context: the ZeroMQ context; the process's own if not given.
        limits: how large an answer may be.
        request_limits: how large a request may be; a service refuses larger ones.

    Raises:
        LinkError: the address or the key is none.
    """

    def __init__(
        self,
        endpoint: str,
        server_public_key: str,
        keys: KeyPair,
        *,
        name: str = "",
        timeout_s: float = 5.0,
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
        limits: Limits = ANSWERS,
        request_limits: Limits = COMMANDS,
    ) -> None:
        self.endpoint, self.timeout_s = endpoint, timeout_s
        largest = max(limits.header_bytes, limits.array_bytes)
        link = Link(context or zmq.Context.instance(), zmq.DEALER, endpoint, server_public_key, keys, largest)
        self._session = Session(link, name or keys.name, limits, request_limits)
        self.counters = self._session.counters
        """``late`` answers (to requests that were dropped), ``malformed`` ones, requests ``lost`` with a connection."""

    def close(self) -> None:
        """Close; may be called twice."""
        self._session.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the connection ---------------------------------------------------------------------------------------

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """Return the socket to poll for answers. After a refusal it is another one, so ask anew in every round."""
        return self._session.link.socket

    @property
    def server(self) -> Hello | None:
        """Return the service's own hello (name, version, features), None if it never answered ours."""
        return self._session.server

    @property
    def problem(self) -> LinkError | None:
        """Return why there is no connection, as far as is known; None if there is one."""
        if self._session.is_ready:
            return None
        if not self._session.link.is_up:
            return self._session.link.why_not_up()
        return self._session.refused or NoAnswer(
            "the service is connected but does not answer our hello",
            where=self.endpoint,
            hint="it may be busy or frozen; try again, or restart it",
        )

    def connect(self, timeout_s: float | None = None) -> None:
        """Wait until the service answered our hello.

        Raises:
            LinkError: it did not; the subclass says why (NobodyThere, NoAnswer, WrongServerKey, KeyRefused,
                VersionSkew).
        """
        self._connect(elapsed_s() + (self.timeout_s if timeout_s is None else timeout_s))

    # --- requests ---------------------------------------------------------------------------------------------

    def request(self, message: Message, *arrays: Array, timeout_s: float | None = None) -> Any:
        """Ask and return the answer's value; ``id`` and ``nonce`` of ``message`` are filled in.

        Raises:
            BellringerError: the service refused, as the class it named.
            LinkError: there is no connection, or it was lost, or no answer came in time.
        """
        return self.ask(message, *arrays, timeout_s=timeout_s).value()

    def ask(self, message: Message, *arrays: Array, timeout_s: float | None = None) -> Answered:
        """Ask and return the whole answer, with the arrays beside it; a refusal is returned, not raised."""
        end = elapsed_s() + (self.timeout_s if timeout_s is None else timeout_s)
        answer = self._ask_once(message, arrays, end)
        if isinstance(answer.message, Refusal):
            kind = KINDS.get(answer.message.error)
            # Nothing was done in either case. A stale command is for a person to decide about.
            if kind is NoHello or (kind is Stale and isinstance(message, (Get, Status, Nodes))):
                self._greet(end)
                answer = self._ask_once(message, arrays, end)
        return answer

    def send(self, message: Message, *arrays: Array) -> int:
        """Send a request and return its id. Waits only to get a fresh nonce for a command, if ours is old.

        Raises:
            LinkError: there is no connection now; ``receive`` keeps trying to get one.
            WireError: the message cannot be sent.
        """
        self._session.step()
        if self.problem is not None:
            raise self.problem
        return self._send(message, arrays, elapsed_s() + self.timeout_s)

    def receive(self, timeout_s: float = 0.0) -> Answered | None:
        """Return the next answer to a ``send``, or None if none comes in time; also brings a lost connection back.

        So call it regularly, not only when ``socket`` has input.
        """
        end = elapsed_s() + timeout_s
        self._session.step()
        while not self._session.answers and (left := end - elapsed_s()) > 0:
            self._session.step(left)
        return self._session.answers.popleft() if self._session.answers else None

    def drop(self, id: int) -> None:
        """Forget a request: its answer, should it still come, is only counted."""
        self._session.drop(id)

    # --- inside -----------------------------------------------------------------------------------------------

    def _connect(self, end: float) -> None:
        session = self._session
        session.step()
        if session.link.problem() is not None or session.refused is not None:
            session.reopen()  # an old finding; judge afresh
        while not session.is_ready:
            definite = session.link.problem() or session.refused
            if definite is not None:
                raise definite
            if (left := end - elapsed_s()) <= 0:
                assert self.problem is not None
                raise self.problem
            session.step(left)

    def _ask_once(self, message: Message, arrays: tuple[Array, ...], end: float) -> Answered:
        session = self._session
        id = self._send_surely(message, arrays, end)
        while (left := end - elapsed_s()) > 0:
            session.step(left)
            for number, answer in enumerate(session.answers):
                if answer.id == id:
                    del session.answers[number]
                    return answer
        session.drop(id)
        raise NoAnswer(
            f"no answer to '{kind_of(message)}' in time; whether it was carried out is unknown",
            where=session.called,
            hint="the service may be busy or frozen; look at its status, then decide",
        )

    def _send_surely(self, message: Message, arrays: tuple[Array, ...], end: float) -> int:
        """Send, over a new connection if the old one breaks just now: what did not leave may be sent again."""
        if elapsed_s() - self._session.nonce_at > RECENT_S:
            self._session.look()
        while True:
            if not self._session.is_ready:
                self._connect(end)
            try:
                return self._send(message, arrays, end)
            except NotSent:
                if elapsed_s() >= end:
                    raise
                self._session.step(0.02)

    def _send(self, message: Message, arrays: tuple[Array, ...], end: float) -> int:
        if needs_nonce(message) and elapsed_s() - self._session.nonce_at > getattr(message, "ttl_s", 0.0) / 4:
            self._greet(end)
        return self._session.send(message, *arrays)

    def _greet(self, end: float) -> None:
        """Say hello again, for a fresh nonce."""
        session = self._session
        before = session.nonce_at
        session.say_hello()
        while session.nonce_at == before or not session.is_ready:
            if self.problem is not None:
                raise self.problem
            if (left := end - elapsed_s()) <= 0:
                raise NoAnswer(
                    "the service does not answer any more",
                    where=session.called,
                    hint="it may be busy or frozen; the request was not sent",
                )
            session.step(left)
