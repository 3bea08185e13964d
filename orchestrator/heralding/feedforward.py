"""The way of a correction: from the process that read the herald to the process that owns the node's core, directly.

Nothing stands between them: no agent, no coordinator, no disk. What a station sends names the herald; which operation
that calls for, and until when it may be applied, stands in the program that the node has loaded (``edge``). The node
answers once it has decided, and handed what is due to its core; whoever confirms the pair is told by the core's own
record, which says when the correction took effect.

Both ends hold keys that live as long as their process; the coordinator tells each the other's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import zmq

from ...testbed.errors import BellringerError, InstrumentError
from ..wire.enrolled import Enrolled
from ..wire.keys import KeyPair
from ..wire.nonces import elapsed_s
from ..wire.sockets import NOBLOCK, SEND, USER_ID, bind, call_curve, serve_curve
from ..wire.zap import Zap
from .messages import Feedforward
from .terms import Send

MOST_WAITING = 1000
"""Corrections that wait for a node at most; more are not sent, and counted."""
LARGEST_BYTES = 1024
"""Of a frame; the handshake needs about half of it."""
FIRST_PATIENCE_S, MOST_PATIENCE_S = 0.2, 3.0
"""How long a connection may take to come about before it is tried anew: at first, and at most; doubled each time."""
RETRY_MS = 20
LOOK_MS = 200
"""How often the receiver looks whether it shall end."""


class Peer(NamedTuple):
    """Where a node takes corrections, and the key it holds."""

    node: str
    endpoint: str
    public_key: str


Take = Callable[[str, Feedforward], object]
"""Called with the name of the station, as its key says, and what it tells."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Feedforward).decode


class FeedforwardOut:
    """The station's end; to be used from one thread.

    Args:
        keys: the station process's pair.
        peers: the nodes.
    """

    def __init__(self, keys: KeyPair, peers: Iterable[Peer]) -> None:
        self.counters: Counter[str] = Counter()
        """``undelivered``: heralds that a node was too far behind, or too far away, to take."""
        self.peers = frozenset(peers)
        self._keys = keys
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._patience: dict[str, tuple[float, float]] = {}
        """By node: until when its connection may take to come about, and for how long the next one may."""
        for peer in self.peers:
            self._connect(peer, FIRST_PATIENCE_S)

    def wait_connected(self, nodes: Iterable[str], timeout_s: float) -> None:
        """Wait until all of ``nodes`` can be reached.

        Raises:
            InstrumentError: one cannot; says which.
        """
        end_s = elapsed_s() + timeout_s
        for node in nodes:
            if node not in self._sockets:
                raise InstrumentError(f"node '{node}' has not said where corrections go", hint="is its agent up?")
            while not self._sockets[node].poll(RETRY_MS, zmq.POLLOUT):
                if elapsed_s() >= end_s:
                    raise InstrumentError(
                        f"corrections cannot reach node '{node}': no connection within {timeout_s:g} s",
                        hint="can this host reach that one? a firewall must let its driver processes' ports through",
                    )
                self.retry()

    def retry(self) -> None:
        """Connect anew where there is no connection: ZeroMQ gives up when a node has not heard of our key yet."""
        for peer in self.peers:
            due_s, patience_s = self._patience[peer.node]
            if not self._ready(peer.node, zmq.POLLOUT) and elapsed_s() >= due_s:
                self._sockets[peer.node].close(linger=0)
                self._connect(peer, min(2 * patience_s, MOST_PATIENCE_S))

    def _connect(self, peer: Peer, patience_s: float) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        socket = call_curve(context.socket(zmq.DEALER), self._keys, peer.public_key)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # what cannot leave now is late anyway
        socket.setsockopt(zmq.SNDHWM, MOST_WAITING)
        socket.connect(peer.endpoint)
        self._sockets[peer.node] = socket
        self._patience[peer.node] = elapsed_s() + patience_s, patience_s

    def _ready(self, node: str, what: int) -> bool:
        return bool(int(self._sockets[node].get(zmq.EVENTS)) & int(what))

    def send(self, sends: Iterable[Send]) -> int:
        """Send what an ``Arbiter`` wants sent, and return how many could not leave; never waits."""
        undelivered = 0
        for each in sends:
            try:
                SEND(self._sockets[each.to], _encode(each.message), NOBLOCK)
            except zmq.Again:
                undelivered += 1
        self.counters["undelivered"] += undelivered
        return undelivered

    def wait_handed_over(self, node: str, timeout_s: float) -> bool:
        """Wait until ``node`` says that it has seen to the oldest herald it was not asked about yet."""
        socket = self._sockets[node]
        if not socket.poll(int(timeout_s * 1e3), zmq.POLLIN):
            return False
        socket.recv()
        return True

    def forget_answers(self) -> None:
        """Pass over what nodes answered."""
        for node, socket in self._sockets.items():
            while self._ready(node, zmq.POLLIN):
                socket.recv()

    def close(self) -> None:
        """Close the connections; may be called twice."""
        for socket in self._sockets.values():
            socket.close(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FeedforwardIn:
    """The node's end, with a thread of its own that does nothing else.

    Args:
        node: name of the node.
        keys: the node process's pair.
        zap: the context's authentication handler.
        take: decides about a herald and hands what is due to the core; called in the thread.
        bind_to: e.g. ``tcp://*:*``.

    Raises:
        BellringerError: the address is taken or is no address.
    """

    def __init__(self, node: str, keys: KeyPair, zap: Zap, take: Take, bind_to: str = "tcp://127.0.0.1:*") -> None:
        self.counters: Counter[str] = Counter()
        """``received``, of these ``malformed``, ``strangers``, ``failed``."""
        self.problem: Exception | None = None
        """The first failure of ``take``, None if there was none; the status tells how many there were."""
        self._take, self._zap, self._domain = take, zap, f"feedforward {node}"
        self._stations = Enrolled.in_memory(())
        self._names: dict[str, str] = {}
        """Public key -> station, of those that are heard now."""
        self._only = ""
        """The station that alone was ever let in here, so that whatever comes is its; "" if there is none such."""
        zap.add(self._domain, self._stations)
        self._socket = serve_curve(zap.context.socket(zmq.ROUTER), keys, self._domain)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_BYTES)
        self._socket.setsockopt(zmq.RCVTIMEO, LOOK_MS)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feedforward", daemon=True)
        try:
            self.endpoint = bind(self._socket, bind_to)
        except BellringerError:
            self._socket.close()
            zap.remove(self._domain)
            raise
        self._thread.start()

    def admit(self, station: str, public_key: str) -> None:
        """Hear this station from now on, by this key alone; a key that it held before is shut out for good.

        Raises:
            KeyFileError: this is no key, or one that was shut out.
        """
        known = {key for key, entry in self._stations.ls().items() if entry.name == station and not entry.revoked}
        if known == {public_key}:
            return
        self._only = ""  # before anybody else can come in
        for key in known - {public_key}:
            self._stations.revoke(key)
        if public_key not in known:
            self._stations.enrol(public_key, station, "node")
        ever = self._stations.ls()
        self._names = {key: entry.name for key, entry in ever.items() if not entry.revoked}
        self._only = station if len(ever) == 1 else ""

    def close(self) -> None:
        """Take no more; may be called twice."""
        self._ending.set()
        self._thread.join()
        self._socket.close(linger=0)
        self._zap.remove(self._domain)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        recv, take = self._socket.recv, self._take
        while not self._ending.is_set():
            try:
                peer = recv()
            except zmq.Again:
                continue
            # From here to ``take`` every line costs microseconds: the processor has just been woken for it.
            data: bytes | memoryview
            if station := self._only:
                data = recv()
            else:
                frame = recv(copy=False)
                data, station = frame.buffer, self._names.get(str(frame.get(USER_ID)), "")
            try:
                message = _decode(data)
                if station:
                    take(station, message)
                else:  # its key was shut out after it had connected
                    self.counters["strangers"] += 1
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.counters["malformed"] += 1
            except Exception as error:  # the core has gone, say: its batch ends, and the next one needs this thread
                self.counters["failed"] += 1
                self.problem = self.problem or error
            self.counters["received"] += 1
            while self._socket.getsockopt(zmq.RCVMORE):
                recv()
            self._socket.send_multipart([peer, b""])
