"""What every part of the coordinator speaks of: who asks, what changed, and that it cannot go on."""

from dataclasses import dataclass, field
from typing import Any

from ...testbed.errors import BellringerError


class Ending(BellringerError):
    """The coordinator must not go on: it ends, the leases run out, and the nodes go dark."""


class Outdated(Ending):
    """A node has obeyed a later coordinator than this one."""


@dataclass(frozen=True)
class Caller:
    """Who sent a message, as the socket authenticated it.

    Attributes:
        key: the CURVE public key; authority and identity.
        name: what the key was enrolled as, for people.
    """

    key: str
    name: str


@dataclass(frozen=True)
class Ordered:
    """What a batch was ordered for.

    Attributes:
        order: the service's number of it, negative for a calibration's; 0 for one from before a restart.
        request: whose request it serves.
    """

    order: int = 0
    request: str = ""


@dataclass(frozen=True)
class Change:
    """Something happened that others should hear of, in plain values.

    Attributes:
        name: one of the kinds listed in ``state``.
        body: enough to understand it alone, and to make the same change again after a restart.
        durable: whether the state after a restart depends on it.
    """

    name: str
    body: dict[str, Any] = field(default_factory=dict)
    durable: bool = True
