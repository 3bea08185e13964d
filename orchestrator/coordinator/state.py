"""All the coordinator knows, driven by messages and the time: no sockets, no files, no clock.

``answer`` takes one message and returns what to reply; what changed on the way waits in ``taken_changes``, in order,
to be journalled (if durable) and published. After a restart the journalled changes are put in again with ``restore``.

Changes: ``registered``, ``node_found``, ``node_lost``, ``duplicate_node``, ``fault``, ``estop``, ``ack``, ``owned``,
``released``, ``expired``, ``run_command``.
"""

from collections.abc import Callable
from typing import Any

from ...testbed.errors import BellringerError
from ..wire.messages import Ack, EStop, Message, Nodes, Own, Register, Release, Renew, RunCommand, Status, kind_of
from ..wire.shown import fault_text
from .estop import Latch
from .nodes import LEASE_S, Node
from .nodes import Nodes as NodeTable
from .runs import Runs
from .terms import Caller, Change


class State:
    """Nodes, leases, ownership, runs and the e-stop.

    Args:
        epoch: this coordinator's, greater than any before it.
        utc: the time of day, for people only.
        enrolled: whether a public key may (still) connect.
        revoked: the public keys that no longer may.
    """

    def __init__(
        self,
        epoch: int,
        utc: Callable[[], str],
        enrolled: Callable[[str], bool],
        revoked: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.epoch, self._revoked = epoch, revoked
        self._changes: list[Change] = []
        self.estop = Latch(self._changes.append, utc)
        self.nodes = NodeTable(epoch, self._changes.append, enrolled)
        self.runs = Runs(self._changes.append, utc)

    def answer(self, caller: Caller, message: Message, now_s: float) -> Any:
        """Carry out one message and return the value to reply with; whether the caller may ask is checked before.

        Raises:
            Outdated: the message shows that this coordinator's time is over.
            BellringerError: refused; nothing but what ``taken_changes`` tells has changed.
        """
        self.tick(now_s)
        match message:
            case EStop():
                if self.estop.press(caller, message.reason, now_s):
                    self.nodes.estop_pressed(self.estop.number)
                return self.estop.described()
            case Renew():
                return self._lease(self.nodes.heard(caller, message, now_s), message.asked_at, now_s)
            case Register():
                return self._known(self.nodes.register(caller, message, now_s), now_s)
            case Own():
                return self._own(caller, message, now_s)
            case Release():
                return self.runs.release(caller, message.run).described(now_s)
            case RunCommand():
                return self.runs.command(caller, message).described(now_s)
            case Ack(node=""):
                self.estop.acknowledge(caller, message.number)
                return self.estop.described()
            case Ack():
                self.nodes.acknowledge(caller, message.node)
                return self.nodes.find(message.node).described(now_s)
            case Nodes():
                return [node.described(now_s) for node in self.nodes.table.values()]
            case Status():
                return self.status(now_s)
        raise BellringerError(
            f"a coordinator does not answer '{kind_of(message)}'",
            hint="ask the node that has the instrument",
        )

    def status(self, now_s: float) -> dict[str, Any]:
        """Return everything, in plain values."""
        return {
            "service": "coordinator",
            "epoch": self.epoch,
            "estop": self.estop.described(),
            "nodes": [node.described(now_s) for node in self.nodes.table.values()],
            "runs": [run.described(now_s) for run in self.runs.table.values()],
        }

    def tick(self, now_s: float) -> None:
        """Let time pass: nodes get lost, ownership expires."""
        self.nodes.tick(now_s)
        self.runs.tick(now_s)

    def taken_changes(self) -> list[Change]:
        """Return the changes since the last call."""
        changes = self._changes.copy()
        self._changes.clear()
        return changes

    def restore(self, name: str, body: dict[str, Any], now_s: float) -> None:
        """Make a journalled change of before the restart again; ``now_s`` is when this coordinator started."""
        if name == "estop" or (name == "ack" and not body["node"]):
            self.estop.restore(name, body)
        elif name in ("registered", "fault", "ack"):
            self.nodes.restore(name, body, now_s)
        else:
            self.runs.restore(name, body, now_s)

    def kept(self, now_s: float) -> list[Change]:
        """Return the shortest list of changes that leads a restarted coordinator here."""
        return [*self.estop.kept(), *self.nodes.kept(), *self.runs.kept(now_s)]

    def _own(self, caller: Caller, message: Own, now_s: float) -> dict[str, Any]:
        before = self.runs.table.get(message.run)
        kept = before is not None and not before.ended
        for name in sorted(set(message.instruments)):
            node = self.nodes.node_of(name)
            if node.state == "lost" and self.runs.owner(name) is None:
                raise BellringerError(
                    f"{name} is out of reach: its node '{node.name}' was not heard for {now_s - node.seen_s:.1f} s",
                    hint=f"start the agent of '{node.name}', or look at its network; nothing was taken",
                )
        run = self.runs.own(caller, message, now_s)
        trouble = self._trouble(sorted({self.nodes.node_of(name).name for name in run.instruments}), now_s)
        return {**run.described(now_s), "kept": kept, "epoch": self.epoch, "trouble": trouble}

    def _trouble(self, nodes: list[str], now_s: float) -> str:
        """Return why a run on these nodes cannot go on, "" if it can."""
        if self.estop.latched:
            return self.estop.why()
        for node in map(self.nodes.find, nodes):
            if node.fault:
                return f"node '{node.name}' is latched dark: {fault_text(node.fault)}"
            if node.state == "lost":
                return f"node '{node.name}' was not heard for {now_s - node.seen_s:.1f} s"
        return ""

    def _lease(self, node: Node, asked_at: float, now_s: float) -> dict[str, Any]:
        """Return the answer to a renewal: seconds from ``asked_at`` on the node's clock, 0 with a reason if refused."""
        refused = self.estop.why() if self.estop.latched else ""
        if not refused and node.fault:
            refused = f"fault not acknowledged: {node.fault}"
        if not refused:
            node.leased_s = now_s + LEASE_S
        return {
            "asked_at": asked_at,
            "lease_s": 0.0 if refused else LEASE_S,
            "refused": refused,
            **self._known(node, now_s),
        }

    def _known(self, node: Node, now_s: float) -> dict[str, Any]:
        """Return what a node must know to be in step, whatever it missed; revoked keys only if there are new ones."""
        revoked = self._revoked()
        news = {"revoked": revoked} if revoked != node.told_revoked else {}
        node.told_revoked = revoked
        return {
            **news,
            "epoch": self.epoch,
            "estop": self.estop.described(),
            "fault": node.fault,
            "acknowledged": node.acknowledged,
            "ownership": self.runs.owners(node.instruments, now_s),
            "lanes": {
                core.instrument: (core.endpoint, core.public_key)
                for other in self.nodes.table.values()
                for core in other.cores
            },
        }
