"""A client's view of a running testbed: its coordinator and agents, found through the contact file."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...testbed.errors import BellringerError, nearest
from ..wire import Client, KeyFileError, KeyFolder, KeyPair
from ..wire.messages import Message, Nodes
from .contact import Contact, NodeContact, find_contact, read_contact

T = TypeVar("T")
TIMEOUT_S = 5.0
"""How long connecting, and a question about a service itself, may take."""


@dataclass(frozen=True)
class Network:
    """Who to speak with, and our own key. Every question opens a connection of its own, so any thread may ask."""

    contact: Contact
    keys: KeyPair

    @classmethod
    def found(cls, contact: Path | None, keys: Path | None, key: str) -> "Network":
        """Return the testbed of the contact file, spoken with as the key's owner.

        Raises:
            BellringerError: no contact file, or no key.
        """
        read = read_contact(find_contact(contact))
        folder = keys or (Path(read.keys) if read.keys else None)
        if keys is None and read.keys and key and key not in (made := KeyFolder(folder).names()):
            raise KeyFileError(
                f"this testbed was started by `up` for one person and has the key {' and '.join(made)} only",
                where=read.keys,
                hint="leave --key and BELLRINGER_KEY out",
            )
        return cls(read, KeyFolder(folder).own(key or (read.key if keys is None else "")))

    def client(self, *, name: str = "", timeout_s: float = TIMEOUT_S) -> Client:
        """Return a client of the coordinator, not yet connected."""
        return Client(self.contact.control, self.contact.public_key, self.keys, name=name, timeout_s=timeout_s)

    def node_client(self, node: NodeContact, *, name: str = "", timeout_s: float = TIMEOUT_S) -> Client:
        """Return a client of an agent, not yet connected."""
        return Client(node.control, node.public_key, self.keys, name=name, timeout_s=timeout_s)

    def ask(self, message: Message, *, port: str = "control", timeout_s: float = TIMEOUT_S) -> Any:
        """Ask the coordinator and return the value of its answer."""
        return self._ask(getattr(self.contact, port), self.contact.public_key, message, timeout_s)

    def ask_node(self, node: NodeContact, message: Message, timeout_s: float = TIMEOUT_S) -> Any:
        """Ask an agent and return the value of its answer."""
        return self._ask(node.control, node.public_key, message, timeout_s)

    def node_of(self, instrument: str) -> NodeContact:
        """Return the agent that has an instrument.

        Raises:
            BellringerError: no registered node has it; the hint names the nearest one.
        """
        described = self.ask(Nodes(0))
        for node in described:
            if instrument in node["instruments"]:
                return node_contact(node)
        known = [name for node in described for name in node["instruments"]]
        raise BellringerError(f"no registered node has an instrument '{instrument}'", hint=nearest(instrument, known))

    def _ask(self, endpoint: str, public_key: str, message: Message, timeout_s: float) -> Any:
        with Client(endpoint, public_key, self.keys, timeout_s=TIMEOUT_S) as client:
            client.connect()
            return client.request(message, timeout_s=timeout_s)


def node_contact(described: dict[str, Any]) -> NodeContact:
    """Return where an agent is, from the coordinator's description of its node."""
    return NodeContact(described["control"], described["public_key"])


def in_parallel(names: Iterable[str], do: Callable[[str], T]) -> dict[str, T | BellringerError]:
    """Do something for every name at the same time; an error is that name's result."""

    def attempt(name: str) -> T | BellringerError:
        try:
            return do(name)
        except BellringerError as error:
            return error

    everyone = list(names)
    if not everyone:
        return {}
    with ThreadPoolExecutor(len(everyone)) as pool:
        return dict(zip(everyone, pool.map(attempt, everyone), strict=True))
