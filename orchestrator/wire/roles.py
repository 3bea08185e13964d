"""Who may do what: one table, message type by message type. The role comes from the key, never from a message.

``observer`` reads. ``operator`` also sets and runs. ``admin`` also manages keys. ``node`` is for the agents' own keys
and the coordinator's: beside reading, it registers, asks for its light lease and speaks of batches, and nobody else
does. The e-stop is everybody's.
"""

from .messages import (
    Ack,
    Call,
    Do,
    Entangle,
    Entangled,
    EStop,
    Get,
    Hello,
    Keys,
    Log,
    Measured,
    Message,
    Nodes,
    Own,
    Probe,
    Register,
    Release,
    Renew,
    RunCommand,
    Set,
    Status,
    Stream,
    Subscribe,
    Unwanted,
)

ROLES = ("observer", "node", "operator", "admin")
"""Every role may do what the ones before it may, except that only nodes may speak as one."""

NEEDED: dict[type[Message], str] = {
    Hello: "observer",
    EStop: "observer",
    Get: "observer",
    Status: "observer",
    Nodes: "observer",
    Subscribe: "observer",
    Log: "observer",
    Register: "node",
    Renew: "node",
    Set: "operator",
    Call: "operator",
    Do: "operator",
    Stream: "operator",
    Own: "operator",
    Entangle: "operator",
    Entangled: "observer",
    Unwanted: "operator",
    Probe: "operator",
    Measured: "operator",
    Release: "operator",
    RunCommand: "operator",
    Ack: "operator",
    Keys: "admin",
}

READING_VERBS = ("snapshot", "identity", "describe")
"""Verbs of ``Do`` that change nothing; observers may use them."""


_MAY = {needed: frozenset(ROLES[number:]) for number, needed in enumerate(ROLES)} | {"node": frozenset({"node"})}


def needed_role(message: Message) -> str:
    """Return the role it takes to send ``message``; what is not in the table says itself."""
    if isinstance(message, Do) and message.verb in READING_VERBS:
        return "observer"
    return NEEDED.get(type(message), message.least_role)


def allowed(role: str, message: Message) -> bool:
    """Return whether a key of this role may send ``message``; a role that does not exist may nothing."""
    return role in _MAY[needed_role(message)]
