"""Getting back in step with an instrument after a lost, late or unreadable reply."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ...testbed.errors import ProtocolError, TransportTimeout
from .byte_stream import ByteTransport

T = TypeVar("T")
P = ParamSpec("P")

QUIET_S = 0.3
ATTEMPTS = 3
_MOST_PIECES = 100


def drain(port: ByteTransport, quiet_s: float = QUIET_S) -> bytes:
    """Return everything that still comes until the line was silent for ``quiet_s`` (s, clock time).

    Later replies are possible; only the instrument's protocol can rule them out.
    """
    data = b""
    for _ in range(_MOST_PIECES):  # an instrument that never falls silent must not hold us for ever
        try:
            data += port.read_some(quiet_s)
        except TransportTimeout:
            break
    return data


def again(attempt: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
    """Return ``attempt(...)``, made again if its reply was lost or unreadable; only for requests that change nothing.

    Raises:
        TransportTimeout, ProtocolError: the last attempt failed as well.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(*args, **keywords)
        except (TransportTimeout, ProtocolError):
            continue  # the line layer brings itself in step before the next request
    return attempt(*args, **keywords)
