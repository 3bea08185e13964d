"""A client's open connections to a testbed: one to the coordinator and one to each node's agent, made at first use.

Any thread may ask. Threads take turns at a node: while one waits for a long call there, the others wait too; so what
must not wait (the e-stop, darkness at the end of a hold) opens connections of its own. A node that was started again
elsewhere is found again. Nothing but reading is ever asked twice, unless the request surely did not leave.
"""

import threading
from typing import Any

from ...testbed.errors import BellringerError, nearest
from ..wire.client import Client
from ..wire.errors import LinkError, LinkLost, NoAnswer, NotSent
from ..wire.messages import Do, Message, Nodes
from .contact import NodeContact
from .described import Described, NoSuchName
from .network import TIMEOUT_S, Network, node_contact


class _Connection:
    """One client and whose turn it is."""

    def __init__(self, client: Client) -> None:
        self.client, self.turn = client, threading.Lock()

    def ask(self, message: Message, timeout_s: float) -> Any:
        with self.turn:
            self.client.connect(TIMEOUT_S)
            return self.client.request(message, timeout_s=timeout_s)

    def close(self) -> None:
        with self.turn:
            self.client.close()


class Connections:
    """All connections of one client; ``close`` them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._lock = threading.RLock()
        self._coordinator: _Connection | None = None
        self._agents: dict[NodeContact, _Connection] = {}
        self._nodes: dict[str, dict[str, Any]] = {}
        self._described: dict[str, Described] = {}
        self._closed = False

    def close(self) -> None:
        """Close everything; may be called twice."""
        with self._lock:
            self._closed = True
            found = [*self._agents.values(), *([self._coordinator] if self._coordinator else [])]
            self._agents, self._coordinator = {}, None
        for connection in found:
            connection.close()

    # --- who there is -----------------------------------------------------------------------------------------

    def nodes(self, *, anew: bool = False) -> dict[str, dict[str, Any]]:
        """Return the coordinator's description of every node, by name; asked for once, or ``anew``."""
        if anew or not self._nodes:
            found = {node["node"]: node for node in self.ask_coordinator(Nodes(0))}
            with self._lock:
                moved = [
                    name for name, node in self._nodes.items() if found.get(name, {}).get("control") != node["control"]
                ]
                self._described = {
                    name: each for name, each in self._described.items() if name.partition(".")[0] not in moved
                }
                self._nodes = found
        return self._nodes

    def node(self, name: str) -> dict[str, Any]:
        """Return the description of one node.

        Raises:
            NoSuchName: there is none of this name now.
        """
        found = self.nodes().get(name) or self.nodes(anew=True).get(name)
        if found is None:
            instruments = [each for node in self._nodes.values() for each in node["instruments"]]
            meant = [each for each in instruments if each.partition(".")[2] == name]
            hint = f"did you mean {' or '.join(meant)}?" if meant else nearest(name, self._nodes)
            raise NoSuchName(f"the testbed has no node '{name}'", hint=hint)
        return found

    def described(self, instrument: str) -> Described:
        """Return what an instrument is; its agent is asked once.

        Raises:
            NoSuchName: no node, or not this one, has it.
        """
        found = self._described.get(instrument)
        if found is not None:
            return found
        node = instrument.partition(".")[0]
        if instrument not in self.node(node)["instruments"]:
            self.nodes(anew=True)
            known = self.node(node)["instruments"]
            if instrument not in known:
                raise NoSuchName(f"there is no instrument '{instrument}'", hint=nearest(instrument, known))
        described = Described.of(self.ask_node(node, Do(0, instrument, "describe", 0), TIMEOUT_S))
        with self._lock:
            self._described[instrument] = described
        return described

    # --- requests ---------------------------------------------------------------------------------------------

    def ask_coordinator(self, message: Message) -> Any:
        """Ask the coordinator and return the value of its answer."""
        with self._lock:
            self._check_open()
            if self._coordinator is None:
                self._coordinator = _Connection(self.network.client())
            connection = self._coordinator
        return connection.ask(message, TIMEOUT_S)

    def ask_node(self, name: str, message: Message, timeout_s: float) -> Any:
        """Ask a node's agent and return the value of its answer."""
        contact = node_contact(self.node(name))
        try:
            return self._agent(contact).ask(message, timeout_s)
        except (LinkLost, NoAnswer) as error:
            if not isinstance(error, NotSent):
                raise  # it may have been carried out
            first: LinkError = error
        except LinkError as error:
            first = error
        now = node_contact(self.nodes(anew=True).get(name, self.node(name)))
        if now == contact:
            raise first
        return self._agent(now).ask(message, timeout_s)

    def ask_aside(self, instrument: str, message: Message, timeout_s: float) -> Any:
        """Ask an instrument's agent over a connection of its own, so that nobody's call is waited for."""
        node = node_contact(self.node(instrument.partition(".")[0]))
        return self.network.ask_node(node, message, timeout_s)

    def _agent(self, contact: NodeContact) -> _Connection:
        with self._lock:
            self._check_open()
            if contact not in self._agents:
                client = Client(contact.control, contact.public_key, self.network.keys, timeout_s=TIMEOUT_S)
                self._agents[contact] = _Connection(client)
            return self._agents[contact]

    def _check_open(self) -> None:
        if self._closed:
            raise BellringerError("this connection to the testbed was closed", hint="connect() again")
