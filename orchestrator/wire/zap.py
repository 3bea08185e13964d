"""Who may connect: the handler that ZeroMQ asks about every CURVE handshake (ZAP, RFC 27).

Without a handler libzmq accepts any key. Ours is there from the moment a context gets one, in a thread of its own, and
denies what it does not know: keys, domains, mechanisms. Each domain (one service's port) has its own list of keys. An
accepted connection's messages carry the authenticated public key as ``User-Id``; that is where authority comes from.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import zmq
from zmq.utils import z85

from ...testbed.errors import BellringerError
from .enrolled import Enrolled

ADDRESS = "inproc://zeromq.zap.01"


@dataclass(frozen=True)
class Knock:
    """One handshake: who asked, from where, and what was decided."""

    domain: str
    address: str
    public_key: str
    accepted: bool
    why: str


OnKnock = Callable[[Knock], object]


class Zap:
    """The handler of one context; make it before any server socket, close it after them.

    Raises:
        BellringerError: the context has one already.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]] | None" = None) -> None:
        self.context = context or zmq.Context.instance()
        self.problem: Exception | None = None
        """The last failure of a callback, or None; whoever connected then was denied."""
        self._domains: dict[str, tuple[Enrolled, OnKnock]] = {}
        self._socket = self.context.socket(zmq.REP)
        self._stop, self._stopped = self.context.socket(zmq.PAIR), self.context.socket(zmq.PAIR)
        for socket in (self._socket, self._stop, self._stopped):
            socket.linger = 0
        try:
            self._socket.bind(ADDRESS)
        except zmq.ZMQError as error:
            for socket in (self._socket, self._stop, self._stopped):
                socket.close()
            raise BellringerError(
                "this ZeroMQ context has an authentication handler already", hint="share one Zap per context"
            ) from error
        self._stop.bind(f"inproc://bellringer.zap.stop.{id(self)}")
        self._stopped.connect(f"inproc://bellringer.zap.stop.{id(self)}")
        self._thread = threading.Thread(target=self._run, name="zap", daemon=True)
        self._thread.start()

    def add(self, domain: str, enrolled: Enrolled, on_knock: OnKnock = lambda knock: None) -> None:
        """Let the keys of ``enrolled`` into ``domain``; ``on_knock`` is told of every handshake, in our thread."""
        if domain in self._domains:
            raise BellringerError(f"there is a service '{domain}' in this process already", hint="use another name")
        self._domains[domain] = (enrolled, on_knock)

    def remove(self, domain: str) -> None:
        """Let nobody into ``domain`` any more."""
        self._domains.pop(domain, None)

    def close(self) -> None:
        """Stop; from now on nobody gets in. May be called twice."""
        if self._thread.is_alive():
            self._stop.send(b"")
            self._thread.join()
        for socket in (self._socket, self._stop, self._stopped):
            socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._stopped in ready:
                return
            self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        """Return the reply to one request of libzmq's; see RFC 27 for the frames."""
        number = frames[1] if len(frames) > 1 else b""
        if len(frames) != 7 or frames[0] != b"1.0" or frames[5] != b"CURVE" or len(frames[6]) != 32:
            return [b"1.0", number, b"400", b"only CURVE keys are accepted", b"", b""]
        public_key = z85.encode(frames[6]).decode()
        domain, address = frames[2].decode(errors="replace"), frames[3].decode(errors="replace")
        enrolled, on_knock = self._domains.get(domain, (None, None))
        if enrolled is None or on_knock is None:
            # "Later": a client that hears "denied" believes its key is bad, and the service may be just closing.
            return [b"1.0", number, b"300", b"no such service now", b"", b""]
        if enrolled.find(public_key) is not None:
            why = "enrolled"
        else:
            why = "the key was revoked" if public_key in enrolled.ls() else "the key is not enrolled"
        accepted = why == "enrolled"
        try:
            on_knock(Knock(domain, address, public_key, accepted, why))
        except Exception as error:  # a callback's fault must end neither this thread nor the rule that all is recorded
            self.problem = error
            accepted, why = False, "this service cannot record who connects"
        return [
            b"1.0", number, b"200" if accepted else b"400", why.encode(), public_key.encode() if accepted else b"", b""
        ]  # fmt: skip
