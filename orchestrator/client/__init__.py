"""Clients of a running testbed: who to speak with, its instruments by name, a run's hold on them."""

from .contact import NodeContact
from .instruments import RemoteInstruments
from .network import TIMEOUT_S, Network, in_parallel, node_contact
from .ownership import Ownership

__all__ = ["TIMEOUT_S", "Network", "NodeContact", "Ownership", "RemoteInstruments", "in_parallel", "node_contact"]
