"""A node's part in batches of attempts: its machine, its journal, and what the machine wants done.

Everything here belongs to the agent's loop and never waits, except for the journal's disk: what was appended in a turn
of the loop becomes durable once at its end, and only then are others told. Messages of the coordinator come through the
control port and count only if they were sent with its key; what is told to it goes out at once and may get lost.

In a dry run in lockstep hardware time is lab time, asked of the simulated lab; what moves it comes with the messages:
every order of the coordinator brings the ticket under which the driver process carries it out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...testbed.attempts import from_json
from ...testbed.errors import Aborted, BellringerError, InstrumentError
from ...testbed.lockstep import LockstepClock
from ..heralding.disk import FolderDisk
from ..heralding.entries import records_of
from ..heralding.journal import NodeJournal
from ..heralding.messages import Abort, Ask, Commit, Prepare, Recorded
from ..heralding.node import NodeMachine
from ..heralding.readiness import ClockWatch, Conditions, LabClockWatch
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
    Watchdog,
)
from ..wire.client import Client
from ..wire.errors import LinkError, NotAllowed, WireError
from ..wire.gate import Incoming
from ..wire.messages import Core, Message, Refusal, Reply
from ..wire.nonces import elapsed_s
from .authority import Authority
from .children import Answer, Child
from .core_orders import Attempts, Begin, End, Permit, Progress
from .cores import Cores

ACCEPTS = (Prepare, Commit, Abort, Ask, Recorded)
"""Messages of a coordinator about batches."""
LOOK_S = 0.05
"""How often a node looks around in lockstep when nothing was heard."""
AT_START = "start"
"""Why the machine wants dark first; the agent has ordered that already."""


class Batches:
    """One node's.

    Args:
        cores: the node's.
        children: all driver processes of the node, which a batch's end makes dark.
        boot: of this agent.
        authority: the node's.
        folder: of the journal.
        coordinator: the public key that may command batches.
        speak: makes the client that carries what is told to the coordinator.
        calibration: identity of the calibration in force.
        interlocks_closed: whether all are, None if that is not known.
        publish: tells people.
        lab_clock: of the simulated lab in a dry run in lockstep, None for real time.

    Raises:
        BellringerError: the journal cannot be used.
    """

    def __init__(
        self,
        cores: Cores,
        children: Sequence[Child],
        boot: str,
        authority: Authority,
        folder: Path,
        coordinator: str,
        speak: Callable[[], Client],
        calibration: str,
        interlocks_closed: Callable[[], bool | None],
        publish: Callable[[str, dict[str, Any]], None],
        lab_clock: LockstepClock | None = None,
    ) -> None:
        self._cores, self._children, self._lab_clock = cores, children, lab_clock
        self._authority, self._coordinator, self._calibration = authority, coordinator, calibration
        self._interlocks_closed, self._publish = interlocks_closed, publish
        self._journal = NodeJournal(FolderDisk(folder))
        watch = ClockWatch() if lab_clock is None else LabClockWatch()
        self._machine = NodeMachine(boot, authority, from_json, self._journal.recovered, clock=watch)
        self._client = speak()
        self._appended = 0
        self._undelivered = 0
        self._running: Child | None = None
        """Whose core has the batch under way."""
        self._tickets: dict[tuple[type[Message], int], str] = {}
        """Of the order that was heard last, by its kind and batch."""
        self._darkening = False
        self._look_s = 0.0
        self._lab_ps: int | None = None
        """Lab time, if it was asked for in this turn of the loop."""
        self._do(self._machine.start(self._now()))

    def close(self) -> None:
        """Let go of the journal and of the connection."""
        self._client.close()
        self._journal.close()
        if self._lab_clock is not None:
            self._lab_clock.close()

    # --- the agent's loop -------------------------------------------------------------------------------------

    def ready(self) -> tuple[Core, ...]:
        """Return what the coordinator must know of the cores that are ready."""
        return self._cores.described(self._hw_ps(elapsed_s()), self._calibration)

    def hear(self, incoming: Incoming) -> None:
        """Take a message of the coordinator.

        Raises:
            NotAllowed: it was sent with another key.
        """
        self._check(incoming)
        self._lab_ps = None  # it may have moved on until the message left
        message = incoming.message
        if isinstance(message, (Prepare, Commit)) and message.ticket:
            self._tickets = {(type(message), message.batch): message.ticket}
        self._look_around()
        self._do(self._machine.on_message(message, self._now()))

    def show(self, incoming: Incoming, answer: Answer) -> None:
        """Look at a core for the coordinator and ``answer`` with how many qubits it has room for, see ``Show``.

        Raises:
            NotAllowed: it was asked with another key.
            BellringerError: there is no such core.
        """
        self._check(incoming)
        name = incoming.message.instrument
        if name not in self._cores.children:
            raise InstrumentError("it is no real-time core of a memory link", where=name)

        def seen(message: Reply | Refusal) -> None:
            answer(message if isinstance(message, Refusal) else Reply(0, self._cores.room(name)))

        self._cores.look_at(name, seen, self._machine.over, incoming.message.ticket)

    def hear_of_lanes(self, lanes: Mapping[str, Sequence[str]]) -> None:
        """Take in where other nodes take corrections: endpoint and public key by core."""
        self._cores.hear_of_lanes(lanes)

    def turn(self) -> None:
        """See to what is due; call it in every turn of the loop."""
        if self._darkening and not any(child.darkening for child in self._children):
            self._darkening = False
            self._do(self._machine.on_dark(not any(child.failures for child in self._children), self._now()))
        now_s = elapsed_s()
        self._cores.look(now_s, self._machine.over, idle=not self.attempting)
        # In lockstep every look costs a message to the lab and back, and nothing happens between those that are due.
        if self._lab_clock is None or self._lab_ps is not None or now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            self._look_around()
        self._sync()
        while self._client.receive() is not None:
            pass  # that it was heard is nothing new; what matters is repeated until it is answered by a message
        self._lab_ps = None

    @property
    def attempting(self) -> bool:
        """Return whether a batch is prepared or under way here."""
        return self._machine.batch is not None

    def described(self) -> dict[str, Any]:
        """Return how it is, for people."""
        batch = self._machine.batch
        return {
            "state": str(self._machine.state(self._now())),
            "connected": self._cores.connected,
            "batch": 0 if batch is None else batch.grant.batch,
            "unacknowledged": self._machine.unacknowledged,
            "undelivered": self._undelivered,
            "messages": dict(self._machine.traffic.counters),
            "corrections": {name: dict(counts) for name, counts in self._cores.traffic.items()},
        }

    def _check(self, incoming: Incoming) -> None:
        if incoming.key != self._coordinator:
            raise NotAllowed(f"'{incoming.name}' does not command batches", hint="only the node's coordinator does")

    def _look_around(self) -> None:
        conditions = Conditions(
            clock_locked=self._cores.locked,
            interlock_closed=self._interlocks_closed(),
            calibration=self._calibration,
            room=self._journal.room or self._journal.make_room(),
        )
        self._do(self._machine.on_conditions(conditions, self._now()))

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
                    self._order(partial(Begin, batch=batch, ticket=self._tickets.pop((Commit, batch), "")))
                case Stop(batch, reason):
                    self._order(partial(End, batch=batch, reason=reason))
                case Dark(reason):
                    self._dark(reason)
                case Watchdog(until_s):
                    for child in dict.fromkeys(self._cores.children.values()):
                        child.order(partial(Permit, until_s=until_s))
                case Report(what, body):
                    self._publish("batch", {"what": what, **body})

    def _order(self, make: Callable[[int], Begin | End]) -> None:
        if self._running is not None:
            self._running.order(make)

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
        try:
            instrument = self._cores.core_for(batch.program)
        except BellringerError as error:
            self._do(self._machine.on_core_lost(error.what, self._now()))
            return
        self._running = self._cores.children[instrument]
        lanes = self._cores.peers(instrument, batch.program)
        ticket = self._tickets.pop((Prepare, load.batch), "")
        told = (run, load.batch, load.epoch, load.start_ps, load.digest, load.program, station, lanes, ticket)

        def answer(message: Reply | Refusal) -> None:
            if isinstance(message, Refusal) and message.error == Aborted.__name__:
                made_dark = CoreReport(stopped_by="made dark")  # by another's order, which sees to the dark itself
                self._do(self._machine.on_ended(load.batch, made_dark, self._now()))
            elif isinstance(message, Refusal):
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
            self._cores.note(instrument, progress, load.batch - 1)

        self._running.submit(Attempts(0, instrument, *told), answer, hear)

    def _dark(self, reason: str) -> None:
        """Make all of the node dark; ``turn`` tells the machine how it went.

        A driver process that is replaced meanwhile makes dark by itself: what it cannot confirm counts, not that the
        one before it gave no answer.
        """
        if reason != AT_START:
            for child in self._children:
                child.dark(reason)
        self._darkening = True

    def _now(self) -> Now:
        now_s = elapsed_s()
        if self._lab_clock is None:
            return Now(now_s, self._hw_ps(now_s))
        if self._lab_ps is None:
            self._lab_ps = self._hw_ps(now_s)
        return Now(now_s, self._lab_ps)

    def _hw_ps(self, now_s: float) -> int:
        """Return hardware time; in lockstep that is a question to the simulated lab."""
        if self._lab_clock is not None:
            return self._lab_clock.look_ps()
        return round(now_s * PS_PER_S) + self._cores.offset_ps
