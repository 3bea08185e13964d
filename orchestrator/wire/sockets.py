"""Options that all our own TCP sockets share."""

from collections.abc import Callable

import zmq
import zmq.backend

from ...testbed.errors import BellringerError
from .keys import KeyPair

Socket = zmq.Socket[bytes]

NOBLOCK = int(zmq.NOBLOCK)
"""As a plain number: to make one of a flag takes longer than much of what it is given to."""

SEND: Callable[[Socket, bytes | memoryview, int], object] = zmq.backend.Socket.send
"""Sends one frame, copied, without the look for what only draft sockets have."""
USER_ID: str = b"User-Id"  # type: ignore[assignment]
"""For ``Frame.get``, which takes text too, and makes bytes of it each time."""

HANDSHAKE_MS = 3_000
HEARTBEAT_MS = 1_000
SILENCE_MS = 4_000
"""A peer whose ZeroMQ answers no heartbeat for this long is gone: frozen, switched off, unplugged."""


def _common(socket: Socket) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, SILENCE_MS)


def serve_curve(socket: Socket, keys: KeyPair, domain: str) -> Socket:
    """Prepare a socket to be bound: encrypted, and closed to everybody whom ``domain``'s list does not hold."""
    _common(socket)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # with no handler there, deny instead of accepting everybody
    return socket


def call_curve(socket: Socket, keys: KeyPair, server_public_key: str) -> Socket:
    """Prepare a socket to be connected to the one service that holds this key."""
    _common(socket)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_public_key.encode())
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2_000)
    return socket


def bind(socket: Socket, endpoint: str) -> str:
    """Bind and return the address that came of it.

    Raises:
        BellringerError: it is taken, or no address of this machine.
    """
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise BellringerError(
            f"cannot listen: {error.strerror}",
            where=endpoint,
            hint="does the service run already? is it an address of this machine?",
        ) from error
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def receive(socket: Socket, flags: int = NOBLOCK) -> list[zmq.Frame]:
    """Return the frames of the next message; waits for it, as the socket is set, only if ``flags`` say so.

    Raises:
        zmq.Again: there is none.
    """
    frames = [socket.recv(flags, copy=False)]
    while frames[-1].more:  # the others are there too: ZeroMQ hands a message over whole
        frames.append(socket.recv(NOBLOCK, copy=False))
    return frames


def close(socket: Socket, monitor: Socket | None) -> None:
    """Close a socket and its monitor; may be called twice."""
    if not socket.closed:
        if monitor is not None:
            socket.disable_monitor()
            monitor.close(linger=0)
        socket.close(linger=0)
