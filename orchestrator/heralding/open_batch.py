"""A batch at the coordinator, as long as somebody has something to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ...testbed.attempts import AttemptProgram
from .delivery import Delivery, Pair
from .entries import Ended
from .store import Row
from .terms import Report, Send, end_ps


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
    """A batch's end is in the store; ``counts`` says what became of its heralds."""

    batch: int
    run: str
    state: BatchState
    reason: str
    counts: Mapping[str, int]


BookEffect = Send | Delivered | Concluded | Report


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
