"""Back-pressure: a batch is ordered only where there is room for what will come of it.

Every party says how many more batches it has room for (buffers, disk) and, a node, how many memories are free. What it
says counts what it promised to the batches it has heard of; what was ordered since is taken off here. A party whose
writer is slow says 0, and arming stops there; one that never said anything has no room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class _Party:
    batches: int = 0
    memories: int = 0
    ordered: dict[int, int] = field(default_factory=dict)
    """Orders the party's report does not count yet: their memories."""
    ended: set[int] = field(default_factory=set)


class Credits:
    """Room at every party, by its name."""

    def __init__(self) -> None:
        self._parties: dict[str, _Party] = {}

    def report(self, party: str, batches: int, memories: int, newest_order: int) -> None:
        """Take what a party says.

        Args:
            party: its name.
            batches: so many more it has room for.
            memories: so many are free and not promised to a batch.
            newest_order: the newest order it has heard of; 0 for none.
        """
        known = self._parties.setdefault(party, _Party())
        known.batches, known.memories = max(batches, 0), max(memories, 0)
        counted = {order for order in known.ordered if order <= newest_order} | known.ended
        known.ordered = {order: need for order, need in known.ordered.items() if order not in counted}
        known.ended.clear()

    def unheard(self, parties: Iterable[str]) -> list[str]:
        """Return which of these have never said how much room they have."""
        return [name for name in parties if name not in self._parties]

    def batches(self, parties: Iterable[str]) -> int:
        """Return for how many more batches all of these have room."""
        return min((max(each.batches - len(each.ordered), 0) for each in self._of(parties)), default=0)

    def memories(self, nodes: Iterable[str]) -> int:
        """Return how many more pairs all of these nodes can keep."""
        return min((max(each.memories - sum(each.ordered.values()), 0) for each in self._of(nodes)), default=0)

    def take(self, order: int, memories: Mapping[str, int]) -> None:
        """Take room for one batch at every party named, and so many memories there."""
        for party, need in memories.items():
            self._parties.setdefault(party, _Party()).ordered[order] = need

    def ended(self, order: int) -> None:
        """Note that a batch is over: what the parties say from now on counts it, whatever they heard of it."""
        for party in self._parties.values():
            if order in party.ordered:
                party.ended.add(order)

    def described(self) -> dict[str, dict[str, int]]:
        """Return the room at every party, for people."""
        return {name: {"batches": self.batches((name,)), "memories": self.memories((name,))} for name in self._parties}

    def _of(self, parties: Iterable[str]) -> list[_Party]:
        return [self._parties.get(name, _Party()) for name in parties]
