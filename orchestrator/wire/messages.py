"""What goes over our own sockets: one tagged Struct per kind of message, plain values only.

Decoding validates: an unknown kind, an unknown field, a wrong type or a missing field is an error of the sender, and
nothing of the message is used. Times are seconds on the sender's monotonic clock unless a name says otherwise.

A message with a ``ttl_s`` (s) is refused when its ``nonce`` is older than that, or not the receiver's own; what only
makes dark (``EStop``, ``Do`` safe_state, ``RunCommand`` abort) is never too late.
"""

from typing import Any, ClassVar

import msgspec

from .seen import Core as Core
from .seen import Watched as Watched

PROTOCOL = "bellringer"
VERSION = (1, 0)
"""Major versions must be equal to talk; a higher minor version only adds features."""

FEATURES = (
    "get",
    "set",
    "call",
    "snapshot",
    "stream",
    "lease",
    "ownership",
    "estop",
    "tag_streams",
    "describe",
    "readings",
    "log",
)


class Message(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """Base of all messages.

    Attributes:
        id: chosen by the sender, unique per connection; a reply carries its request's ``id``.
    """

    id: int
    least_role: ClassVar[str] = "admin"
    """Who may send it, if ``roles`` does not say."""


class Hello(Message, tag="hello", frozen=True):
    """First message of every connection, both ways."""

    protocol: str = PROTOCOL
    version: tuple[int, int] = VERSION
    features: tuple[str, ...] = FEATURES
    name: str = ""
    """What the peer calls itself, for people; authority never comes from it."""
    nonce: int = 0
    """The server's newest nonce; commands cite it."""


class Get(Message, tag="get", frozen=True):
    """Ask an instrument for one declared setting or reading."""

    instrument: str
    name: str
    nonce: int
    ttl_s: float = 2.0
    ticket: str = ""
    """In a dry run: the participant under which the call was registered with the simulated lab."""


class Set(Message, tag="set", frozen=True):
    """Set one declared setting; limits are checked by the agent before any I/O."""

    instrument: str
    name: str
    value: float | int | bool | str
    nonce: int
    ttl_s: float = 2.0
    ticket: str = ""
    confirm: bool = False
    """Whether somebody means it, though it raises an emitter by more than a factor of ten."""
    run: str = ""
    """In the name of which run, "" for by hand. What a run owns is set in its name only, also with the run's key."""
    by_hand: bool = False
    """Whether somebody beside the run does it in the run's name, and means it: the run's record shall tell."""


class Call(Message, tag="call", frozen=True):
    """Call a public method of an instrument by name, with plain values."""

    instrument: str
    method: str
    nonce: int
    args: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    ttl_s: float = 2.0
    ticket: str = ""
    run: str = ""
    """As in ``Set``."""
    by_hand: bool = False
    """As in ``Set``."""


class Do(Message, tag="do", frozen=True):
    """One of the host's other verbs: open, apply, snapshot, identity, describe, safe_state, close, check.

    ``check`` asks whether the instrument may be set now, by this key and in this run's name: it passes every check that
    a ``Set`` passes and is answered from the agent's own loop; no instrument is asked, nothing changes, and it is not
    logged.
    """

    instrument: str
    verb: str
    nonce: int
    ttl_s: float = 2.0
    ticket: str = ""
    run: str = ""
    """As in ``Set``; what only reads or makes dark needs none."""


class Stream(Message, tag="stream", frozen=True):
    """The owner of a time tagger has its tags published, block by block, until it gives the tagger back.

    Attributes:
        channels: inputs; none ends the stream.
        record: also write every block to the node's disk.
    """

    instrument: str
    channels: tuple[int, ...]
    nonce: int
    record: bool = False
    ttl_s: float = 2.0
    run: str = ""
    """As in ``Set``."""


class Subscribe(Message, tag="subscribe", frozen=True):
    """Have values of an instrument read again and again and published on topic ``readings``, for ``for_s`` (s).

    Attributes:
        names: settings and readings; none means all.
        period_s: how often, at least; somebody else may have asked for more.
        for_s: asked again before they are over, it goes on; 0 ends it.
        watcher: chosen by the sender; tells its subscriptions of one instrument apart.
    """

    instrument: str
    names: tuple[str, ...] = ()
    period_s: float = 1.0
    for_s: float = 10.0
    watcher: str = ""


class Log(Message, tag="log", frozen=True):
    """Ask a service what happened at it: the newest ``most`` of its events with a number above ``since``."""

    since: int = 0
    most: int = 1000


class Status(Message, tag="status", frozen=True):
    """Ask a service how it is; answered from its own loop, no instrument is asked."""


class Renew(Message, tag="renew", frozen=True):
    """A node asks for its light lease, or to keep it; ``asked_at`` comes back untouched."""

    node: str
    boot: str
    asked_at: float
    epoch: int = 0
    """The highest epoch this node has seen; a coordinator with a lower one stops itself."""
    fault: str = ""
    """What latched the node dark, "" for nothing. A new fault has a new text (number them), so that it is told from an
    acknowledged one."""
    cores: tuple[Core, ...] = ()
    """Its real-time cores, without those that are not ready."""
    watched: tuple[Watched, ...] = ()
    """What it watches for memory links, as far as it has looked at it."""


class Register(Message, tag="register", frozen=True):
    """A node introduces itself; ``boot`` is random per process start, so that a second one is noticed."""

    node: str
    boot: str
    control: str
    stream: str
    public_key: str
    instruments: tuple[str, ...]
    epoch: int = 0
    """As in ``Renew``."""
    fault: str = ""
    """As in ``Renew``."""
    cores: tuple[Core, ...] = ()
    """As in ``Renew``."""
    watched: tuple[Watched, ...] = ()
    """As in ``Renew``."""


class Entangle(Message, tag="entangle", frozen=True):
    """Ask the coordinator for pairs; ``request`` has the fields of ``heralding.service.Request``.

    ``ticket`` is the participant of a dry run in lockstep that ends when the request does, "" elsewhere.
    """

    request: dict[str, Any]
    ticket: str = ""
    nonce: int = 0
    ttl_s: float = 2.0


class Entangled(Message, tag="entangled", frozen=True):
    """Ask what has come of a request: its pairs above number ``since``, and its end."""

    request: str
    since: int = 0


class Unwanted(Message, tag="unwanted", frozen=True):
    """Whoever asked for pairs takes the request back."""

    request: str


class Probe(Message, tag="probe", frozen=True):
    """Measure the way of corrections, with messages that correct nothing; light stays off.

    To the station with the name of a ``node``: send it so many, and answer when each left: the core's hardware time in
    ps, 0 for one that could not be sent. To that node without a name: wait for them, at most ``seconds``, and answer
    what came: (number, hardware time at which the core would have corrected, ps).

    Attributes:
        instrument: the core.
        first: number of the first one; the others follow it.
    """

    instrument: str
    first: int
    count: int
    node: str = ""
    seconds: float = 0.0
    nonce: int = 0
    ttl_s: float = 2.0
    ticket: str = ""


class Measured(Message, tag="measured", frozen=True):
    """Have the coordinator keep what was measured: JSON of ``testbed.attempts.latency.Measurement``, each."""

    measurements: tuple[str, ...]
    nonce: int = 0
    ttl_s: float = 2.0


class Nodes(Message, tag="nodes", frozen=True):
    """Ask the coordinator which nodes there are and where."""


class Own(Message, tag="own", frozen=True):
    """A run asks to own instruments exclusively for ``seconds``; asked again before they are over, it keeps them."""

    run: str
    instruments: tuple[str, ...]
    seconds: float
    epoch_tai_s: int = 0
    """The TAI second from which the run counts hardware time; its driver processes are told. 0: as they are."""
    nonce: int = 0
    ttl_s: float = 2.0


class Release(Message, tag="release", frozen=True):
    """A run gives its instruments back."""

    run: str


class RunCommand(Message, tag="run_command", frozen=True):
    """Pause, resume or abort a run."""

    run: str
    command: str
    nonce: int = 0
    ttl_s: float = 2.0


class EStop(Message, tag="estop", frozen=True):
    """Everything dark, now. Latched until acknowledged."""

    reason: str = ""


class Ack(Message, tag="ack", frozen=True):
    """A person acknowledges an e-stop or a fault of a node ("" for the e-stop of the whole testbed)."""

    node: str = ""
    number: int = 0
    """Number of the e-stop the person looked at (from ``Status``), so that one pressed meanwhile stays; 0 for any."""
    nonce: int = 0
    ttl_s: float = 2.0


class Keys(Message, tag="keys", frozen=True):
    """Admin: ``enrol`` or ``revoke`` a public key; the answer is the whole list."""

    command: str
    public_key: str
    """To revoke, also its fingerprint or its owner's name."""
    name: str = ""
    role: str = "observer"
    nonce: int = 0
    ttl_s: float = 2.0


class Reply(Message, tag="reply", frozen=True):
    """The answer to a request that was carried out."""

    value: Any = None
    nonce: int = 0


class Refusal(Message, tag="refusal", frozen=True):
    """The answer to a request that was not carried out, or failed: the parts of a ``BellringerError``."""

    error: str
    what: str
    where: str = ""
    hint: str = ""
    nonce: int = 0


class Event(Message, tag="event", frozen=True):
    """Something happened; published, not answered."""

    name: str
    source: str
    epoch: int = 0
    body: dict[str, Any] = {}
    utc: str = ""
    """When, for people; by the clock of the service's host."""


Request = (
    Hello
    | Get
    | Set
    | Call
    | Do
    | Stream
    | Subscribe
    | Log
    | Status
    | Renew
    | Register
    | Nodes
    | Entangle
    | Entangled
    | Unwanted
    | Probe
    | Measured
    | Own
    | Release
    | RunCommand
    | EStop
    | Ack
    | Keys
)
Answer = Hello | Reply | Refusal


def kind_of(message: Message | type[Message]) -> str:
    """Return a message's kind as it stands on the wire."""
    return str(message.__struct_config__.tag)
