"""Clients of a running testbed: who to speak with, its instruments by name, a run's hold on them.

``connect`` is for scripts and notebooks; nothing of it needs a driver on this machine. ``RemoteInstruments`` is a run's
and needs the testbed file and its drivers, so it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from .contact import NodeContact
from .network import TIMEOUT_S, Network, in_parallel, node_contact
from .ownership import Ownership

if TYPE_CHECKING:
    from .instruments import RemoteInstruments
    from .lab import Lab, connect

__all__ = [
    "TIMEOUT_S",
    "Lab",
    "Network",
    "NodeContact",
    "Ownership",
    "RemoteInstruments",
    "connect",
    "in_parallel",
    "node_contact",
]


def __getattr__(name: str) -> Any:
    if name == "RemoteInstruments":
        from .instruments import RemoteInstruments

        return RemoteInstruments
    if name in ("Lab", "connect"):
        from . import lab

        return getattr(lab, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
