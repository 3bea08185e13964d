"""One outgoing connection and what ZeroMQ's monitor tells about it: is it up, and if not, why not.

ZeroMQ is silent at its API about a refused key, a wrong server key or nobody there; the monitor socket knows. After a
refused key, or a peer that is no ZeroMQ, ZeroMQ never tries again; we do, with a new socket, once in a while.
"""

import errno
import math
import struct
from collections.abc import Callable

import zmq

from .errors import KeyRefused, LinkError, NoAnswer, NobodyThere, WrongServerKey
from .keys import KeyPair
from .nonces import elapsed_s
from .public_keys import fingerprint, is_key
from .sockets import Socket, call_curve, close

BROKEN_OFF = 3
"""So many handshakes in a row must be broken off by the service before its key is taken to be another one: it also
breaks one off when it is stopped at that moment."""
SILENCE_MS = 20
"""Who waits for an answer looks that often whether the connection is still up; looking for each takes too long."""

EVENT = struct.Struct("=Hi")
"""What a monitor tells, in its first frame: the kind of event and its value, see zmq_socket_monitor(3)."""
REOPEN_S = 1.0
"""So long after ZeroMQ gave up we knock again."""
NEVER_MS = 86_400_000
"""No number means never without dropping what waits to be read; a day is as good."""
STREAM_AGAIN_S = 0.2
"""So long after a stream broke off, or nobody was there, it is connected anew."""


class Link:
    """A connected socket and its monitor.

    Args:
        context: whose socket it is.
        kind: ``zmq.DEALER`` or ``zmq.SUB``.
        endpoint: the service's address.
        server_public_key: the key it must hold.
        keys: our own pair.
        max_frame_bytes: a peer that sends a larger frame is hung up on.
        prepare: sets more options on every new socket, before it connects.

    Raises:
        LinkError: the key or the address is none.
    """

    def __init__(
        self,
        context: "zmq.Context[Socket]",
        kind: int,
        endpoint: str,
        server_public_key: str,
        keys: KeyPair,
        max_frame_bytes: int,
        prepare: Callable[[Socket], object] = lambda socket: None,
    ) -> None:
        if not is_key(server_public_key):
            raise WrongServerKey("that is no public key of a service", where=endpoint, hint="give the text of its .pub")
        self.endpoint, self.kind = endpoint, kind
        self._context, self._server, self._keys = context, server_public_key, keys
        self._max_frame_bytes, self._prepare = max_frame_bytes, prepare
        self._monitor: Socket | None = None
        self.connections = 0
        """How often a handshake succeeded; another number means another connection."""
        self._broken_off = 0
        self._problem: LinkError | None = None
        self.reopen()

    def reopen(self) -> None:
        """Start afresh with a new socket; what was on its way is lost."""
        self.close()
        self.is_up = self._reached = False
        self._again_s = math.inf
        if self.kind == zmq.DEALER:  # a stream is opened anew after every attempt, and its attempts count together
            self._problem, self._broken_off = None, 0
        self.socket = call_curve(self._context.socket(self.kind), self._keys, self._server)
        if self.kind == zmq.DEALER:
            self.socket.setsockopt(zmq.IMMEDIATE, 1)  # what is sent while there is nobody must not arrive later
            self.socket.setsockopt(zmq.RCVTIMEO, SILENCE_MS)
        else:  # libzmq aborts the process if it reconnects a socket whose queue was full; we open another one
            self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 0)  # else it is what counts, be the interval ever so long
            self.socket.setsockopt(zmq.RECONNECT_IVL, NEVER_MS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, self._max_frame_bytes)
        self._prepare(self.socket)
        self._monitor = self.socket.get_monitor_socket()
        self._poller = zmq.Poller()
        for socket in (self.socket, self._monitor):
            self._poller.register(socket, zmq.POLLIN)
        try:
            self.socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise NobodyThere(
                f"that is no address: {error.strerror}", where=self.endpoint, hint="write it as tcp://host:port"
            ) from error

    def close(self) -> None:
        """Close; may be called twice."""
        if self._monitor is not None:
            close(self.socket, self._monitor)
            self._monitor = None

    def wait(self, seconds: float) -> None:
        """Wait until a message came or the monitor tells something, at most ``seconds``."""
        ready = self._poller.poll(math.ceil(max(0.0, seconds) * 1000))
        if len(ready) != 1 or ready[0][0] is not self.socket:  # most waits end with a message and no news
            self.note()

    def note(self) -> None:
        """Take in what the monitor tells; start afresh if it is time and nothing waits to be read."""
        assert self._monitor is not None
        if elapsed_s() > self._again_s and not zmq.zmq_poll([(self.socket, zmq.POLLIN)], 0):
            self.reopen()
        while zmq.zmq_poll([(self._monitor, zmq.POLLIN)], 0):
            told, _ = self._monitor.recv_multipart()
            self._take(*EVENT.unpack(told))

    def problem(self) -> LinkError | None:
        """Return why the connection cannot come up, or None if it is up or may still come up."""
        return self._problem

    def why_not_up(self) -> LinkError:
        """Return the best explanation of why the connection is not up."""
        if self._problem is not None:
            return self._problem
        if self._reached:
            return NoAnswer(
                "somebody listens there but does not answer our handshake",
                where=self.endpoint,
                hint="the service may be frozen, or another program uses this port",
            )
        return NobodyThere(
            "nobody listens there", where=self.endpoint, hint="is the service started? is the host right?"
        )

    def _take(self, event: int, value: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.is_up, self._problem, self._broken_off = True, None, 0
            self.connections += 1
        elif event == zmq.EVENT_CONNECTED:
            self._reached = True
        elif event == zmq.EVENT_CLOSED:
            self._reached = False
            self._stream_ended()
        elif event == zmq.EVENT_DISCONNECTED:
            self.is_up = False
            self._stream_ended()
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._again_s = elapsed_s() + REOPEN_S
            self._problem = KeyRefused(
                f"the service refuses our key {fingerprint(self._keys.public)} ('{self._keys.name}')",
                where=self.endpoint,
                hint="have an admin enrol it there: bellringer keys enrol",
            )
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self._again_s = elapsed_s() + REOPEN_S
            self._problem = NoAnswer(
                "something listens there that does not speak encrypted ZeroMQ",
                where=self.endpoint,
                hint="another program may use this port; check address and port",
            )
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and value != errno.EAGAIN:  # EAGAIN: it was silent
            self._broken_off += 1
            if self._broken_off >= BROKEN_OFF:
                self._problem = WrongServerKey(
                    f"the service there does not hold the key {fingerprint(self._server)}, or is none of ours",
                    where=self.endpoint,
                    hint="did it get a new key? compare fingerprints, then give the new public key",
                )

    def _stream_ended(self) -> None:
        if self.kind == zmq.SUB and math.isinf(self._again_s):
            self._again_s = elapsed_s() + STREAM_AGAIN_S
