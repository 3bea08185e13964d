"""A batch at the coordinator, as long as somebody has something to say about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ...testbed.attempts import AttemptProgram
from .delivery import Delivery, Pair
from .entries import Ended
from .store import Row, Spent
from .terms import PS_PER_S, Reason, Report, Send, end_ps


class BatchState(StrEnum):
    ALLOCATED = "ALLOCATED"
    PREPARING = "PREPARING"
    COMMITTING = "COMMITTING"
    RUNNING = "RUNNING"
    COLLECTING = "COLLECTING"
    RESOLVING = "RESOLVING"
    RECORDED = "RECORDED"
    VOID = "VOID"


@dataclass(frozen=True)
class Delivered:
    """These pairs are in the store and were not before; they are nobody else's."""

    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Concluded:
    """A batch's end is in the store; ``counts`` says what had become of its heralds by then.

    ``spent`` is None for a void one: what it took follows once all parties have said it, or never.
    """

    batch: int
    run: str
    state: BatchState
    reason: str
    counts: Mapping[str, int]
    spent: Spent | None = None


BookEffect = Send | Delivered | Concluded | Spent | Report


@dataclass
class OpenBatch:
    """A batch, until all its parties have answered."""

    row: Row
    program: AttemptProgram
    text: bytes
    """The program's canonical bytes."""
    state: BatchState
    since_s: float
    boots: dict[str, str] = field(default_factory=dict)
    """Who is armed, and which process of theirs."""
    answers: dict[str, Ended | None] = field(default_factory=dict)
    """Results; None says that there is none."""
    repeat_s: float = 0.0
    held: list[Pair] = field(default_factory=list)
    """Pairs that all parties hold and nobody was told of yet."""
    ended: bool = False

    def __post_init__(self) -> None:
        self.delivery = Delivery(self.program)

    @property
    def parties(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.program.nodes, self.program.station)))

    @property
    def end_ps(self) -> int:
        return end_ps(self.program, self.row.start_ps)

    def silent(self) -> list[str]:
        return [party for party in self.parties if party not in self.answers]

    def is_of(self, ended: Ended) -> bool:
        """Return whether a result is one of what was ordered."""
        row = self.row
        return (ended.epoch, ended.start_ps, ended.digest) == (row.epoch, row.start_ps, row.digest)

    def spent(self, delivered: int | None = None) -> Spent | None:
        """Return what it took, None if a party cannot say it; so many pairs are somebody's, None for all."""
        answers = {party: ended for party, ended in self.answers.items() if ended is not None}
        made = [ended.attempts for ended in answers.values() if self.is_of(ended)]
        if len(made) < len(self.parties):
            return None
        # Those that were stopped were so each in its time: only what all of them took part in can have had a herald.
        attempts = max(made) if all(ended.complete for ended in answers.values()) else min(made)
        for party, ended in answers.items():
            self.delivery.take(party, (each for each in ended.records if each.k < attempts))
            if party == self.program.station:
                beyond = min((each.hseq for each in ended.records if each.k >= attempts), default=math.inf)
                failures = {reason: [n for n in numbers if n < beyond] for reason, numbers in ended.failures.items()}
                self.delivery.failed(failures)
        counts = self.delivery.close()
        if not attempts and (max(made) or counts["delivered"]):
            return None  # a core or a process was lost, and with it how many it had made
        nobodys = 0 if delivered is None else max(counts["delivered"] - delivered, 0)
        counts["delivered"] -= nobodys
        counts[str(Reason.VOID)] += nobodys
        seconds = attempts * self.program.period_ps / PS_PER_S
        return Spent(self.row.batch, self.row.run, attempts, seconds, dict(+counts))
