"""The coordinator's machine: every batch from its number to its one end.

    ALLOCATED    number, start and program are in the store, and nobody has heard of it
    PREPARING    Prepare to all, again and again, until all are armed
    COMMITTING   the decision is in the store, then Commit to all, again and again until the start
    RUNNING      from the start to the end of its program
    COLLECTING   asks whoever has not sent its result
    RECORDED     all parties ran it: complete results of the same batch
    VOID         anything else; what results there are stay as raw data, and so do pairs whose qubits were measured.
                 Kept pairs are their owner's as soon as all parties have confirmed them, however the batch ends.
    RESOLVING    found open at a start of the coordinator: Abort to all, and each one's Result or Aborted

Presumed abort: what was not committed in the store begins nowhere, since no Commit was sent. A batch without a future
is VOID at once; its parties are told so until they have answered.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ...testbed.attempts import AttemptProgram
from ...testbed.errors import BellringerError
from ..coordinator.terms import Ending
from .delivery import Pair
from .entries import body_hash, records_of, result_of
from .messages import (
    Abort,
    Aborted,
    Armed,
    Ask,
    Commit,
    Confirm,
    FromCoordinator,
    FromParty,
    NotArmed,
    Prepare,
    Recorded,
    Result,
)
from .open_batch import BatchState, BookEffect, Concluded, Delivered, OpenBatch, Spent
from .store import Row, Store
from .terms import LEADS, NUMBERS, PS_PER_S, Leads, Now, Reason, Report, Send
from .traffic import Traffic

REPEAT_S = 0.02
"""How often Prepare and Commit are repeated; there is little time before a start."""
ASK_S = 0.2
"""How often Abort and Ask are repeated."""
PATIENCE_S = 30.0
"""How long a party's answer is waited for when it is due, before the batch is VOID without it."""


class Book:
    """All batches of one coordinator.

    Args:
        epoch: the coordinator's; the store is opened with the same.
        boot: random per process start.
        store: durable.
        read: makes a program of its canonical bytes.
        leads: how early things must have happened.

    Attributes:
        stopped: station -> why its link takes no batches any more: contradicting results were found.
        traffic: counts of the parties' messages.
    """

    def __init__(
        self,
        epoch: int,
        boot: str,
        store: Store,
        read: Callable[[bytes], AttemptProgram],
        leads: Leads = LEADS,
    ) -> None:
        self._epoch, self._boot, self._store, self._read, self._leads = epoch, boot, store, read, leads
        self._allocated = 0
        self._sent: Counter[str] = Counter()
        self._open: dict[int, OpenBatch] = {}
        self.stopped: dict[str, str] = {}
        self.traffic = Traffic()

    # --- what it is -----------------------------------------------------------------------------------------------

    def states(self) -> dict[int, BatchState]:
        """Return the batches that have no end yet, and where they are."""
        return {number: batch.state for number, batch in self._open.items() if not batch.ended}

    def busy(self) -> set[str]:
        """Return the parties of batches that have no end yet."""
        return {party for batch in self._open.values() if not batch.ended for party in batch.parties}

    @property
    def open(self) -> bool:
        """Return whether a batch has no end yet, or is draining."""
        return bool(self._open)

    @property
    def draining(self) -> bool:
        """Return whether a party has not answered yet that its batch is void."""
        return any(batch.ended for batch in self._open.values())

    def unsettled_s(self, run: str, now: Now) -> float:
        """Return for how long it has been waited for what void batches of a run took, infinite if it is for none."""
        ended = [each for each in self._open.values() if each.ended and each.row.run == run and each.silent()]
        return min((now.mono_s - batch.since_s for batch in ended), default=float("inf"))

    def due_s(self, now: Now) -> float:
        """Return the monotonic time by which ``tick`` must be called if nothing else happens."""
        due = [float("inf")]
        for batch in self._open.values():
            moments = (batch.row.start_ps - self._leads.decide, batch.row.start_ps, batch.end_ps)
            due += [now.mono_s + (each - now.hw_ps) / PS_PER_S for each in moments if each > now.hw_ps]
            due.append(batch.repeat_s)
        return min(due)

    # --- inputs -----------------------------------------------------------------------------------------------------

    def start(self, now: Now) -> list[BookEffect]:
        """Take up the batches that an earlier coordinator left open, once, at the start."""
        for row in self._store.open_batches():
            text = self._store.program(row.digest)
            batch = OpenBatch(row, self._read(text), text, BatchState.RESOLVING, now.mono_s)
            for party, body in self._store.results(row.run, row.batch).items():
                batch.answers[party] = result_of(body)
            self._open[row.batch] = batch
        effects: list[BookEffect] = []
        for batch in list(self._open.values()):
            effects += self._settle(batch, now)
        return effects + self.tick(now)

    def allocate(
        self, run: str, program: AttemptProgram, start_ps: int, calibrations: Mapping[str, str], now: Now
    ) -> tuple[int, list[BookEffect]]:
        """Give a batch its number and begin to prepare it; ``calibrations`` are identities by party.

        Raises:
            BellringerError: a party is busy, the link is stopped, or the start is too near; nothing was done.
        """
        parties = {*program.nodes, program.station}
        if program.station in self.stopped:
            what = f"the link of station '{program.station}' is stopped: {self.stopped[program.station]}"
            raise BellringerError(what, where=program.station, hint="look at the contradicting results, then restart")
        if parties & self.busy():
            names = ", ".join(sorted(parties & self.busy()))
            raise BellringerError(f"a batch is under way at {names}", where=names, hint="wait for its end")
        if start_ps - now.hw_ps < self._leads.arm:
            lead_ms = (start_ps - now.hw_ps) / 1e9
            hint = f"start at least {self._leads.arm / 1e9:g} ms ahead, better twice that"
            raise BellringerError(f"the start is {lead_ms:.3f} ms away", where=program.station, hint=hint)
        self._allocated += 1
        number = self._epoch * NUMBERS + self._allocated
        text = program.canonical()
        row = Row(number, run, self._epoch, start_ps, body_hash(text), dict(calibrations))
        self._store.allocate(row, text)
        self._open[number] = OpenBatch(row, program, text, BatchState.ALLOCATED, now.mono_s)
        return number, self.tick(now)

    def on_message(self, sender: str, message: FromParty, now: Now) -> list[BookEffect]:
        """Take one message of the party that the socket authenticated as ``sender``.

        Raises:
            Ending: the sender has obeyed a later coordinator, or the store cannot be used.
        """
        if message.epoch > self._epoch:
            raise Ending(
                f"'{sender}' has obeyed a coordinator with epoch {message.epoch}; this one has epoch {self._epoch}",
                where=sender,
                hint="use that coordinator; this one ends",
            )
        self.traffic.heard(sender, message.boot, message.seq)
        if isinstance(message, Result):
            return self._result(sender, message, now) + self.tick(now)
        batch = self._open.get(message.batch)
        if batch is None or sender not in batch.parties or message.run != batch.row.run:
            return self.tick(now)
        effects: list[BookEffect] = []
        match message:
            case Armed():
                self._armed(batch, sender, message)
            case NotArmed() if batch.state == BatchState.PREPARING and not message.again:
                effects += self._void(batch, f"{sender} is not armed: {message.reason}", now)
            case Aborted():
                batch.answers.setdefault(sender, None)
                effects += self._settle(batch, now)
            case Confirm() if batch.state in (BatchState.COMMITTING, BatchState.RUNNING, BatchState.COLLECTING):
                effects += self._confirmed(batch, sender, message)
        return effects + self.tick(now)

    def on_boot(self, party: str, boot: str, now: Now) -> list[BookEffect]:
        """A party's process is a new one: what its predecessor had armed has no future."""
        effects: list[BookEffect] = []
        for batch in list(self._open.values()):
            if batch.boots.get(party, boot) != boot and party not in batch.answers:
                effects += self._void(batch, f"{party} was restarted", now)
        return effects + self.tick(now)

    def abort(self, number: int, reason: str, now: Now) -> list[BookEffect]:
        """End a batch, in whatever state it is."""
        batch = self._open.get(number)
        return (self._void(batch, reason, now) if batch is not None else []) + self.tick(now)

    def tick(self, now: Now) -> list[BookEffect]:
        """Let time pass."""
        return [effect for batch in list(self._open.values()) for effect in self._tick(batch, now)]

    # --- one batch --------------------------------------------------------------------------------------------------

    def _tick(self, batch: OpenBatch, now: Now) -> Iterator[BookEffect]:
        yield from self._advance(batch, now)
        if now.mono_s - batch.since_s > PATIENCE_S and batch.state in (BatchState.COLLECTING, BatchState.RESOLVING):
            yield from self._void(batch, f"no answer from {', '.join(batch.silent())}", now)
        if batch.ended and (not batch.silent() or now.mono_s - batch.since_s > PATIENCE_S):
            self._open.pop(batch.row.batch, None)
            yield from self._settled(batch)
        elif now.mono_s >= batch.repeat_s:
            quick = batch.state in (BatchState.PREPARING, BatchState.COMMITTING)
            batch.repeat_s = now.mono_s + (REPEAT_S if quick else ASK_S)
            yield from self._repeat(batch)

    def _advance(self, batch: OpenBatch, now: Now) -> Iterator[BookEffect]:
        """Do what is due by hardware time, and what an answer has made possible."""
        row, state = batch.row, batch.state
        if state == BatchState.ALLOCATED:
            self._enter(batch, BatchState.PREPARING, now)
        elif state == BatchState.PREPARING and now.hw_ps > row.start_ps - self._leads.decide:
            missing = [party for party in batch.parties if party not in batch.boots]
            yield from self._void(batch, f"not armed in time: {', '.join(missing) or 'too late for all'}", now)
        elif state == BatchState.PREPARING and len(batch.boots) == len(batch.parties):
            self._store.commit(row.batch)
            self._enter(batch, BatchState.COMMITTING, now)
        elif state == BatchState.COMMITTING and now.hw_ps >= row.start_ps:
            self._enter(batch, BatchState.RUNNING, now)
        elif state == BatchState.RUNNING and now.hw_ps >= batch.end_ps:
            self._enter(batch, BatchState.COLLECTING, now)

    def _enter(self, batch: OpenBatch, state: BatchState, now: Now) -> None:
        batch.state, batch.since_s, batch.repeat_s = state, now.mono_s, now.mono_s

    def _repeat(self, batch: OpenBatch) -> Iterator[BookEffect]:
        """Say to those who have not answered what they are waited for."""
        row = batch.row
        key = (row.run, row.batch)
        for party in batch.silent():
            if batch.state == BatchState.PREPARING and party not in batch.boots:
                yield self._say(
                    party,
                    Prepare,
                    *key,
                    start_ps=row.start_ps,
                    digest=row.digest,
                    program=batch.text,
                    calibration=row.calibrations.get(party, ""),
                )
            elif batch.state == BatchState.COMMITTING:
                yield self._say(party, Commit, *key, start_ps=row.start_ps)
            elif batch.state == BatchState.COLLECTING:
                yield self._say(party, Ask, *key)
            elif batch.state in (BatchState.RESOLVING, BatchState.VOID):
                reason = "the coordinator was restarted" if batch.state == BatchState.RESOLVING else "the batch is void"
                yield self._say(party, Abort, *key, reason=reason)

    def _armed(self, batch: OpenBatch, sender: str, message: Armed) -> None:
        wanted = (self._epoch, batch.row.start_ps, batch.row.digest)
        if batch.state == BatchState.PREPARING and (message.epoch, message.start_ps, message.digest) == wanted:
            batch.boots.setdefault(sender, message.boot)

    def _confirmed(self, batch: OpenBatch, sender: str, message: Confirm) -> list[BookEffect]:
        try:
            pairs = batch.delivery.take(sender, records_of(message.body))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return [Report("a confirmation cannot be understood", {"from": sender, "error": str(error)})]
        if batch.program.keep == "measure":  # nobody is in a hurry, and whether it was on time is only known at its end
            batch.held += pairs
            return []
        new = self._store.deliver(pairs) if pairs else []
        return [Delivered(tuple(new))] if new else []

    def _result(self, sender: str, message: Result, now: Now) -> list[BookEffect]:
        """Keep a result, whatever became of its batch, and acknowledge it once it is kept."""
        try:
            ended = result_of(message.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return [Report("a result cannot be understood", {"from": sender, "error": str(error)})]
        key = (message.run, message.batch)
        if (ended.run, ended.batch) != key:
            return [Report("a result contradicts its envelope", {"from": sender, "batch": message.batch})]
        if self._store.record(*key, sender, message.body) == "conflict":
            return self._conflict(sender, message.batch, now)
        effects: list[BookEffect] = [self._say(sender, Recorded, *key, body_hash=body_hash(message.body))]
        batch = self._open.get(message.batch)
        if batch is not None and sender in batch.parties and message.run == batch.row.run:
            batch.answers[sender] = ended
            effects += self._settle(batch, now)
        return effects

    def _conflict(self, sender: str, number: int, now: Now) -> list[BookEffect]:
        """Two different results of one batch from one party: nothing of this link can be trusted until looked at."""
        effects: list[BookEffect] = [Report("contradicting results", {"from": sender, "batch": number})]
        row = self._store.batch(number)
        if row is not None:
            station = self._read(self._store.program(row.digest)).station
            self.stopped[station] = f"'{sender}' sent two different results of batch {number}"
            for batch in list(self._open.values()):
                if batch.program.station == station:
                    effects += self._void(batch, self.stopped[station], now)
        return effects

    # --- its end ----------------------------------------------------------------------------------------------------

    def _settle(self, batch: OpenBatch, now: Now) -> list[BookEffect]:
        """Conclude the batch if its answers decide about it."""
        if batch.ended:
            return []
        for party, ended in batch.answers.items():
            if ended is None:
                return self._void(batch, f"{party} has no result", now)
            if not ended.complete:
                return self._void(batch, f"{party}: {ended.reason}", now)
            if not batch.is_of(ended):
                return self._void(batch, f"{party} ran something else", now)
        if batch.silent():
            return []
        pairs = batch.held
        for party, ended in batch.answers.items():
            assert ended is not None
            pairs += batch.delivery.take(party, ended.records)
            if party == batch.program.station:
                batch.delivery.failed(ended.failures)
        return self._conclude(batch, BatchState.RECORDED, "", pairs, now, batch.spent())

    def _void(self, batch: OpenBatch, reason: str, now: Now) -> list[BookEffect]:
        if batch.ended:
            return []
        return self._conclude(batch, BatchState.VOID, reason, [], now)

    def _conclude(
        self, batch: OpenBatch, state: BatchState, reason: str, pairs: list[Pair], now: Now, spent: Spent | None = None
    ) -> list[BookEffect]:
        counts = batch.delivery.close()
        if state == BatchState.VOID and batch.held:
            counts[str(Reason.VOID)] = len(batch.held)
            counts = +(counts - Counter(delivered=len(batch.held)))
        new = self._store.conclude(batch.row.batch, state, reason, counts, pairs, spent)
        batch.ended = True
        self._enter(batch, state, now)
        told: list[BookEffect] = [Delivered(tuple(new))] if new else []
        return [*told, Concluded(batch.row.batch, batch.row.run, state, reason, counts, spent)]

    def _settled(self, batch: OpenBatch) -> list[BookEffect]:
        """Keep what a void batch took, if all have said it; of a recorded one that was kept with its end."""
        if batch.state != BatchState.VOID:
            return []
        spent = batch.spent(self._store.delivered(batch.row.batch))
        if spent is None:
            return []
        self._store.settle(spent)
        return [spent]

    def _say(self, party: str, kind: type[FromCoordinator], run: str, batch: int, **fields: Any) -> Send:
        self._sent[party] += 1
        return Send(party, kind(0, self._epoch, run, batch, self._boot, self._sent[party], **fields))
