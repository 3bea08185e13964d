"""The two things every part of the coordinator's state speaks of: who asks, and what changed."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Caller:
    """Who sent a message, as the socket authenticated it.

    Attributes:
        key: the CURVE public key; authority and identity.
        name: what the key was enrolled as, for people.
    """

    key: str
    name: str

    def __str__(self) -> str:
        return f"'{self.name}' (key {shown(self.key)})"


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


def shown(key: str) -> str:
    """Return enough of a public key for people to tell it from others."""
    return key[:12]
