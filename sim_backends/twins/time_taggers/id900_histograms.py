"""The ID900's histogram blocks: how long after the last reference event each stop event came."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from .scpi import Tree

Times = npt.NDArray[np.int64]


def since_reference(references: Times, stops: Times, *, same: bool) -> tuple[Times, Times]:
    """Return time since, and index of, the last reference at or before each stop; earlier stops are left out.

    With ``same``, references and stops are the same events, and each counts from the one before it.
    """
    index = np.searchsorted(references, stops, side="left" if same else "right") - 1
    known = index >= 0
    return stops[known] - references[index[known]], index[known]


class Histograms:
    """HIST1 to HIST4. They add up until flushed."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._bins: dict[int, Times] = {}
        for n in range(1, 5):
            tree.action(f"HISTogram{n}:FLUSh", partial(self._flush, n))
            tree.reading(f"HISTogram{n}:DATA", partial(self._text, n))
            tree.reading(f"HISTogram{n}:STATe", partial(self._state, n))

    def _flush(self, n: int) -> None:
        self._bins.pop(n, None)

    def _state(self, n: int) -> str:
        return "DATA" if n in self._bins else "EMPTY"

    def _text(self, n: int) -> str:
        bins = self._bins.get(n, np.zeros(self._tree.values[f"HIST{n}:BCOU"], np.int64))
        return "[" + ",".join(map(str, bins.tolist())) + "]"

    def add(self, source: Callable[[str], Times]) -> None:
        """Sort the events of one sub-acquisition in; ``source`` returns the tags of a block."""
        values = self._tree.values
        for n in range(1, 5):
            reference, stop = values[f"HIST{n}:REF:LINK"], values[f"HIST{n}:STOP:LINK"]
            if "NONE" in (reference, stop):
                continue
            count: int = values[f"HIST{n}:BCOU"]
            delays, _ = since_reference(source(reference), source(stop), same=reference == stop)
            number = (delays - values[f"HIST{n}:MIN"]) // values[f"HIST{n}:BWID"]
            new = np.bincount(number[(number >= 0) & (number < count)], minlength=count)
            old = self._bins.get(n)
            self._bins[n] = new + old if old is not None and len(old) == count else new
