"""A service's port: an encrypted ROUTER that hands out only requests that passed every check (gate.py).

Whatever comes in, the service stays alive: what is malformed, too large, not allowed, stale or too fast is counted,
written to the audit log and refused with a readable error. Nothing here ever waits: an answer to a peer that left or
does not read is counted and dropped. To be used from one thread.

A frame beyond ``MAXMSGSIZE`` makes ZeroMQ hang up on the peer before we see it; smaller ones beyond the limits are
refused with a text. How many frames a message has cannot be bounded before it is whole (codec.py).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from ...testbed.errors import BellringerError
from .audit import Audit
from .codec import COMMANDS, Limits, encode, peek
from .enrolled import Enrolled
from .errors import WireError, to_refusal
from .gate import Gate, Incoming
from .keys import KeyPair
from .messages import EStop, Hello, Keys, Message, Reply
from .nonces import elapsed_s
from .sockets import NOBLOCK, SEND, USER_ID, bind, close, receive, serve_curve
from .trail import Trail
from .values import Array
from .zap import Knock, Zap

MORE, POLLIN = NOBLOCK | int(zmq.SNDMORE), int(zmq.POLLIN)


class Server:
    """One port of a service.

    Args:
        endpoint: e.g. ``tcp://*:5570``; port ``*`` lets the system choose, see ``self.endpoint``.
        keys: the service's own pair.
        zap: the context's authentication handler.
        enrolled: whose keys may connect, and their roles.
        name: what it calls itself in its hello; also its domain, so unique per process.
        accepts: the kinds of messages it takes; all if not given.
        audit: the log; without one nothing is logged.
        emits: whether carrying out this request could raise emitted light; it is on disk before it is given out then.
        limits: how large a request may be.
        of_nodes: how large one of a node may be; as ``limits`` if not given.
        per_s: requests per second one key may send in the long run.
        burst: requests one key may send at once.
        clock: seconds that only ever grow.

    Raises:
        BellringerError: the address is taken or is no address.
    """

    def __init__(
        self,
        endpoint: str,
        keys: KeyPair,
        zap: Zap,
        enrolled: Enrolled,
        *,
        name: str,
        accepts: Sequence[type[Message]] | None = None,
        audit: Audit | None = None,
        emits: Callable[[Message], bool] = lambda message: False,
        limits: Limits = COMMANDS,
        of_nodes: Limits | None = None,
        per_s: float = 1000.0,
        burst: float = 2000.0,
        clock: Callable[[], float] = elapsed_s,
    ) -> None:
        self.name = name
        self.counters: Counter[str] = Counter()
        """For status: ``received``, ``refused Stale`` and so on, ``denied``, ``handshakes failed``, ``undelivered``."""
        rates: dict[str, float] = {"per_s": per_s, "burst": burst}
        self.gate = Gate(enrolled, accepts=accepts, limits=limits, of_nodes=of_nodes, clock=clock, **rates)
        self._trail = Trail(audit, self.counters, emits, clock)
        self._zap = zap
        self._knocks: deque[Knock] = deque(maxlen=1000)
        zap.add(name, enrolled, self._knocks.append)
        self.socket = serve_curve(zap.context.socket(zmq.ROUTER), keys, name)
        self._requests = [(self.socket, POLLIN)]
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        largest = max(
            max(each.header_bytes, each.array_bytes) for each in (limits, limits if of_nodes is None else of_nodes)
        )
        self.socket.setsockopt(zmq.MAXMSGSIZE, 2 * largest)
        self.socket.setsockopt(zmq.SNDHWM, 200)
        self._monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )
        try:
            self.endpoint = bind(self.socket, endpoint)
        except BellringerError:
            self.close()
            raise

    def close(self) -> None:
        """Close the port; may be called twice."""
        if not self.socket.closed:
            self.look_at_the_door()
        close(self.socket, self._monitor)
        self._zap.remove(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- requests ---------------------------------------------------------------------------------------------

    def receive(self, most: int = 100) -> Iterator[Incoming]:
        """Give the requests that are there, at most ``most``; never waits. Poll ``self.socket`` to know when.

        Each is read when the one before it has been seen to; looks at the door when there are no more.
        """
        for _ in range(most):
            try:
                incoming = self._admit(self.socket.recv(NOBLOCK), receive(self.socket))
            except zmq.Again:
                break
            if incoming is not None:
                yield incoming
        else:
            return
        self.look_at_the_door()

    def take(self) -> Incoming | None:
        """Return the next request; None if there is none, or it was one that did not pass. Never waits."""
        try:
            peer, frames = self.socket.recv(NOBLOCK), receive(self.socket)
        except zmq.Again:
            return None
        return self._admit(peer, frames)

    @property
    def waiting(self) -> bool:
        """Return whether a request is there. ZeroMQ's descriptor only tells of news: ask this before waiting for it."""
        return bool(zmq.zmq_poll(self._requests, 0))

    def reply(self, incoming: Incoming, value: Any = None, *arrays: Array) -> None:
        """Answer that a request was carried out; a value that cannot be sent becomes a refusal that says so."""
        try:
            frames = encode(Reply(incoming.message.id, value, self.gate.nonces.newest()), *arrays)
        except BellringerError as error:
            self.refuse(incoming, error)
            return
        answered_first = not isinstance(incoming.message, EStop)  # an e-stop that was answered is on record
        if answered_first:
            self._send(incoming.peer, frames)
        self._trail.after(incoming, "done")
        if not answered_first:
            self._send(incoming.peer, frames)

    def refuse(self, incoming: Incoming, error: BaseException) -> None:
        """Answer that a request was not carried out, or failed."""
        self._send(incoming.peer, encode(to_refusal(error, incoming.message.id, self.gate.nonces.newest(), self.name)))
        self._trail.after(incoming, f"failed: {error}")

    def change_keys(self, message: Keys) -> list[dict[str, str]]:
        """Enrol or revoke a key as an admin asks, and return the list: public key, name, role, since, revoked.

        It holds from the next message on, also of a connection that is there: the gate looks a key up every time.

        Raises:
            KeyFileError: as ``Enrolled.enrol`` and ``revoke``, or the list cannot be written.
        """
        enrolled = self.gate.enrolled
        if message.command == "enrol":
            enrolled.enrol(message.public_key, message.name, message.role)
        elif message.command == "revoke":
            enrolled.revoke(message.public_key)
        else:
            raise WireError(f"keys cannot be asked to {message.command!r:.40}", hint="enrol or revoke")
        return [{"public_key": key, **msgspec.structs.asdict(entry)} for key, entry in enrolled.ls().items()]

    def _admit(self, peer: bytes, frames: list[zmq.Frame]) -> Incoming | None:
        self.counters["received"] += 1
        if self._knocks:  # that a key connected is on record before what it asked for
            self._note_knocks()
        try:
            key = str(frames[-1].get(USER_ID))
        except zmq.ZMQError:  # the connection was not authenticated
            key = ""
        try:
            incoming = self.gate.admit(peer, key, frames)
            self._trail.before(incoming)
        except BellringerError as error:
            self._refuse_unheard(peer, key, frames, error)
            return None
        if isinstance(incoming.message, Hello):
            hello = Hello(incoming.message.id, name=self.name, nonce=self.gate.nonces.newest())
            self._send(peer, encode(hello))
            return None
        return incoming

    def _refuse_unheard(self, peer: bytes, key: str, frames: list[zmq.Frame], error: BellringerError) -> None:
        """Count, log and refuse a message that did not pass."""
        self.counters[f"refused {type(error).__name__}"] += 1
        kind, number, _ = peek(frames, self.gate.limits)
        self._trail.refused(peer, key, self.gate.enrolled.ls().get(key), kind, number, error)
        self._send(peer, encode(to_refusal(error, number, self.gate.nonces.newest(), self.name)))

    def _send(self, peer: bytes, frames: Sequence[bytes | memoryview]) -> None:
        try:
            SEND(self.socket, peer, MORE)  # raises here, or not at all
            if len(frames) == 1:  # copying a lone header costs less than sharing it with ZeroMQ's thread
                SEND(self.socket, frames[0], NOBLOCK)
                return
            for frame in frames[:-1]:
                self.socket.send(frame, MORE, copy=False)
            self.socket.send(frames[-1], NOBLOCK, copy=False)
        except zmq.Again:
            self.counters["undelivered"] += 1
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.counters["undelivered"] += 1

    def look_at_the_door(self) -> None:
        """Count and log who tried to connect since last time; now and then, it takes as long as a request."""
        while zmq.zmq_poll([(self._monitor, zmq.POLLIN)], 0):
            self._monitor.recv_multipart()
            self.counters["handshakes failed"] += 1
        self._note_knocks()

    def _note_knocks(self) -> None:
        while self._knocks:
            knock = self._knocks.popleft()
            self.counters["connected" if knock.accepted else "denied"] += 1
            self._trail.knocked(knock)
