"""Our own sockets: messages, keys, encrypted servers and clients, numbered streams.

A service makes one ``Zap`` per ZeroMQ context, an ``Enrolled`` list, and then ``Server`` and ``Publisher``; a client
makes ``Client`` and ``Subscriber``. Everybody has a ``KeyPair``. Errors are those of errors.py and testbed/errors.py.
"""

from .audit import Audit, Verified, verify
from .client import Client
from .codec import ANSWERS, COMMANDS, Decoder, Limits, encode
from .enrolled import Enrolled, Enrolment
from .errors import (
    AuditError,
    KeyFileError,
    KeyRefused,
    LinkError,
    LinkLost,
    NoAnswer,
    NobodyThere,
    NoHello,
    NotAllowed,
    NotSent,
    Stale,
    TooFast,
    VersionSkew,
    WireError,
    WrongServerKey,
)
from .gate import Incoming
from .keys import KeyFolder, KeyPair
from .nonces import elapsed_s
from .public_keys import fingerprint, is_key
from .publisher import Publisher
from .roles import ROLES, allowed
from .server import Server
from .session import Answered
from .subscriber import Published, Subscriber
from .zap import Knock, Zap

__all__ = [
    "ANSWERS",
    "COMMANDS",
    "ROLES",
    "Answered",
    "Audit",
    "AuditError",
    "Client",
    "Decoder",
    "Enrolled",
    "Enrolment",
    "Incoming",
    "KeyFileError",
    "KeyFolder",
    "KeyPair",
    "KeyRefused",
    "Knock",
    "Limits",
    "LinkError",
    "LinkLost",
    "NoAnswer",
    "NoHello",
    "NobodyThere",
    "NotAllowed",
    "NotSent",
    "Published",
    "Publisher",
    "Server",
    "Stale",
    "Subscriber",
    "TooFast",
    "Verified",
    "VersionSkew",
    "WireError",
    "WrongServerKey",
    "Zap",
    "allowed",
    "elapsed_s",
    "encode",
    "fingerprint",
    "is_key",
    "verify",
]
