"""The coordinator's connections to the parties of batches: one each, on which nothing is ever waited for.

What could not leave is counted and left: whoever wants it said says it again.
"""

from collections.abc import Iterator, Mapping

import zmq

from ..wire.client import Answered, Client
from ..wire.errors import LinkError, WireError
from ..wire.keys import KeyPair
from ..wire.messages import Message
from .nodes import Node

SAY_S = 0.1
"""How long a party that has just fallen silent may hold the loop up."""


class PartyLines:
    """Connections to nodes by name, made when something is to be said and anew when a node's process is another one.

    Args:
        keys: the coordinator's pair.
        table: which nodes there are now, and where.

    Attributes:
        undelivered: how many messages could not leave.
    """

    def __init__(self, keys: KeyPair, table: Mapping[str, Node]) -> None:
        self._keys, self._table = keys, table
        self._clients: dict[str, tuple[tuple[str, str], Client]] = {}
        self.undelivered = 0

    def say(self, party: str, message: Message) -> None:
        """Send a message to a party, or count that it could not be."""
        try:
            if party in self._table:
                self.ask(party, message)
                return
        except (LinkError, WireError):  # not now, or too large for ever: then its batch ends without it
            pass
        self.undelivered += 1

    def ask(self, node: str, message: Message) -> int:
        """Send a message and return the number that its answer will have.

        Raises:
            LinkError: it cannot leave now.
            WireError: it never can.
        """
        return self._client(self._table[node]).send(message)

    def answers(self) -> Iterator[tuple[str, Answered]]:
        """Yield the answers that came, each with the name of its node."""
        for name in list(self._clients):
            client = self._clients[name][1]
            while (answered := client.receive()) is not None:
                yield name, answered

    def sockets(self) -> set[zmq.Socket[bytes]]:
        """Return what to poll: where the answers come in."""
        return {client.socket for _, client in self._clients.values()}

    def close(self) -> None:
        """Close all of them."""
        for _, client in self._clients.values():
            client.close()

    def _client(self, node: Node) -> Client:
        where = (node.control, node.key)
        known = self._clients.get(node.name)
        if known is not None and known[0] == where:
            return known[1]
        if known is not None:
            known[1].close()
        client = Client(*where, self._keys, name="coordinator", timeout_s=SAY_S)
        self._clients[node.name] = (where, client)
        return client
