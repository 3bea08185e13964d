"""A node's part in batches of attempts: its machine, its journal, and what the machine wants done.

Everything here belongs to the agent's loop and never waits, except for the journal's disk: what was appended in a turn
of the loop becomes durable once at its end, and only then are others told. Messages of the coordinator come through the
control port and count only if they were sent with its key; what is told to it goes out at once and may get lost.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...testbed.attempts import from_json
from ...testbed.testbed import Testbed
from ..heralding.disk import FolderDisk
from ..heralding.entries import records_of
from ..heralding.journal import NodeJournal
from ..heralding.messages import Abort, Ask, Commit, Prepare, Recorded
from ..heralding.node import NodeMachine
from ..heralding.readiness import Conditions
from ..heralding.terms import (
    PS_PER_S,
    CoreReport,
    Dark,
    Effect,
    Journal,
    Load,
    Now,
    Report,
    Send,
    Start,
    Stop,
)
from ..wire.client import Client
from ..wire.errors import LinkError, NotAllowed, WireError
from ..wire.gate import Incoming
from ..wire.messages import Core, Message, Refusal, Reply
from ..wire.nonces import elapsed_s
from .authority import Authority
from .children import Child
from .core_orders import Attempts, Begin, End, Look, Progress

ACCEPTS = (Prepare, Commit, Abort, Ask, Recorded)
"""Messages of a coordinator about batches."""
LOOK_S = 0.25
"""How often the core's clock is looked at."""
AT_ONCE = 2
"""Batches that it may be ordered at a time: one runs, the next one waits at the coordinator."""
KNOWN_S = 2.0
"""For how long what was seen of it counts: a look may have to wait for a call."""


class Batches:
    """One node's.

    Args:
        instrument: full name of the node's core.
        child: who has it.
        children: all driver processes of the node, which a batch's end makes dark.
        boot: of this agent.
        authority: the node's.
        folder: of the journal.
        coordinator: the public key that may command batches.
        speak: makes the client that carries what is told to the coordinator.
        calibration: identity of the calibration in force.
        interlocks_closed: whether all are, None if that is not known.
        publish: tells people.

    Raises:
        BellringerError: the journal cannot be used.
    """

    def __init__(
        self,
        instrument: str,
        child: Child,
        children: Sequence[Child],
        boot: str,
        authority: Authority,
        folder: Path,
        coordinator: str,
        speak: Callable[[], Client],
        calibration: str,
        interlocks_closed: Callable[[], bool | None],
        publish: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._instrument, self._child, self._children = instrument, child, children
        self._node = instrument.partition(".")[0]
        self._authority, self._coordinator, self._calibration = authority, coordinator, calibration
        self._interlocks_closed, self._publish = interlocks_closed, publish
        self._journal = NodeJournal(FolderDisk(folder))
        self._machine = NodeMachine(boot, authority, from_json, self._journal.recovered)
        self._client = speak()
        self._appended = 0
        self._looking = False
        self._look_s = 0.0
        self._seen: tuple[int, float, bool, int, str, str] | None = None
        self._lanes: tuple[tuple[str, str, str], ...] = ()
        self._undelivered = self._unlocks = 0
        self._do(self._machine.start(self._now()))

    def close(self) -> None:
        """Let go of the journal and of the connection."""
        self._client.close()
        self._journal.close()

    # --- the agent's loop -------------------------------------------------------------------------------------

    def core(self) -> Core | None:
        """Return what the coordinator must know of the core, None if it is not ready."""
        if self._seen is None or not self._seen_lately():
            return None
        _, _, locked, slots, endpoint, public_key = self._seen
        told = (self._now().hw_ps, endpoint, public_key, self._calibration, slots, AT_ONCE)
        return Core(*told, locked=locked, unlocks=self._unlocks)

    def hear(self, incoming: Incoming) -> None:
        """Take a message of the coordinator.

        Raises:
            NotAllowed: it was sent with another key.
        """
        if incoming.key != self._coordinator:
            raise NotAllowed(f"'{incoming.name}' does not command batches", hint="only the node's coordinator does")
        self._do(self._machine.on_message(incoming.message, self._now()))

    def hear_of_lanes(self, lanes: Mapping[str, Sequence[str]]) -> None:
        """Take in where other nodes take corrections: endpoint and public key by node."""
        self._lanes = tuple((node, lane[0], lane[1]) for node, lane in sorted(lanes.items()) if node != self._node)

    def turn(self) -> None:
        """See to what is due; call it in every turn of the loop."""
        now_s = elapsed_s()
        if now_s >= self._look_s and not self._looking and not self._child.darkening:
            self._look_s, self._looking = now_s + LOOK_S, True
            self._child.submit(Look(0, self._instrument, self._lanes), self._looked, self._progress)
        room = self._journal.room or self._journal.make_room()
        conditions = Conditions(
            clock_locked=self._seen is not None and self._seen[2] and self._seen_lately(),
            interlock_closed=self._interlocks_closed(),
            calibration=self._calibration,
            room=room,
        )
        self._do(self._machine.on_conditions(conditions, self._now()))
        self._sync()
        while self._client.receive() is not None:
            pass  # that it was heard is nothing new; what matters is repeated until it is answered by a message

    def wait_ms(self, most_ms: int) -> int:
        """Return how long the loop may wait if nothing happens."""
        now = self._now()
        left_ms = (self._machine.due_s(now) - now.mono_s) * 1e3
        return most_ms if left_ms >= most_ms else max(0, int(left_ms) + 1)

    def described(self) -> dict[str, Any]:
        """Return how it is, for people."""
        batch = self._machine.batch
        return {
            "state": str(self._machine.state(self._now())),
            "batch": 0 if batch is None else batch.grant.batch,
            "unacknowledged": self._machine.unacknowledged,
            "undelivered": self._undelivered,
            "messages": dict(self._machine.traffic.counters),
        }

    # --- effects ----------------------------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(_, message):
                    self._say(message)
                case Journal(number, entry):
                    self._journal.append(entry)
                    self._appended = number
                case Load():
                    self._load(effect)
                case Start(batch):
                    self._child.order(partial(Begin, batch=batch))
                case Stop(batch, reason):
                    self._child.order(partial(End, batch=batch, reason=reason))
                case Dark(reason):
                    self._dark(reason)
                case Report(what, body):
                    self._publish("batch", {"what": what, **body})

    def _sync(self) -> None:
        """Make durable what was appended, and do what waited for it."""
        while self._appended:
            number, self._appended = self._appended, 0
            self._journal.sync()
            self._do(self._machine.on_journalled(number, self._now()))

    def _say(self, message: Message) -> None:
        try:
            self._client.send(message)
        except (LinkError, WireError):  # not now, or too large for ever: then its batch ends without it
            self._undelivered += 1  # what matters is said again

    def _load(self, load: Load) -> None:
        batch = self._machine.batch
        assert batch is not None
        run, station = batch.grant.run, batch.program.station
        told = (run, load.batch, load.epoch, load.start_ps, load.digest, load.program, station, self._lanes)

        def answer(message: Reply | Refusal) -> None:
            if isinstance(message, Refusal):
                self._do(self._machine.on_core_lost(message.what, self._now()))
            else:
                attempts, lateness_ps, underflows, stopped_by = message.value
                report = CoreReport(attempts, lateness_ps, underflows, stopped_by)
                self._do(self._machine.on_ended(load.batch, report, self._now()))

        def hear(progress: Progress) -> None:
            if progress.armed:
                self._do(self._machine.on_armed(load.batch, self._now()))
            for record in records_of(progress.records) if progress.records else ():
                self._do(self._machine.on_record(record, self._now()))
            self._progress(progress)

        self._child.submit(Attempts(0, self._instrument, *told), answer, hear)

    def _dark(self, reason: str) -> None:
        """Make all of the node dark and tell the machine once everybody has answered."""
        failed: list[bool] = []

        def answer(message: Reply | Refusal) -> None:
            failed.append(isinstance(message, Refusal))
            if len(failed) == len(self._children):
                self._do(self._machine.on_dark(not any(failed), self._now()))

        for child in self._children:
            child.dark(reason, answer=answer)

    # --- the core's clock -------------------------------------------------------------------------------------

    def _looked(self, message: Reply | Refusal) -> None:
        self._looking = False

    def _progress(self, progress: Progress) -> None:
        if progress.seen is None:
            return
        self._unlocks += self._seen is not None and self._seen[2] and not progress.seen[2]
        self._seen = progress.seen

    def _seen_lately(self) -> bool:
        return self._seen is not None and elapsed_s() - self._seen[1] < KNOWN_S

    def _now(self) -> Now:
        now_s = elapsed_s()
        return Now(now_s, round(now_s * PS_PER_S) + (self._seen[0] if self._seen is not None else 0))


def core_of(testbed: Testbed, node: str) -> str:
    """Return the full name of the core with which a node takes part in memory links, "" if it has none."""
    for link in testbed.memory_links.values():
        for name in (*link.memories, link.station):
            if name.partition(".")[0] == node:
                return name
    return ""
