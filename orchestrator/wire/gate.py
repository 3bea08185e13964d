"""What a service lets in: every check between received frames and a request that may be carried out. No sockets here.

In this order: is the key still good, can the message be understood, does this port take it; then, not for the e-stop,
which every good key may always press: is the key not too fast, did the connection begin with a hello of our version,
does its role allow it, is it fresh.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Union

import msgspec

from . import roles
from .codec import COMMANDS, Decoder, Limits, peek
from .enrolled import Enrolled
from .errors import KeyRefused, NoHello, NotAllowed, TooFast, VersionSkew, WireError
from .messages import PROTOCOL, VERSION, EStop, Hello, Message, Request, kind_of
from .nonces import Nonces, elapsed_s, needs_nonce
from .public_keys import fingerprint
from .rate import TokenBuckets
from .values import Array


class Incoming(msgspec.Struct, frozen=True):
    """A request that passed every check.

    Attributes:
        peer: where the answer goes; says nothing about who it is.
        key: the authenticated public key.
        role: the key's role, now.
        name: whom the key is enrolled to; what the peer calls itself is only in its ``Hello``.
        message: the request.
        arrays: arrays beside the message.
    """

    peer: bytes
    key: str
    role: str
    name: str
    message: Any
    arrays: Sequence[Array]

    @property
    def who(self) -> str:
        return f"{fingerprint(self.key)} {self.name}"


class Gate:
    """The checks of one port.

    Args:
        enrolled: good keys and their roles.
        accepts: the kinds of messages this port takes; ``Hello`` always.
        limits: how large a message may be.
        of_nodes: how large a message may be whose key has the role "node"; as ``limits`` if not given.
        per_s: requests per second one key may send in the long run.
        burst: requests one key may send at once.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        enrolled: Enrolled,
        *,
        accepts: Sequence[type[Message]] | None = None,
        limits: Limits = COMMANDS,
        of_nodes: Limits | None = None,
        per_s: float = 1000.0,
        burst: float = 2000.0,
        clock: Callable[[], float] = elapsed_s,
    ) -> None:
        self.enrolled, self.limits = enrolled, limits
        kinds: Any = Union[Request, *(accepts or ())]
        self._decoder = Decoder(kinds, limits)
        self._decoder_of_nodes = self._decoder if of_nodes is None else Decoder(kinds, of_nodes)
        self.accepts: tuple[type[Message], ...] | None = None if accepts is None else (Hello, *accepts)
        self._accepts = frozenset(self.accepts or ())
        self.nonces = Nonces(clock=clock)
        self._rate = TokenBuckets(per_s, burst, clock=clock)
        self._greeted: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def admit(self, peer: bytes, key: str, frames: Sequence[Any]) -> Incoming:
        """Return the request in ``frames``.

        Raises:
            BellringerError: it is refused; the class says why.
        """
        entry = self.enrolled.find(key)
        if entry is None:
            name = fingerprint(key) if key else "(none)"
            raise KeyRefused(
                f"the key {name} is not, or no longer, enrolled here; nothing was done",
                hint="ask an admin to enrol a new key",
            )
        calm = self._rate.take(key)
        try:
            message, arrays = (self._decoder_of_nodes if entry.role == "node" else self._decoder).decode(frames)
        except WireError:
            self._check_version(frames)
            raise
        kind = type(message)
        if self.accepts is not None and kind not in self._accepts:
            taken = ", ".join(map(kind_of, self.accepts))
            raise NotAllowed(f"this port does not take '{kind_of(message)}'", hint=f"it takes: {taken}")
        if kind is not EStop:
            if not calm:
                raise TooFast(
                    f"more than {self._rate.per_s:g} requests a second from '{entry.name}'; nothing was done",
                    hint="send fewer, or subscribe to the stream of readings",
                )
            if kind is Hello:
                self._greet(peer, key, message)
            else:
                if (peer, key) not in self._greeted:
                    raise NoHello("the connection did not begin with a hello", hint="say hello, then ask again")
                if not roles.allowed(entry.role, message):
                    raise NotAllowed(
                        f"'{kind_of(message)}' needs the role {roles.needed_role(message)}; "
                        f"the key of '{entry.name}' has the role {entry.role}",
                        hint="ask an admin for it: bellringer keys enrol",
                    )
                if needs_nonce(message):
                    self.nonces.check(message.nonce, message.ttl_s)
        return Incoming(peer, key, entry.role, entry.name, message, arrays)

    def _check_version(self, frames: Sequence[Any]) -> None:
        """Tell a hello of another version, which need not be understood, by its version."""
        kind, _, version = peek(frames, self.limits)
        if kind == "hello" and version[0] != VERSION[0]:
            raise skew(version, VERSION) from None

    def _greet(self, peer: bytes, key: str, message: Hello) -> None:
        if message.protocol != PROTOCOL:
            raise WireError(f"the protocol here is {PROTOCOL}, not {message.protocol!r:.40}")
        if message.version[0] != VERSION[0]:
            raise skew(message.version, VERSION)
        self._greeted[peer, key] = None
        if len(self._greeted) > 10_000:  # connections end without telling; the longest known may say hello again
            self._greeted.popitem(last=False)


def skew(theirs: tuple[int, int], ours: tuple[int, int]) -> VersionSkew:
    """Return the error for a peer of another major version; names both."""
    return VersionSkew(
        f"the service speaks version {ours[0]}.{ours[1]} of the protocol, the client {theirs[0]}.{theirs[1]}",
        hint="install the same version of bellringer on both sides",
    )
