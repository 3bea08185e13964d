"""Errors of our own sockets, and how any error travels: as the parts of a ``BellringerError`` in a ``Refusal``."""

from ...testbed import errors as testbed_errors
from ...testbed.errors import BellringerError
from .messages import Refusal


class WireError(BellringerError):
    """A message that cannot be understood, breaks a limit, or cannot be sent."""


class NoHello(WireError):
    """The connection did not begin with a hello, or so long ago that the service forgot; nothing was done."""


class LinkError(BellringerError):
    """There is no usable connection to a service; the subclass says why."""


class NobodyThere(LinkError):
    """Nobody listens at the address, or the host is not reachable."""


class NoAnswer(LinkError):
    """Somebody listens and is silent: frozen, busy, or no service of ours."""


class NotSent(NoAnswer):
    """The request did not leave: the connection just broke, or takes no more; nothing was done."""


class LinkLost(LinkError):
    """The connection broke while an answer was due; whether the request was carried out is unknown."""


class WrongServerKey(LinkError):
    """The service does not hold the key it was expected to hold."""


class KeyRefused(LinkError):
    """The service does not know our key, or revoked it."""


class VersionSkew(LinkError):
    """The two sides speak different major versions of the protocol."""


class NotAllowed(BellringerError):
    """The key's role does not allow this, or this port does not take it; nothing was done."""


class Stale(BellringerError):
    """The command cites a nonce that is too old or unknown; nothing was done."""


class TooFast(BellringerError):
    """One key sends more requests than the service takes; nothing was done."""


class KeyFileError(BellringerError):
    """A key file or the list of enrolled keys is missing, unsafe or damaged."""


class NoSuchKey(KeyFileError):
    """No good key goes by this name, fingerprint or text."""


class AuditError(BellringerError):
    """The audit log cannot be written, or was changed."""


KINDS: dict[str, type[BellringerError]] = {
    name: kind
    for name, kind in {**vars(testbed_errors), **globals()}.items()
    if isinstance(kind, type) and issubclass(kind, BellringerError)
}
"""The errors that travel by name; any other arrives as its nearest base in here."""


def to_refusal(error: BaseException, id: int, nonce: int = 0, where: str = "") -> Refusal:
    """Return the refusal that carries ``error``; one that is no ``BellringerError`` is a bug, and says so.

    ``where`` is used if the error names no place.
    """
    if not isinstance(error, BellringerError):
        return Refusal(
            id,
            "BellringerError",
            f"{type(error).__name__}: {error}",
            where,
            hint="this is a bug in bellringer or in a driver; please report it with what you did",
            nonce=nonce,
        )
    name = next(base.__name__ for base in type(error).__mro__ if KINDS.get(base.__name__) is base)
    return Refusal(id, name, error.what, error.where or where, error.hint, nonce)


def from_refusal(refusal: Refusal) -> BellringerError:
    """Return the error a refusal carries; a kind unknown here becomes a plain ``BellringerError``."""
    kind = KINDS.get(refusal.error, BellringerError)
    return kind(refusal.what, where=refusal.where, hint=refusal.hint)
