"""Which nodes there are, which process speaks for each, and whether it was heard lately.

A node name belongs to one process (its ``boot``) with one key at a time. A second one is refused while the first is
heard; a new process with the same key takes over once the first has been silent. No I/O; all times are seconds on the
coordinator's monotonic clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...testbed.errors import BellringerError, nearest
from ..wire.messages import Core, Register, Renew
from ..wire.public_keys import fingerprint
from .terms import Caller, Change, Outdated

LEASE_S = 1.5
"""How long a light lease lasts, from when the node asked for it on its own clock."""
LOST_AFTER_S = 3.0
"""A node that is silent for longer is lost; it renews 4 times a second. Longer than a lease, so a lost node is dark."""


@dataclass
class Node:
    """One node.

    Attributes:
        who: the name its key was enrolled as.
        state: ``expected`` (known from before a restart, not heard since), ``here`` or ``lost``.
        seen_s: when it was last heard.
        leased_s: until when it may hold a lease at most.
        fault: what latched it dark and was not acknowledged yet, "" for nothing.
        cores: its real-time cores that are ready, as they were last described.
        acknowledged: the fault that was acknowledged and that the node may still report, because it does not know.
    """

    name: str
    boot: str
    key: str
    who: str
    control: str
    stream: str
    instruments: tuple[str, ...]
    state: str
    seen_s: float
    leased_s: float = 0.0
    fault: str = ""
    acknowledged: str = ""
    cores: tuple[Core, ...] = ()
    told_revoked: tuple[str, ...] = ()
    """Public keys that it knows to be revoked, as far as answers arrive; after one that did not, it registers again."""

    def described(self, now_s: float) -> dict[str, Any]:
        """Return what people and clients are told; ``silent_s`` is how long it was not heard."""
        return {
            "node": self.name,
            "state": self.state,
            "silent_s": round(now_s - self.seen_s, 3),
            "control": self.control,
            "stream": self.stream,
            "public_key": self.key,
            "instruments": list(self.instruments),
            "fault": self.fault,
            "leased": self.state == "here" and self.leased_s > now_s,
        }


class Nodes:
    """All nodes, by name.

    Args:
        epoch: the coordinator's.
        report: called with every change.
        enrolled: whether a key may (still) connect; a lost node's name is free for another key once its own may not.
    """

    def __init__(self, epoch: int, report: Callable[[Change], None], enrolled: Callable[[str], bool]) -> None:
        self._epoch, self._report, self._enrolled = epoch, report, enrolled
        self.table: dict[str, Node] = {}

    def register(self, caller: Caller, message: Register, now_s: float) -> Node:
        """Take a node in, or give its name to its new process.

        Raises:
            Outdated: the node has obeyed a later coordinator.
            BellringerError: another process has the name, or the message contradicts itself or the caller's key.
        """
        self._consistent(caller, message)
        old = self.table.get(message.node)
        if old is not None:
            self._may_take_over(old, caller, message, now_s)
        self._check_epoch(message)
        node = Node(
            name=message.node,
            boot=message.boot,
            key=caller.key,
            who=caller.name,
            control=message.control,
            stream=message.stream,
            instruments=message.instruments,
            state="here",
            seen_s=now_s,
            leased_s=0.0 if old is None else old.leased_s,
            fault="" if old is None else old.fault,
            acknowledged=_acknowledged(old, message.boot),
            cores=message.cores,
        )
        self.table[node.name] = node
        if old is None or _registration(old) != _registration(node):
            self._report(Change("registered", _registration(node)))
        if old is not None and old.state != "here":
            self._report(Change("node_found", {"node": node.name, "silent_s": now_s - old.seen_s}, durable=False))
        self.note_fault(node, message.fault)
        return node

    def heard(self, caller: Caller, message: Renew, now_s: float) -> Node:
        """Note that a node asks for its lease, and return it.

        Raises:
            Outdated: the node has obeyed a later coordinator.
            BellringerError: it has to register (first, or again after a silence), or another process has its name.
        """
        node = self.table.get(message.node)
        if node is None or node.state != "here" or (node.boot, node.key) != (message.boot, caller.key):
            raise BellringerError(
                f"node '{message.node}' with boot '{message.boot}' is not registered here",
                where="" if node is None else f"known is: {_process(node)}, {node.state}",
                hint="register, then ask again",
            )
        self._check_epoch(message)
        node.seen_s, node.cores = now_s, message.cores
        self.note_fault(node, message.fault)
        return node

    def note_fault(self, node: Node, fault: str) -> None:
        """Latch a fault the node reports, unless it is the acknowledged one; it stays until ``acknowledge``."""
        if fault != node.acknowledged:
            node.acknowledged = ""
        if fault and fault not in (node.fault, node.acknowledged):
            self._latch(node, fault)

    def acknowledge(self, caller: Caller, name: str) -> None:
        """Clear a node's fault.

        Raises:
            BellringerError: no such node, or it has none.
        """
        node = self.find(name)
        if not node.fault:
            raise BellringerError(f"node '{name}' has no fault to acknowledge", hint="see the status for what is dark")
        body = {"node": name, "fault": node.fault, "who": caller.name, "key": caller.key}
        node.acknowledged, node.fault = node.fault, ""
        self._report(Change("ack", body))

    def estop_pressed(self, number: int) -> None:
        """Latch a fault for every node that cannot hear of the e-stop: somebody must look at it when it returns."""
        for node in self.table.values():
            if node.state != "here":
                self._latch(node, f"it was away when the e-stop was pressed (number {number})")

    def tick(self, now_s: float) -> None:
        """Note which nodes are lost by now."""
        for node in self.table.values():
            if node.state != "lost" and now_s - node.seen_s > LOST_AFTER_S:
                node.state = "lost"
                body = {"node": node.name, "silent_s": now_s - node.seen_s, "instruments": list(node.instruments)}
                self._report(Change("node_lost", body, durable=False))

    def find(self, name: str) -> Node:
        if name not in self.table:
            raise BellringerError(f"there is no node '{name}'", hint=nearest(name, self.table))
        return self.table[name]

    def node_of(self, instrument: str) -> Node:
        """Return the node an instrument is registered at.

        Raises:
            BellringerError: no node has it; the hint names the nearest one.
        """
        node = self.table.get(instrument.partition(".")[0])
        if node is not None and instrument in node.instruments:
            return node
        known = [name for node in self.table.values() for name in node.instruments]
        raise BellringerError(f"no registered node has an instrument '{instrument}'", hint=nearest(instrument, known))

    def restore(self, name: str, body: dict[str, Any], now_s: float) -> None:
        """Make a journalled change again; a node counts as heard at ``now_s``, so its process can come back first."""
        if name == "registered":
            old = self.table.get(body["node"])
            node = Node(
                name=body["node"],
                boot=body["boot"],
                key=body["key"],
                who=body["who"],
                control=body["control"],
                stream=body["stream"],
                instruments=tuple(body["instruments"]),
                state="expected",
                seen_s=now_s,
                fault="" if old is None else old.fault,
                acknowledged=_acknowledged(old, body["boot"]),
            )
            self.table[node.name] = node
        elif name == "fault":
            self.table[body["node"]].fault = body["fault"]
        elif name == "ack":
            node = self.table[body["node"]]
            node.acknowledged, node.fault = node.fault, ""

    def kept(self) -> list[Change]:
        """Return changes that lead here when they are made again, as after a restart."""
        changes = []
        for node in self.table.values():
            changes.append(Change("registered", _registration(node)))
            if node.acknowledged:
                changes.append(Change("fault", {"node": node.name, "fault": node.acknowledged}))
                changes.append(Change("ack", {"node": node.name, "fault": node.acknowledged, "who": "", "key": ""}))
            if node.fault:
                changes.append(Change("fault", {"node": node.name, "fault": node.fault}))
        return changes

    def _latch(self, node: Node, fault: str) -> None:
        node.fault = fault
        self._report(Change("fault", {"node": node.name, "fault": fault}))

    def _check_epoch(self, message: Register | Renew) -> None:
        """End if a node has obeyed a later coordinator; asked only of who may speak for the node."""
        if message.epoch > self._epoch:
            raise Outdated(
                f"node '{message.node}' has obeyed a coordinator with epoch {message.epoch}; "
                f"this one has epoch {self._epoch} and ends",
                hint="use that coordinator; if it is gone for good with its folder, "
                f"start this one above epoch {message.epoch}",
            )

    def _consistent(self, caller: Caller, message: Register) -> None:
        if message.public_key != caller.key:
            raise BellringerError(
                f"node '{message.node}' announces another key than it speaks with",
                where=f"announced: {fingerprint(message.public_key)}; spoken with: {fingerprint(caller.key)}",
                hint="an agent serves with the key it registers with",
            )
        foreign = [name for name in message.instruments if name.partition(".")[0] != message.node]
        if foreign or not message.node:
            raise BellringerError(
                f"node '{message.node}' announces instruments that are not its own: {', '.join(foreign)}",
                hint="an instrument is named node.instrument",
            )

    def _may_take_over(self, old: Node, caller: Caller, message: Register, now_s: float) -> None:
        alive = old.state != "lost"
        if old.key == caller.key and (old.boot == message.boot or not alive):
            return
        if not alive and not self._enrolled(old.key):
            return
        if old.key == caller.key:  # a new process of that node; it is to wait, but may know better than its old one
            self._check_epoch(message)
        new = f"boot '{message.boot}' at {message.control}, key {fingerprint(caller.key)} of '{caller.name}'"
        body = {"node": old.name, "known": _process(old), "refused": new, "silent_s": now_s - old.seen_s}
        self._report(Change("duplicate_node", body, durable=False))
        raise BellringerError(
            f"there is another node '{old.name}'",
            where=f"known: {_process(old)}, silent for {now_s - old.seen_s:.1f} s; refused: {new}",
            hint=(
                f"stop one of them; the same key takes over after {LOST_AFTER_S:g} s of silence"
                if old.key == caller.key
                else "give one of them another name; after a change of keys, revoke the old key first"
            ),
        )


def _acknowledged(old: Node | None, boot: str) -> str:
    """Return the acknowledged fault: of the same process, since another one's fault of that text is another fault."""
    return old.acknowledged if old is not None and old.boot == boot else ""


def _process(node: Node) -> str:
    return f"boot '{node.boot}' at {node.control}, key {fingerprint(node.key)} of '{node.who}'"


def _registration(node: Node) -> dict[str, Any]:
    return {
        "node": node.name,
        "boot": node.boot,
        "key": node.key,
        "who": node.who,
        "control": node.control,
        "stream": node.stream,
        "instruments": list(node.instruments),
    }
