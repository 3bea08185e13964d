"""The machine of a node, and of a station: when a batch may begin here, and what is told about it afterwards.

    BOOT -> SAFE               dark, read back
    SAFE -> IDLE               lease, clock locked and steady, interlock closed, calibration in spec
    IDLE -> ARMING -> ARMED    Prepare: it is on disk that the batch was opened, the core is loaded, Armed is sent
    ARMED -> COMMITTED         Commit, in time before the start
    COMMITTED -> RUNNING       the hardware begins at the start time
    any of these -> DRAINING   the end, or: lease out, interlock, clock step, unlock, higher epoch, Abort, driver death
    DRAINING -> IDLE or SAFE   the core has said what it did, the result is on disk, then Result is sent
    any -> FAULT               latched in ``Authority`` until a person acknowledges it

What is opened ends in exactly one result, also if the process dies in between, and is never begun again. The machine
lets a batch begin, it never begins one: without ``Start`` the core does nothing, with it the core begins at the start
time and at no other. Every input first looks at clocks and lease.
"""

from collections.abc import Callable

from ...testbed.attempts import AttemptProgram
from ...testbed.errors import BellringerError
from ..agent.authority import Authority
from .entries import Heralded, Met, Opened, Record, body_hash
from .kept import Kept
from .messages import Abort, Armed, Ask, Commit, FromCoordinator, NotArmed, Prepare, Recorded
from .outbox import Outbox
from .readiness import ClockWatch, Conditions
from .recovered import Recovered
from .terms import LEADS, CoreReport, Dark, Effect, Leads, Load, Now, Reason, Report, Send, Start, Stop, Watchdog
from .traffic import Traffic
from .under_way import State, UnderWay, result


class NodeMachine:
    """One party of batches; one batch at a time.

    Args:
        boot: random per process start.
        authority: the node's lease, epoch, e-stop and fault; its owner feeds it the coordinator's answers.
        read: makes a program of canonical bytes, or raises a BellringerError that says why it cannot run here.
        recovered: what the journal held.
        leads: how early things must have happened.
        clock: watches hardware time for steps; one of its own if not given.

    Attributes:
        traffic: counts of the coordinator's messages.
    """

    def __init__(
        self,
        boot: str,
        authority: Authority,
        read: Callable[[bytes], AttemptProgram],
        recovered: Recovered,
        leads: Leads = LEADS,
        clock: ClockWatch | None = None,
    ) -> None:
        self.authority, self._read, self._leads = authority, read, leads
        authority.hear_of(recovered.epoch)
        self._met, self._unfinished = recovered.epoch, recovered.unfinished
        self._outbox = Outbox(boot, lambda: authority.epoch)
        self._kept = Kept(recovered, self._outbox)
        self._conditions, self._clock = Conditions(), clock or ClockWatch()
        self._batch: UnderWay | None = None
        self._dark = False
        self._watched_s = -1.0
        self.traffic = Traffic()

    # --- what it is -------------------------------------------------------------------------------------------

    def state(self, now: Now) -> State:
        """Return the state, as told to people."""
        if self._batch is not None:
            return self._batch.state
        if self.authority.fault:
            return State.FAULT
        return State.SAFE if self._refusal(now) else State.IDLE

    @property
    def batch(self) -> UnderWay | None:
        """Return the batch under way; not to be changed."""
        return self._batch

    @property
    def over(self) -> int:
        """Return the newest batch that is over here, with all before it: nothing more of them will be stored."""
        return self._kept.mark if self._batch is None else self._batch.grant.batch - 1

    @property
    def unacknowledged(self) -> int:
        """Return how many results wait for the coordinator's word that it has them."""
        return len(self._kept.results)

    def due_s(self, now: Now) -> float:
        """Return the monotonic time by which ``tick`` must be called if nothing else happens."""
        lease_s = self.authority.lease_until_s if self.authority.leased(now.mono_s) else float("inf")
        batch_s = float("inf") if self._batch is None else self._batch.due_s(now)
        return min(lease_s, batch_s, self._kept.due_s)

    # --- inputs -----------------------------------------------------------------------------------------------

    def start(self, now: Now) -> list[Effect]:
        """Begin, once after the start of the process: dark first; a batch that was under way gets its end."""
        effects: list[Effect] = [Dark("start"), *self.tick(now)]
        if self._unfinished is not None:
            grant, records = self._unfinished
            ended = result(grant, CoreReport(), "the process died in this batch", records)
            effects.append(self._outbox.keep(ended, lambda now: [self._kept.publish(ended, now)]))
            self._unfinished = None
        return effects

    def on_message(self, message: FromCoordinator, now: Now) -> list[Effect]:
        """Take one message of a coordinator."""
        self.traffic.heard("", message.boot, message.seq)
        effects = self.tick(now)
        if message.epoch < self.authority.epoch:
            if isinstance(message, Prepare):
                effects.append(self._refused(message, f"{Reason.WRONG_EPOCH}, {self.authority.epoch} was obeyed here"))
            return effects
        if message.epoch > self.authority.epoch:
            self.authority.hear_of(message.epoch)
            effects += self.tick(now)
        match message:
            case Prepare():
                effects += self._prepare(message, now)
            case Commit():
                effects += self._commit(message)
            case Abort():
                effects += self._abort(message, now)
            case Ask() if self._batch is None or self._batch.grant.batch != message.batch:
                effects += self._kept.answer(message)
            case Recorded():
                effects += self._kept.recorded(message)
        return effects

    def on_armed(self, batch: int, now: Now) -> list[Effect]:
        """The core has the program and is armed."""
        effects = self.tick(now)
        under_way = self._batch
        if under_way is not None and under_way.grant.batch == batch and under_way.state == State.ARMING:
            under_way.state = State.ARMED
            effects.append(self._armed(under_way))
        return effects

    def on_record(self, record: Record, now: Now) -> list[Effect]:
        """A herald was decided about (station), or a correction was made or not (node)."""
        self._heard(record.batch, now)
        effects = self.tick(now)
        batch = self._batch
        if batch is None or batch.reported or (record.run, record.batch) != (batch.grant.run, batch.grant.batch):
            body: dict[str, object] = {"hseq": record.hseq, "k": record.k, "reason": record.reason}
            return [*effects, Report(f"a record came when its batch {record.batch} was not under way", body)]
        batch.records.append(record)
        return [*effects, self._outbox.keep(record, lambda now: self._confirm(batch, record))]

    def on_ended(self, batch: int, report: CoreReport, now: Now) -> list[Effect]:
        """The core says what it did: it came to the end, was told to stop, or refused the batch."""
        self._heard(batch, now)
        effects = self.tick(now)
        under_way = self._batch
        if under_way is not None and under_way.grant.batch == batch and not under_way.reported:
            effects += self._end(under_way, report)
        return effects

    def on_core_lost(self, why: str, now: Now) -> list[Effect]:
        """The core or its driver's process is gone; it makes dark by itself, and what it did is not known."""
        effects = self.tick(now)
        if self._batch is not None and not self._batch.reported:
            effects += self._stop(self._batch, why, now)
            effects += self._end(self._batch, CoreReport())
        return effects

    def on_journalled(self, number: int, now: Now) -> list[Effect]:
        """All entries up to ``number`` are on disk."""
        return self.tick(now) + self._outbox.on_journalled(number, now)

    def on_conditions(self, conditions: Conditions, now: Now) -> list[Effect]:
        """The surroundings were read."""
        self._conditions = conditions
        return self.tick(now)

    def on_dark(self, confirmed: bool, now: Now) -> list[Effect]:
        """The emitters were commanded dark; whether reading them back confirms it."""
        self._dark = confirmed
        if not confirmed:
            self.authority.latch("an emitter did not confirm dark")
        return self.tick(now)

    def tick(self, now: Now) -> list[Effect]:
        """Let time pass, and notice what it has done to epoch, lease and batch."""
        effects: list[Effect] = []
        stepped = self._clock.look(now, self._conditions.clock_locked)
        if self.authority.epoch > self._met:
            self._met = self.authority.epoch
            effects.append(self._outbox.keep(Met(self._met)))
        if self._batch is not None and not self._batch.reported:
            effects += self._look(self._batch, now, stepped)
        until_s = self.authority.lease_until_s if self.authority.leased(now.mono_s) else 0.0
        if until_s != self._watched_s:
            self._watched_s = until_s
            effects.append(Watchdog(until_s))
        return effects + self._kept.repeat(now)

    def _heard(self, batch: int, now: Now) -> None:
        """Note that a core that was stopped is not silent: its words may have waited while this process was frozen."""
        if self._batch is not None and self._batch.grant.batch == batch:
            self._batch.stopped_s = now.mono_s

    # --- whether it may ---------------------------------------------------------------------------------------

    def _look(self, batch: UnderWay, now: Now, stepped: bool) -> list[Effect]:
        if batch.silent(now):
            self.authority.latch(f"the core does not say what it did in batch {batch.grant.batch}")
            return self._end(batch, CoreReport())
        trouble = self._trouble(batch, now, stepped)
        if not trouble:
            if batch.state == State.COMMITTED and now.hw_ps >= batch.grant.start_ps:
                batch.state = State.RUNNING
            return []
        if not (self._conditions.interlock_closed or batch.stopped or self.authority.fault):
            self.authority.latch(f"{self._conditions.trouble()}, in batch {batch.grant.batch}")
        return self._stop(batch, trouble, now)

    def _trouble(self, batch: UnderWay, now: Now, stepped: bool) -> str:
        """Return why the batch under way must not go on, "" if it may."""
        if stepped or not self._conditions.clock_locked:
            return Reason.UNTIMED
        if batch.grant.epoch < self.authority.epoch:
            return f"{Reason.WRONG_EPOCH}: a coordinator with epoch {self.authority.epoch} took over"
        return self._conditions.trouble() or self._no_light(now) or batch.overdue(now)

    def _no_light(self, now: Now) -> str:
        """Return why the coordinator allows no light, "" if it does."""
        if self.authority.leased(now.mono_s):
            return ""
        return self.authority.fault or ("an e-stop" if self.authority.estop is not None else "the lease is out")

    def _refusal(self, now: Now) -> str:
        """Return why nothing may be armed, "" if something may."""
        refusal = self._no_light(now) or self._conditions.refusal()
        if not refusal and not self._dark:
            return "the emitters have not confirmed dark"
        if not refusal and not self._clock.steady(now):
            return "the clock has not been steady for long enough"
        return refusal

    # --- commands ---------------------------------------------------------------------------------------------

    def _prepare(self, message: Prepare, now: Now) -> list[Effect]:
        batch = self._batch
        if batch is not None and batch.same(message):
            return [self._armed(batch)] if batch.state in (State.ARMED, State.COMMITTED, State.RUNNING) else []
        if message.batch > self._kept.mark and batch is not None:
            return [self._refused(message, f"busy with batch {batch.grant.batch}", again=True)]
        refusal = self._refusal_of(message, now)
        if refusal:
            return [self._refused(message, refusal)]
        if body_hash(message.program) != message.digest:
            return [self._refused(message, "the program is not the one that its hash names")]
        try:
            program = self._read(message.program)
        except BellringerError as error:
            return [self._refused(message, error.what)]
        grant = Opened(message.run, message.batch, message.epoch, message.start_ps, message.digest)
        self._batch = opened = UnderWay(grant, program, self._leads)
        self._kept.mark = message.batch
        return [self._outbox.keep(grant, lambda now: self._load(opened, message.program))]

    def _refusal_of(self, message: Prepare, now: Now) -> str:
        if message.batch <= self._kept.mark:
            return f"batch numbers up to {self._kept.mark} are closed here"
        if message.calibration != self._conditions.calibration:
            return f"the calibration here is '{self._conditions.calibration}', not '{message.calibration}'"
        lead_ps = message.start_ps - now.hw_ps
        if lead_ps < self._leads.arm:
            return f"the start is {lead_ps / 1e9:.3f} ms away, {self._leads.arm / 1e9:g} ms are needed"
        return self._refusal(now)

    def _load(self, batch: UnderWay, program: bytes) -> list[Effect]:
        grant = batch.grant
        self._kept.opened(grant.batch)
        if batch.stopped:
            return self._end(batch, CoreReport())
        batch.loaded = True
        return [Load(grant.batch, grant.epoch, grant.start_ps, grant.digest, program)]

    def _commit(self, message: Commit) -> list[Effect]:
        batch = self._batch
        if batch is None or batch.grant.batch != message.batch:
            return self._kept.answer(message)
        if batch.state != State.ARMED or message.start_ps != batch.grant.start_ps:
            return []  # nor if it is too late: then the look at the clock has just stopped the batch
        batch.state = State.COMMITTED
        return [Start(message.batch)]

    def _abort(self, message: Abort, now: Now) -> list[Effect]:
        batch = self._batch
        if batch is None or batch.grant.batch != message.batch:
            return self._kept.answer(message)
        return [] if batch.reported else self._stop(batch, message.reason or "aborted", now, dark=False)

    # --- the batch under way ----------------------------------------------------------------------------------

    def _stop(self, batch: UnderWay, reason: str, now: Now, dark: bool = True) -> list[Effect]:
        """End the batch under way; ``dark`` if light may no longer be on here, whoever switched it on.

        A batch that the coordinator takes back is no such reason: what it lit is its core's, which is dark before it
        says what it did. Everything else belongs to the run, whose calls an order to go dark would interrupt.
        """
        if batch.stopped and (batch.darkened or not dark):
            return []
        first, batch.darkened = not batch.stopped, dark
        effects: list[Effect] = []
        if first:
            batch.stopped, batch.stopped_s, batch.state = reason, now.mono_s, State.DRAINING
            effects += [Stop(batch.grant.batch, reason)] if batch.loaded else []
        if dark:
            self._dark = False
            effects.append(Dark(reason))
        return [*effects, Report("batch stopped", {"batch": batch.grant.batch, "reason": reason})]

    def _end(self, batch: UnderWay, report: CoreReport) -> list[Effect]:
        batch.reported, batch.state = True, State.DRAINING
        ended = batch.ended(report)

        def publish(now: Now) -> list[Effect]:
            self._batch = None
            return [self._kept.publish(ended, now)]

        return [self._outbox.keep(ended, publish)]

    def _confirm(self, batch: UnderWay, record: Record) -> list[Effect]:
        if batch.counts and not (isinstance(record, Heralded) and record.reason):
            self._outbox.confirm(record)
        return []

    def _armed(self, batch: UnderWay) -> Send:
        grant = batch.grant
        return self._outbox.say(Armed, grant.run, grant.batch, start_ps=grant.start_ps, digest=grant.digest)

    def _refused(self, message: Prepare, reason: str, again: bool = False) -> Send:
        return self._outbox.say(NotArmed, message.run, message.batch, reason=reason, again=again)
