"""Hardware time at the coordinator, as most nodes have it."""

from collections.abc import Sequence

from ..heralding.terms import PS_PER_S
from ..wire.messages import Core
from .nodes import LOST_AFTER_S


class HardwareTime:
    """The difference of hardware time and the coordinator's clock: the median of what nodes said last.

    So a node whose clock stepped, or whose word was long on its way, moves no time of links that it takes no part in. A
    node counts while all its cores are locked and it is heard; without any, time goes on as it was.
    """

    def __init__(self) -> None:
        self._offset_ps = 0
        self._said: dict[str, tuple[int, float]] = {}
        """Node -> the difference by its word, ps, and when that was heard."""

    def heard(self, node: str, cores: Sequence[Core], now_s: float) -> None:
        """Take what a node says of its cores; they share one reading of hardware time."""
        self._said = {name: said for name, said in self._said.items() if now_s - said[1] < LOST_AFTER_S}
        self._said.pop(node, None)
        if cores and all(core.locked for core in cores):
            self._said[node] = cores[0].hw_ps - round(now_s * PS_PER_S), now_s
        found = sorted(offset_ps for offset_ps, _ in self._said.values())
        if found:  # of two in the middle the one nearer to what it was: one of the two may have stepped
            middle = found[(len(found) - 1) // 2 : len(found) // 2 + 1]
            self._offset_ps = min(middle, key=lambda each: abs(each - self._offset_ps))

    def now_ps(self, now_s: float) -> int:
        """Return hardware time, ps, at ``now_s`` of the coordinator's clock."""
        return round(now_s * PS_PER_S) + self._offset_ps
