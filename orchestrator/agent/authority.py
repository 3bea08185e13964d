"""Whether a node may do what it is asked to, now: epoch, light lease, e-stop, ownership, latched faults.

Pure bookkeeping; all times are seconds on the node's own clock, which counts those of a suspended machine too
(``elapsed_s``). The lease runs from when the node *asked* for it, so an answer that sat in a queue cannot extend it,
and no two clocks are compared. What makes dark, and what only reads, is always allowed; but closing an instrument, or
bringing it to rest, is its owner's as long as it has one. Who has the key of a run sets what the run owns in the run's
name only: from another terminal it must be said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...testbed.errors import BellringerError, InstrumentError
from ..wire.messages import Call, Do, Get, Message, Probe, Set, Stream
from ..wire.shown import estop_text, fault_text, moment

READS = frozenset({"snapshot", "identity", "describe", "guard"})
DARKENS = frozenset({"safe_state", "rest", "close"})
_ALWAYS = READS | {"safe_state"}


@dataclass(frozen=True)
class Owner:
    """Who owns an instrument, and from which TAI second the run counts hardware time (0: it did not say)."""

    run: str
    key: str
    epoch_tai_s: int = 0


@dataclass
class Authority:
    """What this node knows of its coordinator's will.

    Attributes:
        epoch: the highest one seen; answers with a lower one come from a coordinator that has been replaced.
        lease_until_s: light is allowed until then.
        refused: why the coordinator refuses the lease, "" if it does not.
        estop: the latched e-stop as the coordinator describes it, or None.
        fault: what latched this node dark by itself and was not acknowledged, "" for nothing.
        owners: instrument -> owner.
    """

    epoch: int = 0
    lease_until_s: float = 0.0
    refused: str = "no coordinator has been heard yet"
    estop: Mapping[str, Any] | None = None
    fault: str = ""
    owners: dict[str, Owner] = field(default_factory=dict)
    _faults: int = 0

    def take_answer(self, answer: Mapping[str, Any], asked_at: float) -> set[str]:
        """Take in the coordinator's answer to a registration or renewal that was sent at ``asked_at``.

        Returns the instruments that a run has just given up or lost; nobody drives them any more.
        """
        if answer["epoch"] < self.epoch:
            return set()
        if self.estop is not None and (answer["epoch"], answer["estop"]["number"]) < (self.epoch, self.estop["number"]):
            return set()  # made before the e-stop that is known already
        self.epoch = answer["epoch"]
        self.estop = answer["estop"] if answer["estop"]["latched"] else None
        if self.fault and answer["acknowledged"] == self.fault:
            self.fault = ""
        before = self.owners
        self.owners = {
            name: Owner(owner["run"], owner["key"], owner.get("epoch_tai_s", 0))
            for name, owner in answer["ownership"].items()
        }
        if "lease_s" in answer:
            self.refused = answer["refused"]
            self.lease_until_s = asked_at + answer["lease_s"] if answer["lease_s"] else 0.0
        return {name for name, owner in before.items() if self.owners.get(name) != owner}

    def press_estop(self, described: Mapping[str, Any], epoch: int) -> bool:
        """Take in a published e-stop; return whether it is news."""
        if epoch < self.epoch or self.estop is not None:
            return False
        self.estop, self.lease_until_s = described, 0.0
        self.refused = next(map(estop_text, described["presses"]), "an e-stop is latched")
        return True

    def hear_of(self, epoch: int) -> None:
        """A coordinator with a higher epoch commands: a lease from the one before it counts no more."""
        if epoch > self.epoch:
            self.epoch, self.lease_until_s = epoch, 0.0
            self.refused = f"the coordinator with epoch {epoch} has not granted one yet"

    def latch(self, why: str) -> None:
        """Note a fault of this node; numbered, so that an old acknowledgement cannot clear a new fault."""
        self._faults += 1
        self.fault, self.lease_until_s = f"{self._faults}: {why}", 0.0

    def leased(self, now_s: float) -> bool:
        """Return whether light is allowed."""
        return now_s < self.lease_until_s and self.estop is None and not self.fault

    def check(self, message: Message, key: str, now_s: float) -> None:
        """Return if ``message`` may be carried out for the holder of ``key``.

        Raises:
            BellringerError: not now, or not for this one; says why and what to do.
        """
        if isinstance(message, Get) or (isinstance(message, Do) and message.verb in _ALWAYS):
            return
        owner = self.owners.get(message.instrument) if hasattr(message, "instrument") else None
        if isinstance(message, Do) and message.verb in DARKENS:
            if owner is not None and owner.key != key:
                raise _not_yours(owner, message.instrument)
            return
        if not isinstance(message, (Set, Call, Do, Stream, Probe)):
            raise BellringerError(f"an agent does not answer '{message.__struct_config__.tag}'")
        where = message.instrument
        if self.estop is not None:
            raise InstrumentError(_stopped(self.estop), where=where, hint="see to it, then: bellringer ack")
        if self.fault:
            raise InstrumentError(
                f"the node is latched dark ({fault_text(self.fault)})",
                where=where,
                hint=f"bellringer ack {where.partition('.')[0]}",
            )
        if now_s >= self.lease_until_s:
            raise InstrumentError(
                "the node has no lease" + (f": {self.refused}" if self.refused else ""),
                where=where,
                hint="is the coordinator running and reachable from the node? bellringer status",
            )
        if owner is not None and owner.key != key:
            raise _not_yours(owner, where)
        if owner is not None and not isinstance(message, Probe) and owner.run != message.run:
            raise _beside(owner, where)
        if owner is None and isinstance(message, Stream) and message.channels:
            raise InstrumentError(
                "only its owner can have its tags streamed", where=where, hint="own it first; bellringer live does"
            )


def _stopped(estop: Mapping[str, Any]) -> str:
    """Return that nothing may be set, and who wanted that."""
    told = "an e-stop is latched: nothing may be set"
    for press in estop.get("presses", ())[:1]:
        told += f" (pressed by {press['who']} at {moment(press['utc'])} UTC: {press['reason'] or 'no reason given'})"
    return told


def _beside(owner: Owner, where: str) -> InstrumentError:
    """Return that this key's own run has it: what is changed beside a run is in none of its data."""
    return InstrumentError(
        f"it belongs to run '{owner.run}' now, which would not know that it was changed by hand",
        where=where,
        hint=f"wait for the run to end; or pause it (bellringer pause {owner.run}), and `bellringer set` or `call` "
        f"with --in-run: its record tells then. To darken: bellringer call {where} safe_state",
    )


def _not_yours(owner: Owner, where: str) -> InstrumentError:
    return InstrumentError(
        f"it belongs to run '{owner.run}' now",
        where=where,
        hint="wait for the run to end, or end it where it was started",
    )
