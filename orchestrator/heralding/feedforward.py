"""The way of a correction: from the process that read the herald to the process that owns the node's core, directly.

Nothing stands between them: no agent, no coordinator, no disk. What a station sends names the herald; which operation
that calls for, and until when it may be applied, stands in the node's own table. The node answers once it has handed
the correction to its core, so that the station can count what did not arrive; whoever confirms the pair is told by the
core's own record, which says when the correction took effect.

Both ends hold keys that live as long as their process; the coordinator tells each the other's with the batch.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import zmq

from ...testbed.errors import BellringerError, InstrumentError
from ..wire.enrolled import Enrolled
from ..wire.keys import KeyPair
from ..wire.sockets import bind, call_curve, serve_curve
from ..wire.zap import Zap

MOST_WAITING = 1000
"""Corrections that wait for a node at most; more are not sent, and counted."""
LARGEST_BYTES = 1024
"""Of a frame; the handshake needs about half of it."""
LOOK_MS = 200
"""How often the receiver looks whether it shall end."""


class Notice(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """One herald, as the nodes are told of it; times are hardware time, ps.

    Attributes:
        hseq: the station's number of the herald.
        k: the node's attempt index.
        pattern: the clicks, as the program's table names them.
        herald_ps: when the last click came.
    """

    epoch: int
    batch: int
    hseq: int
    k: int
    pattern: int
    herald_ps: int


class Correction(NamedTuple):
    """What a node owes for one pattern: the operation, and how long after the herald it may take effect (ps)."""

    operation: str
    deadline_ps: int


class Peer(NamedTuple):
    """Where a node takes corrections, and the key it holds."""

    node: str
    endpoint: str
    public_key: str


Apply = Callable[[Notice, str, int], None]
"""Called with the notice, the operation and the hardware time (ps) after which it must not be applied any more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Notice).decode


class FeedforwardOut:
    """The station's end; to be used from one thread.

    Args:
        keys: the station process's pair.
        peers: the nodes that owe corrections.
    """

    def __init__(self, keys: KeyPair, peers: tuple[Peer, ...]) -> None:
        self.counters: Counter[str] = Counter()
        """``undelivered``: notices that a node was too far behind, or too far away, to take."""
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        context = zmq.Context.instance()
        for peer in peers:
            socket = call_curve(context.socket(zmq.DEALER), keys, peer.public_key)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # what cannot leave now is late anyway
            socket.setsockopt(zmq.SNDHWM, MOST_WAITING)
            socket.connect(peer.endpoint)
            self._sockets[peer.node] = socket

    def wait_connected(self, timeout_s: float) -> None:
        """Wait until every node can be reached.

        Raises:
            InstrumentError: one cannot; says which.
        """
        for node, socket in self._sockets.items():
            if not socket.poll(int(timeout_s * 1e3), zmq.POLLOUT):
                raise InstrumentError(
                    f"corrections cannot reach node '{node}': no connection within {timeout_s:g} s",
                    hint="can this host reach that one? a firewall must let its driver processes' ports through",
                )

    def send(self, notice: Notice, nodes: tuple[str, ...]) -> None:
        """Tell ``nodes`` of a herald; never waits."""
        data = _encode(notice)
        for node in nodes:
            try:
                self._sockets[node].send(data, zmq.NOBLOCK)
            except zmq.Again:
                self.counters["undelivered"] += 1

    def wait_handed_over(self, node: str, timeout_s: float) -> bool:
        """Wait until ``node`` says that its core has the oldest correction it was not asked about yet."""
        socket = self._sockets[node]
        if not socket.poll(int(timeout_s * 1e3), zmq.POLLIN):
            return False
        socket.recv()
        return True

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
        station_key: the only public key that may connect.
        bind_to: e.g. ``tcp://*:*``.
        apply: hands a correction to the core; called in the thread.

    Raises:
        BellringerError: the address is taken or is no address.
    """

    def __init__(
        self, node: str, keys: KeyPair, zap: Zap, station_key: str, apply: Apply, bind_to: str = "tcp://127.0.0.1:*"
    ) -> None:
        self.counters: Counter[str] = Counter()
        """``received``, of these ``malformed``, ``not for this batch``, ``old``, ``unknown pattern``, ``failed``."""
        self.problem: BellringerError | None = None
        """The first failure of ``apply``, None if there was none."""
        self._apply, self._zap, self._domain = apply, zap, f"feedforward {node}"
        self._expected: tuple[int, int, Mapping[int, Correction]] = (0, 0, {})
        self._newest = 0
        zap.add(self._domain, Enrolled.in_memory([(station_key, "station", "node")]))
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

    def expect(self, epoch: int, batch: int, table: Mapping[int, Correction]) -> None:
        """Take corrections of this batch from now on, by this table (pattern -> correction), and of no other."""
        self._newest, self._expected = 0, (epoch, batch, table)

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
        socket = self._socket
        while not self._ending.is_set():
            try:
                station, *frames = socket.recv_multipart()
            except zmq.Again:
                continue
            self.counters["received"] += 1
            try:
                notice = _decode(b"".join(frames))
            except msgspec.MsgspecError:
                self.counters["malformed"] += 1
                continue
            self._take(notice)
            socket.send_multipart([station, b""])

    def _take(self, notice: Notice) -> None:
        """Apply what the table asks for; what it does not name is left to the pair's confirmation to refuse."""
        epoch, batch, table = self._expected
        if notice.epoch != epoch or notice.batch != batch:
            self.counters["not for this batch"] += 1
            return
        if notice.hseq <= self._newest:
            self.counters["old"] += 1
            return
        self._newest = notice.hseq
        correction = table.get(notice.pattern)
        if correction is None:
            self.counters["unknown pattern"] += 1
            return
        try:
            self._apply(notice, correction.operation, notice.herald_ps + correction.deadline_ps)
        except BellringerError as error:  # the core has gone; its batch ends, and whoever runs it asks why
            self.counters["failed"] += 1
            self.problem = self.problem or error
