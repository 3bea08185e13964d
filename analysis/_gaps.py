"""Gaps with why they are there and what was missed in them, put in order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import Times


@dataclass(frozen=True, eq=False)
class ToldGaps:
    """Gaps as ``Tags`` takes them, with the reason and the number of events missed (None: unknown) of each."""

    gaps: Times
    reasons: tuple[str, ...]
    missed: tuple[int | None, ...]


def told_gaps(edges: npt.ArrayLike, reasons: Sequence[str], missed: Sequence[int | None]) -> ToldGaps:
    """Return gaps in order and apart; only if some overlap or are out of order do any become one.

    One gap of several has the first reason that is known, and the sum of the numbers that are.

    Args:
        edges: int64[m, 2], [from, to) ps, in any order; empty ones become 1 ps long.
        reasons, missed: one each.
    """
    gaps = np.array(edges, np.int64).reshape(-1, 2)
    gaps[:, 1] = np.maximum(gaps[:, 1], gaps[:, 0] + 1)
    if (np.diff(gaps.ravel()) >= 0).all():
        return ToldGaps(gaps, tuple(reasons), tuple(missed))
    order = np.argsort(gaps[:, 0], kind="stable")
    gaps = gaps[order]
    ends = np.maximum.accumulate(gaps[:, 1])
    first = np.flatnonzero(np.concatenate([[True], gaps[1:, 0] > ends[:-1]]))
    bounds = [*first.tolist(), len(gaps)]
    told: list[str] = []
    counts: list[int | None] = []
    for low, high in itertools.pairwise(bounds):
        members = order[low:high].tolist()
        told.append(next((reasons[k] for k in members if reasons[k] != "unknown"), "unknown"))
        known = [count for k in members if (count := missed[k]) is not None]
        counts.append(sum(known) if known else None)
    return ToldGaps(np.column_stack([gaps[first, 0], ends[np.array(bounds[1:]) - 1]]), tuple(told), tuple(counts))
