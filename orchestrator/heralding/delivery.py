"""Which heralds of a batch have become pairs: those that station and nodes all hold, the same one, young enough.

A pair is decided about once. Everything is looked at again here, deadlines and ages too: a mistake of one party alone
delivers nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...testbed.attempts import AttemptProgram
from .entries import Corrected, Heralded, Record
from .terms import Reason


@dataclass(frozen=True)
class Pair:
    """One delivered pair.

    Attributes:
        batch, hseq, k: its name: batch, the station's number, the nodes' attempt.
        label: the Bell state announced, before corrections.
        t_ps: the herald, hardware time.
        corrected: what each node did, by node.
    """

    run: str
    batch: int
    hseq: int
    k: int
    label: str
    t_ps: int
    corrected: dict[str, Corrected]


@dataclass
class _Candidate:
    heralded: Heralded | None = None
    corrected: dict[str, Corrected] = field(default_factory=dict)
    contradicted: bool = False


class Delivery:
    """The pairs of one batch."""

    def __init__(self, program: AttemptProgram) -> None:
        self._program = program
        self._candidates: dict[int, _Candidate] = {}
        self._decided: dict[int, str] = {}
        self._failed: dict[int, str] = {}
        self._attempts: set[int] = set()

    def take(self, party: str, records: Iterable[Record]) -> list[Pair]:
        """Take in what a party has on its disk, perhaps not for the first time; return the pairs that are one now."""
        pairs = []
        for record in records:
            if record.hseq in self._decided:
                continue
            candidate = self._candidates.setdefault(record.hseq, _Candidate())
            self._note(candidate, party, record)
            reason = self._judge(candidate)
            if reason is None:
                continue
            self._decided[record.hseq] = reason
            if not reason:
                pairs.append(_pair(candidate))
                self._attempts.add(record.k)
        return pairs

    def failed(self, failures: Mapping[str, Iterable[int]]) -> None:
        """Take in what the station's result says was no herald: numbers of records by reason."""
        for reason, numbers in failures.items():
            self._failed.update(dict.fromkeys(numbers, reason))

    def close(self) -> Counter[str]:
        """Nothing more will come: return how many records ended how; "delivered", or the reason why not."""
        decided = {**self._failed, **self._decided}
        counts = Counter(reason or "delivered" for reason in decided.values())
        undecided = [each for hseq, each in self._candidates.items() if hseq not in decided]
        counts.update(Reason.GAP if each.heralded is None else Reason.UNCONFIRMED for each in undecided)
        numbers = {hseq for hseq, each in self._candidates.items() if each.heralded is not None} | self._failed.keys()
        if numbers:
            unknown = set(range(min(numbers), max(numbers))) - self._candidates.keys() - self._failed.keys()
            counts.update({str(Reason.GAP): len(unknown)})
        return +Counter({str(reason): count for reason, count in counts.items()})

    def _note(self, candidate: _Candidate, party: str, record: Record) -> None:
        """Keep a record if it is the party's to make; a second one must say the same."""
        if isinstance(record, Heralded) and party == self._program.station:
            candidate.contradicted |= candidate.heralded not in (None, record)
            candidate.heralded = record
        elif isinstance(record, Corrected) and party in self._program.nodes:
            candidate.contradicted |= candidate.corrected.get(party, record) != record
            candidate.corrected[party] = record

    def _judge(self, candidate: _Candidate) -> str | None:
        """Return "" for a pair, the reason why it never will be one, or None if it is too early to say."""
        heralded = candidate.heralded
        if heralded is not None and heralded.reason:
            return heralded.reason
        for corrected in candidate.corrected.values():
            if corrected.reason:
                return corrected.reason
        if candidate.contradicted:
            return Reason.UNCONFIRMED
        if heralded is None or candidate.corrected.keys() != set(self._program.nodes):
            return None
        if heralded.k in self._attempts:
            return Reason.DOUBLE
        faults = (self._fault(node, corrected, heralded) for node, corrected in candidate.corrected.items())
        return next(filter(None, faults), "")

    def _fault(self, node: str, corrected: Corrected, heralded: Heralded) -> str:
        if (corrected.k, corrected.label) != (heralded.k, heralded.label):
            return Reason.UNCONFIRMED
        program = self._program
        owed = [each for each in program.owed(heralded.label) if each.node == node]
        if corrected.operation != (owed[0].operation if owed else "I"):
            return Reason.UNCONFIRMED
        if corrected.operation != "I" and corrected.applied_ps > heralded.t_ps + owed[0].deadline_ps:
            return Reason.LATE_CORRECTION
        return Reason.TOO_OLD if program.max_age_ps and corrected.age_ps > program.max_age_ps else ""


def _pair(candidate: _Candidate) -> Pair:
    heralded = candidate.heralded
    assert heralded is not None
    return Pair(
        heralded.run,
        heralded.batch,
        heralded.hseq,
        heralded.k,
        heralded.label,
        heralded.t_ps,
        dict(candidate.corrected),
    )
