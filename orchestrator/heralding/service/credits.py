"""Back-pressure: a batch is ordered only where there is room for what will come of it.

Every party says how many batches it takes at a time (buffers, disk), and a core how many of its memory slots were free
when it was looked at. What batches may have stored since that look is promised, and taken off here: every look names
the newest batch that was over by then, all before it included, and a promise is kept until its batch has ended and a
look that includes it was heard. A party whose writer is slow says 0, and arming stops there; one that never said
anything has no room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class _Promise:
    memories: int
    batch: int | None = None
    """The parties' number of its batch, once that has ended; None before."""


@dataclass
class _Party:
    batches: int = 0
    memories: int = 0
    over: int = 0
    """Newest batch that is in what it says of its memory."""
    boot: str | None = None
    """Of its process; None if it has said nothing yet."""
    promised: dict[int, _Promise] = field(default_factory=dict)
    """By order."""

    def forget(self) -> None:
        """Drop the promises that its look includes."""
        self.promised = {
            order: each for order, each in self.promised.items() if each.batch is None or each.batch > self.over
        }


class Credits:
    """Room at every party, by its name."""

    def __init__(self) -> None:
        self._parties: dict[str, _Party] = {}

    def report(self, party: str, batches: int, memories: int, over: int, boot: str = "") -> None:
        """Take what a party says; one look that was made before another that was heard gives no memory any more.

        Args:
            party: its name.
            batches: so many it takes at a time.
            memories: so many were free when it was looked at.
            over: newest batch that was over there by then, with all before it; 0 for none.
            boot: of its process, which outlives no batch: those that had ended before it began are in its looks,
                even if it has forgotten their numbers.
        """
        known = self._parties.setdefault(party, _Party())
        if known.boot not in (boot, None):
            known.over = 0
            known.promised = {order: each for order, each in known.promised.items() if each.batch is None}
        known.boot = boot
        if over < known.over:
            over, memories = known.over, min(memories, known.memories)
        known.batches, known.memories, known.over = max(batches, 0), max(memories, 0), over
        known.forget()

    def unheard(self, parties: Iterable[str]) -> list[str]:
        """Return which of these have never said how much room they have."""
        return [name for name in parties if name not in self._parties or self._parties[name].boot is None]

    def batches(self, parties: Iterable[str]) -> int:
        """Return for how many more batches all of these have room."""
        return min((max(each.batches - _under_way(each), 0) for each in self._of(parties)), default=0)

    def memories(self, nodes: Iterable[str]) -> int:
        """Return how many more pairs all of these nodes can keep."""
        return min((max(each.memories - _promised(each), 0) for each in self._of(nodes)), default=0)

    def take(self, order: int, memories: Mapping[str, int]) -> None:
        """Promise room for one batch to every party named, and so many memories there."""
        for party, need in memories.items():
            self._parties.setdefault(party, _Party()).promised[order] = _Promise(need)

    def ended(self, order: int, batch: int) -> None:
        """Note that a batch is over; ``batch`` is the parties' number of it, 0 if it never was to be lit."""
        for party in self._parties.values():
            if order in party.promised:
                party.promised[order].batch = batch
                party.forget()

    def left_open(self, batch: int, memories: Mapping[str, int]) -> None:
        """Promise room for what a batch may have stored that was not ordered here: the one who ordered it is gone."""
        self.take(-batch, memories)
        self.ended(-batch, batch)

    def described(self) -> dict[str, dict[str, int]]:
        """Return the room at every party, for people."""
        return {name: {"batches": self.batches((name,)), "memories": self.memories((name,))} for name in self._parties}

    def _of(self, parties: Iterable[str]) -> list[_Party]:
        return [self._parties.get(name, _Party()) for name in parties]


def _under_way(party: _Party) -> int:
    return sum(each.batch is None for each in party.promised.values())


def _promised(party: _Party) -> int:
    return sum(each.memories for each in party.promised.values())
