"""A node's side of feedforward: which correction a herald asks for, and what became of it.

It belongs in the process that owns the core's socket, so that nothing lies between the herald and the correction: first
the correction is written to the core, then the record of it goes to the journal, and only what is there is confirmed.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from ...testbed.attempts import AttemptProgram
from .entries import Corrected, Opened
from .messages import Feedforward
from .terms import Reason

NO_DEADLINE = 2**63 - 1


class Apply(msgspec.Struct, frozen=True):
    """Write this correction to the core, now; what became of it goes to ``Edge.applied``."""

    batch: int
    k: int
    hseq: int
    operation: str
    not_after_ps: int


@dataclass(frozen=True)
class Dropped:
    """It belongs to no batch that is under way, or came before: count it, do nothing."""

    batch: int
    hseq: int
    reason: str


class Applied(Protocol):
    """A core's word about a correction; ``reason`` is "" if it was made at ``t_ps``."""

    @property
    def batch(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def hseq(self) -> int: ...
    @property
    def t_ps(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Outcome(Protocol):
    """A core's word about a qubit that was measured in its attempt."""

    @property
    def batch(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def basis(self) -> str: ...
    @property
    def bit(self) -> int: ...


class Edge:
    """Corrections and outcomes of one node; None as an answer says that another word is waited for.

    Args:
        node: its name, as programs have it.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self._grant: Opened | None = None
        self._program: AttemptProgram | None = None
        # Of the grant and the program, worked out before the batch: a correction waits for nothing that can be known.
        self._name: tuple[str, int, int, str] = ("", 0, 0, "")
        """Run, batch, epoch and station."""
        self._start_ps = self._period_ps = self._most = self._max_age_ps = 0
        self._last = 0
        self._measures = False
        """Whether the program has qubits measured in their attempt: there is none to be asked of the core then."""
        self._owed: dict[str, tuple[str, int]] = {}
        """Label -> operation and deadline."""
        self._attempts: set[int] = set()
        self._asked: dict[int, tuple[Feedforward, Apply]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._unmeasured: dict[int, Corrected] = {}

    def begin(self, grant: Opened, program: AttemptProgram) -> None:
        """A batch is armed; what belongs to another one is dropped from now on."""
        self._grant, self._program, self._last = grant, program, 0
        self._name = grant.run, grant.batch, grant.epoch, program.station
        self._start_ps, self._period_ps, self._most = grant.start_ps, program.period_ps, program.attempts
        self._max_age_ps, self._measures = program.max_age_ps, program.keep == "measure"
        self._owed = {label: ("I", 0) for label in program.table().values()}
        self._owed |= {
            each.label: (each.operation, each.deadline_ps) for each in program.feedforward if each.node == self.node
        }
        self._attempts.clear()
        self._forget()

    def end(self) -> None:
        """The batch is over; words about its corrections come too late."""
        self._grant = self._program = None
        self._forget()

    def take(self, sender: str, message: Feedforward, hw_ps: int) -> Apply | Corrected | Dropped | None:
        """Decide about a herald that ``sender`` (as the socket authenticated it) announces at hardware time ``hw_ps``.

        Numbers grow. What comes after a later one is not answered any more: its pair counts as expired. Where qubits
        are kept the core is asked for "I" too: its word says that it still has this one.
        """
        run, batch, epoch, station = self._name
        hseq, k = message.hseq, message.k
        if self._grant is None or message.batch != batch or message.run != run:
            return Dropped(message.batch, hseq, Reason.UNKNOWN_BATCH)
        if message.epoch != epoch or sender != station:
            return Dropped(batch, hseq, Reason.WRONG_EPOCH if sender == station else "stranger")
        if hseq <= self._last:
            known = hseq == self._last or hseq in self._asked
            return Dropped(batch, hseq, Reason.DOUBLE if known else Reason.GAP)
        self._last = hseq
        begin_ps = self._start_ps + k * self._period_ps
        oldest_ps = not_after_ps = begin_ps + self._max_age_ps if self._max_age_ps else NO_DEADLINE
        operation, deadline_ps = self._owed.get(message.label, ("", 0))
        if operation not in ("", "I"):
            not_after_ps = min(oldest_ps, message.t_ps + deadline_ps)
        reason: str = ""
        if k >= self._most:
            reason = Reason.LATE
        elif message.t_ps < self._start_ps or hw_ps < self._start_ps:
            reason = Reason.EARLY
        elif not operation:
            reason = Reason.UNKNOWN_PATTERN
        elif k in self._attempts:
            reason = Reason.DOUBLE
        else:
            self._attempts.add(k)
            if hw_ps > not_after_ps:
                reason = Reason.TOO_OLD if hw_ps > oldest_ps else Reason.LATE_CORRECTION
        if reason or (operation == "I" and self._measures):
            return self._record(message, operation or "I", 0 if reason else hw_ps, reason)
        apply = Apply(batch, k, hseq, operation, not_after_ps)
        self._asked[hseq] = message, apply
        return apply

    def applied(self, word: Applied) -> Corrected | Dropped | None:
        """Take in what a core says about a correction; that it was in time is checked here too."""
        asked = self._asked.get(word.hseq)
        if asked is None or (word.batch, word.k) != (asked[1].batch, asked[1].k):
            return Dropped(word.batch, word.hseq, Reason.UNKNOWN_BATCH)
        message, apply = asked
        del self._asked[word.hseq]
        reason = word.reason
        if not reason and word.t_ps > apply.not_after_ps:
            reason = Reason.TOO_OLD if apply.not_after_ps == self._oldest_ps(word.k) else Reason.LATE_CORRECTION
        return self._record(message, apply.operation, 0 if reason else word.t_ps, reason)

    def measured(self, outcome: Outcome) -> Corrected | Dropped | None:
        """Take in an outcome, which may come before the herald or after it."""
        if self._grant is None or outcome.batch != self._grant.batch:
            return Dropped(outcome.batch, 0, Reason.UNKNOWN_BATCH)
        if outcome.k in self._unmeasured:
            return self._measured(self._unmeasured.pop(outcome.k), outcome)
        self._outcomes[outcome.k] = outcome
        return None

    def _begin_ps(self, k: int) -> int:
        return self._start_ps + k * self._period_ps

    def _oldest_ps(self, k: int) -> int:
        """Return the last moment at which the qubit of attempt ``k`` is young enough."""
        return self._begin_ps(k) + self._max_age_ps if self._max_age_ps else NO_DEADLINE

    def _record(self, message: Feedforward, operation: str, t_ps: int, reason: str) -> Corrected | None:
        """Return the record; None if the pair is held but its qubit's outcome has not come yet."""
        assert self._program is not None
        k = message.k
        age_ps = t_ps - self._begin_ps(k) if t_ps else 0
        record = Corrected(message.run, message.batch, message.hseq, k, message.label, operation, t_ps, age_ps, reason)
        if reason or not self._program.basis(self.node, k):
            return record
        if k in self._outcomes:
            return self._measured(record, self._outcomes.pop(k))
        self._unmeasured[k] = record
        return None

    def _measured(self, record: Corrected, outcome: Outcome) -> Corrected:
        assert self._program is not None
        right = outcome.basis == self._program.basis(self.node, record.k) and outcome.bit in (0, 1)
        reason = "" if right else Reason.UNCONFIRMED
        return msgspec.structs.replace(record, basis=outcome.basis, bit=outcome.bit, reason=reason)

    def _forget(self) -> None:
        self._asked.clear()
        self._outcomes.clear()
        self._unmeasured.clear()
