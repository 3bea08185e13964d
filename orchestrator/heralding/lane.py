"""What the driver process of a core does in a batch: heralds out and corrections in, before anything else happens.

The process that owns the core's socket decides here, with the pure machines ``Arbiter`` (station) and ``Edge`` (node):
a herald is on its way to the nodes before its record goes to the agent, and a correction is written to the core before
anybody hears of it. The agent, which keeps the journal, is told afterwards.
"""

import functools
import random
import threading
from collections import Counter
from typing import Protocol

import msgspec

from ...drivers.interfaces import AttemptController, BatchReport, QuantumMemory, Refused
from ...testbed.attempts import AttemptProgram, from_json
from ...testbed.clock import Clock, Ticket
from ...testbed.errors import Aborted, BellringerError, InstrumentError, ProgramError
from ...testbed.lockstep import LockstepClock
from ..wire.keys import KeyPair
from ..wire.nonces import elapsed_s
from ..wire.zap import Zap
from .core_time import CoreTime
from .edge import NO_DEADLINE, Apply, Dropped, Edge
from .entries import Corrected, Opened, Record
from .feedforward import FeedforwardIn, FeedforwardOut, Peer
from .messages import Feedforward
from .station import Arbiter
from .terms import Send, end_ps

READ_S = 0.002
"""How long one look for records waits; how late an order to begin or to end is seen."""
LAB_READ_S, LAB_LAST_READ_S = 0.2, 0.02
"""The same in a batch, and after its end, in lockstep: every wait is a word to the simulated lab."""
LAB_TELL_S = 1.0
"""How often the agent is told of records then: it has nothing to do about them before the end of their batch."""
LOOK_S = 0.2
"""How often the core's clock is looked at."""
LEASE_OUT = "the lease is out, and nobody ended the batch"
REPORT_S = 0.2
"""How often a core is asked whether its batch is over, in case its own word of that is lost."""
CONNECT_S = 0.5
"""How long the ways to the nodes may take to open, before a batch is armed."""
GRACE_PS, MOST_GRACE_PS = 50 * 10**9, 200 * 10**9
"""How long after a batch and the last deadline a node waits for what is on its way; so much of a deadline counts."""
OWED_PS = 400 * 10**9
"""The same if the core has heard of heralds that the station has not told of yet: they are on their way, and a busy
machine may take its time."""


LEFT_PS = 10**12
"""How long after its memory cut-off a kept qubit is left to its owner, who may be about to use it; then it is reset."""
REMEMBERED = 100
"""Batches whose cut-off is remembered; by then those before them have none left."""
NO_BATCH = 0
"""The batch of messages that only measure the way; no batch has this number, so a core corrects nothing."""
PROBE_GAP_S = 0.5e-3
"""Longest pause between two of them; its length is drawn, so that nothing falls in step with what is done regularly."""
PROBE_S = 0.5
"""A probe that was not taken for so long is given up, and the next one sent."""


class TimedCore(AttemptController, QuantumMemory, Protocol):
    """A core whose clock can be read."""

    def read_clock(self) -> tuple[int, bool]:
        """Return its hardware time, ps, and whether its clock is locked."""

    def heard_end(self, batch: int) -> bool:
        """Return whether the core has said by itself that a batch has ended."""


class Told(Protocol):
    """Whoever wants to know what happens."""

    def armed(self) -> None: ...
    def records(self, records: list[Record]) -> None: ...
    def seen(self, lane: "Lane") -> None: ...


class Lane:
    """One core's end of its link; ``run`` belongs to the thread that carries out calls, ``begin`` and ``end`` to any.

    Args:
        node: name of the node.
        core: the core's driver.
        clock: the driver's.
        bind_to: where corrections come in.
    """

    def __init__(self, node: str, core: TimedCore, clock: Clock, bind_to: str) -> None:
        self.node, self._core, self._clock = node, core, clock
        self.keys = KeyPair.ephemeral(node)
        self.time, self.locked = CoreTime(), False
        self.free_slots = 0
        """Of its memory, when it was last looked at."""
        self.permitted_s = 0.0
        """Until when (``elapsed_s``) a batch may be lit, as was said last; set by any thread."""
        self._lab_clock = clock if isinstance(clock, LockstepClock) else None
        self._begun, self._ended = (0, ""), (0, "")
        self._news = threading.Event()
        """Of one of the two above."""
        self._arbiter, self._edge = Arbiter(self.keys.public), Edge(node)
        self._lock = threading.Lock()
        """Of the edge, which hears of heralds in one thread and of the core's answers in another."""
        self._fresh: list[Record] = []
        self._oldest_ps: dict[int, int] = {}
        """Batch -> at what age its qubits are given up, ps."""
        self._dropped = Counter[str]()
        """Heralds, and words of the core, that belonged to no batch under way or came twice, by reason."""
        self._untold: list[Record] = []
        self._taken: set[int] = set()
        """Attempts of the batch under way whose pair is held."""
        self._elapsed_s = elapsed_s if self._lab_clock is None else self._lab_clock.monotonic_s
        self._read_s = READ_S
        self._out = FeedforwardOut(self.keys, ())
        take = self._heralded if self._lab_clock is None else self._heralded_in_lab_time
        zap = Zap()
        try:
            self._in = FeedforwardIn(node, self.keys, zap, take, bind_to)
        except BellringerError:
            zap.close()  # the next try needs one
            raise
        self.endpoint = self._in.endpoint

    def look(self) -> None:
        """Look at the core's clock and memory."""
        asked_s = self._elapsed_s()
        hw_ps, self.locked = self._core.read_clock()
        self.time.looked(asked_s, hw_ps, self._elapsed_s())
        slots = self._core.slot_count()
        self.free_slots = slots - self._young() if slots else 0

    def _young(self) -> int:
        """Give up qubits that nobody may count on any more, and return how many are left."""
        left = 0
        for held in self._core.held():
            if held.age_ps > self._oldest_ps.get(held.batch, NO_DEADLINE):
                self._core.reset(held.slot)
            else:
                left += 1
        return left

    def traits(self) -> tuple[tuple[str, ...], int]:
        """Return the traits that the core declares, and its resolution in ps."""
        has = self._core.traits()
        return tuple(name for name in has.flags() if getattr(has, name)), has.resolution_ps

    def traffic(self) -> dict[str, int]:
        """Return what went over the ways of corrections here, in and out, and what of it was good for nothing."""
        dropped = {f"dropped, {reason}": count for reason, count in list(self._dropped.items())}
        return {**self._in.counters, **self._out.counters, **dropped}

    def meet(self, others: tuple[Peer, ...]) -> None:
        """Take in who the other parties are: any may be a batch's station or node, as its program says."""
        for peer in others:
            self._in.admit(peer.node, peer.public_key)
        if self._out.peers != frozenset(others):
            self._out.close()
            self._out = FeedforwardOut(self.keys, others)
        self._out.retry()

    # --- any thread -------------------------------------------------------------------------------------------

    def begin(self, batch: int, ticket: str = "") -> None:
        """Let the armed batch begin at its start time; in lockstep it goes on under ``ticket``."""
        self._begun = batch, ticket
        self._news.set()

    def end(self, batch: int, reason: str) -> None:
        """End a batch now."""
        self._ended = batch, reason
        self._news.set()

    def _heralded(self, station: str, message: Feedforward) -> None:
        """The station tells of a herald, or measures the way."""
        with self._lock:
            decision = self._edge.take(station, message, self.time.now_ps(self._elapsed_s()))
            if isinstance(decision, Apply):
                self._core.apply(decision.batch, decision.k, decision.hseq, decision.operation, decision.not_after_ps)
            elif isinstance(decision, Corrected):
                self._fresh.append(decision)
            elif message.batch == NO_BATCH:
                self._core.apply(NO_BATCH, message.k, message.hseq, "I", message.t_ps)
            elif isinstance(decision, Dropped):
                self._dropped[decision.reason] += 1

    def _heralded_in_lab_time(self, station: str, message: Feedforward) -> None:
        """As ``_heralded``; lab time stands still until the core has its correction."""
        assert self._lab_clock is not None
        with self._lab_clock.running(self._lab_clock.adopt(message.ticket, f"herald for {self.node}", self.node)):
            self._heralded(station, message)

    # --- the thread that carries out calls --------------------------------------------------------------------

    def send_probes(self, node: str, first: int, count: int) -> list[int]:
        """Send messages like those of heralds, one after the other, and return by the core's clock when each began.

        The core is asked for its time right before, as it tells of a click: so all of a herald's way is in it. 0 is
        one that could not be sent.

        Raises:
            BellringerError: no way to the node, or the core does not answer.
        """
        self._out.wait_connected((node,), CONNECT_S)
        self._out.forget_answers()
        began = []
        for number in range(first, first + count):
            self._clock.sleep(random.uniform(0.0, PROBE_GAP_S))
            hw_ps, _ = self._core.read_clock()
            herald = Feedforward(0, 0, "measure", NO_BATCH, self.keys.public, number, number, 0, "phi+", hw_ps)
            self._out.send((Send(node, herald),))
            began.append(hw_ps if self._out.wait_handed_over(node, PROBE_S) else 0)
        return began

    def hear_probes(self, first: int, count: int, seconds: float) -> list[tuple[int, int]]:
        """Wait for messages that ``send_probes`` sends; return their numbers, and when the core had each, ps."""
        found: list[tuple[int, int]] = []
        end_s = elapsed_s() + seconds
        while len(found) < count and elapsed_s() < end_s:
            for word in self._core.read_applied(READ_S):
                if word.batch == NO_BATCH and first <= word.hseq < first + count:
                    found.append((word.hseq, word.t_ps))
        return found

    def run(self, grant: Opened, text: bytes, lanes: tuple[Peer, ...], told: Told) -> BatchReport:
        """Run one batch and return what the core did; in state REFUSED if it, or the way to a node, did not let it.

        Raises:
            Aborted: everything here is being made dark.
            BellringerError: the core cannot be spoken to; what it does is not known.
        """
        program = from_json(text)
        at_station = program.station == self.node
        self.meet(lanes)
        if why := self._refusal(grant, program, at_station):
            return BatchReport(grant.batch, "REFUSED", 0, 0, 0, (), 0, 0, why)
        try:
            if program.max_age_ps:
                self._oldest_ps[grant.batch] = program.max_age_ps + LEFT_PS
                for oldest in list(self._oldest_ps)[:-REMEMBERED]:
                    del self._oldest_ps[oldest]
            with self._lock:
                self._arbiter.begin(grant, program)
                self._edge.begin(grant, program)
            told.armed()
            return self._attend(grant, program, at_station, told)
        except Refused as refusal:  # it comes too late, for example: the core has answered, and is there
            return self._stopped(grant.batch, refusal.what)
        except Aborted:
            if self._lab_clock is not None:  # the order to go dark holds lab time, and makes the core dark itself
                raise
            return self._stopped(grant.batch, self._ended[1] if self._ended[0] == grant.batch else "made dark")
        finally:
            self._taken.clear()
            self._untold.clear()
            with self._lock:
                self._arbiter.end()
                self._edge.end()
                self._fresh.clear()

    def _refusal(self, grant: Opened, program: AttemptProgram, at_station: bool) -> str:
        """Arm the core and return "", or why it is not armed: then nothing was lit, and nothing need be made dark."""
        if at_station:
            try:
                self._out.wait_connected(program.nodes, CONNECT_S)
            except InstrumentError as error:
                return error.what
        try:
            self._core.load(program)
            self._core.arm(grant.batch, grant.epoch, grant.start_ps, grant.digest)
        except (Refused, ProgramError) as refusal:
            return refusal.what
        return ""

    def _attend(self, grant: Opened, program: AttemptProgram, at_station: bool, told: Told) -> BatchReport:
        batch, begun, made = grant.batch, False, 0
        if self._lab_clock is not None:
            self._lab_clock.go_on_as(functools.partial(self._word, self._lab_clock, batch))
        asked_s = looked_s = told_s = self._elapsed_s()
        report: BatchReport | None = None
        over_ps, ask_ps = 0, grant.start_ps
        if self._lab_clock is not None:  # nothing gets lost on the way, and cores are looked at when they are asked for
            looked_s, ask_ps = float("inf"), end_ps(program, grant.start_ps)
        grace_ps = min(max((each.deadline_ps for each in program.feedforward), default=0), MOST_GRACE_PS) + GRACE_PS
        while True:
            if self._ended[0] == batch:
                self._tell(told)
                report = self._stopped(batch, self._ended[1])
                if at_station:
                    self._untold += self._clicks(0.0)
                    self._tell(told)
                return report
            if self._begun[0] == batch and not begun:
                self._core.commit(batch)
                begun = True
            if self._lab_clock is not None:
                self._read_s = LAB_READ_S if report is None else LAB_LAST_READ_S
            records = self._clicks(self._read_s) if at_station else self._corrections()
            made += len(records)
            self._taken |= {each.k for each in records if not each.reason}
            self._untold += records
            now_s = self._elapsed_s()
            if self._lab_clock is None or report is not None or now_s - told_s >= LAB_TELL_S:
                told_s = now_s
                self._tell(told)
            if begun and report is None and self._lab_clock is None and now_s >= self.permitted_s:
                return self._stopped(batch, LEASE_OUT)
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self.look()
                told.seen(self)
            now_ps = self.time.now_ps(now_s)
            if report is not None:
                if at_station or now_ps >= over_ps or made >= report.heralds > 0:
                    self._tidy(batch)
                    return report
            elif begun and (self._core.heard_end(batch) or (now_ps >= ask_ps and now_s - asked_s >= REPORT_S)):
                asked_s = now_s
                report = self._report(batch)
                over_ps = now_ps + (OWED_PS if report is not None and report.heralds > made else grace_ps)

    def _tell(self, told: Told) -> None:
        if self._untold:
            told.records(self._untold)
            self._untold = []

    def _word(self, clock: LockstepClock, batch: int, wait_s: float) -> Ticket | None:
        """Return under which ticket of the simulated lab the armed batch goes on, or ends; None if it is not said."""
        self._news.wait(wait_s)
        self._news.clear()
        if self._ended[0] == batch:
            return clock.register(f"end of batch {batch}", host=self.node)
        return clock.adopt(self._begun[1], f"batch {batch}", self.node) if self._begun[0] == batch else None

    def _clicks(self, wait_s: float) -> list[Record]:
        """Decide about the clicks that came; heralds leave for the nodes before anything else.

        Those of a batch that was ended count, as its attempts do, but no node hears of them.
        """
        kept: list[Record] = []
        take, send = self._arbiter.take, self._out.send
        for clicks in self._core.read_heralds(wait_s):
            verdict = take(clicks)
            if self._ended[0] == clicks.batch:
                pass
            elif self._lab_clock is None:
                send(verdict.sends)
            else:
                self._send_in_lab_time(verdict.sends, self._lab_clock)
            if verdict.kept is not None:
                kept.append(verdict.kept)
        self._out.forget_answers()
        return kept

    def _send_in_lab_time(self, sends: tuple[Send, ...], clock: LockstepClock) -> None:
        """Register each herald as a call of its own before it leaves, so that lab time waits for its arrival."""
        for each in sends:
            ticket = clock.register(f"herald for {each.to}", host=each.to)
            message = msgspec.structs.replace(each.message, ticket=getattr(ticket, "number", ""))
            if self._out.send((Send(each.to, message),)):
                clock.forget(ticket)

    def _corrections(self) -> list[Record]:
        """Take in what the core says about corrections and outcomes."""
        words = self._core.read_applied(self._read_s)
        outcomes = self._core.read_outcomes(0.0)
        with self._lock:
            found = [*map(self._edge.applied, words), *map(self._edge.measured, outcomes)]
            records, self._fresh = self._fresh, []
            self._dropped.update(each.reason for each in found if isinstance(each, Dropped) and each.batch != NO_BATCH)
        return [*records, *(each for each in found if isinstance(each, Corrected))]

    def _report(self, batch: int) -> BatchReport | None:
        """Return what the core did, None as long as it does it."""
        try:
            return self._core.report(batch)
        except Refused as refusal:
            if refusal.code != "busy":
                raise
            return None

    def _stopped(self, batch: int, reason: str) -> BatchReport:
        with self._clock.shielded():
            self._core.abort(batch, reason)
            self._tidy(batch)
            return self._core.report(batch)

    def _tidy(self, batch: int) -> None:
        """Give up the qubits of a batch that no pair is held of.

        The others may be somebody's already, also if the batch was stopped; what is nobody's reaches its cut-off.
        """
        for held in self._core.held() if self._core.slot_count() else ():
            if held.batch == batch and held.k not in self._taken:
                self._core.reset(held.slot)
