"""Attempts in bulk: waiting times to the next click are geometric, so silent attempts cost nothing.

Attempts are independent and alike while the optics stay the same. Drawing the wait to the next attempt with a click,
and then which outcome it was, has exactly the statistics of drawing attempt by attempt. Uniform numbers are float64:
outcomes of probability 1e-12 beside a click probability of 1e-3 come as often as they should.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .table import HeraldTable

Ints = npt.NDArray[np.int64]

_CHUNK = 1 << 20
_HORIZON = 1 << 40
"""Clicks and attempts drawn at once: their product stays inside int64."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """Clicks of consecutive attempts.

    Attributes:
        k: int64[n], attempts with a click, ascending, counted from 0.
        outcome: int64[n], row of the table.
        attempts: how many attempts were made; fewer than asked for if the stop rule ended them.
        heralds: how many of the clicks were heralds.
    """

    k: Ints
    outcome: Ints
    attempts: int
    heralds: int


def sample(
    table: HeraldTable,
    rng: np.random.Generator,
    attempts: int,
    is_herald: npt.NDArray[np.bool_],
    stop_after: int | None = None,
) -> Sampled:
    """Return the clicks of up to ``attempts`` attempts.

    Args:
        is_herald: bool[rows of the table], which outcomes the stop rule counts.
        stop_after: end with this many heralds, the last of them in the last attempt; None: make all attempts.
    """
    chance = table.click_probability
    if attempts <= 0 or chance <= 0 or stop_after == 0:
        return _nothing(max(0, attempts) if stop_after != 0 else 0)
    edges = np.cumsum(table.probability)
    parts: list[tuple[Ints, Ints]] = []
    done, heralds = 0, 0
    while done < attempts:
        end = min(attempts, done + _HORIZON)
        enough = _enough(table, is_herald, chance, stop_after, heralds)
        k, outcome = _chunk(rng, chance, edges, done, end, enough)
        done = int(k[-1]) + 1 if k[-1] < end else end  # waiting has no memory: the next chunk begins anywhere
        k, outcome = k[k < end], outcome[k < end]
        counted = is_herald[outcome].cumsum() + heralds
        if stop_after is not None and k.size and counted[-1] >= stop_after:
            last = int(np.searchsorted(counted, stop_after))
            parts.append((k[: last + 1], outcome[: last + 1]))
            return _joined(parts, int(k[last]) + 1, stop_after)
        heralds = int(counted[-1]) if k.size else heralds
        parts.append((k, outcome))
    return _joined(parts, attempts, heralds)


def _enough(
    table: HeraldTable, is_herald: npt.NDArray[np.bool_], chance: float, stop_after: int | None, heralds: int
) -> float:
    """Return about how many clicks are needed until the stop rule ends the attempts."""
    share = float(table.probability[is_herald].sum()) / chance
    if stop_after is None or share == 0:
        return math.inf
    missing = stop_after - heralds
    return (missing + 4 * math.sqrt(missing) + 4) / share


def _chunk(
    rng: np.random.Generator, chance: float, edges: npt.NDArray[np.float64], done: int, end: int, enough: float
) -> tuple[Ints, Ints]:
    """Return the next clicks after ``done`` attempts; the last of them may lie at ``end`` or beyond."""
    left = end - done
    expected = left * chance
    count = int(min(expected + 6 * math.sqrt(expected) + 16, enough, _CHUNK))
    waits = np.minimum(rng.geometric(chance, count), left + 1)
    k = done - 1 + np.cumsum(waits)
    outcome = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    return k.astype(np.int64), np.minimum(outcome, edges.size - 1).astype(np.int64)


def _joined(parts: list[tuple[Ints, Ints]], attempts: int, heralds: int) -> Sampled:
    k, outcome = (np.concatenate(column) for column in zip(*parts))
    return Sampled(k, outcome, attempts, heralds)


def _nothing(attempts: int) -> Sampled:
    return Sampled(np.empty(0, np.int64), np.empty(0, np.int64), attempts, 0)
