"""Bulk sampling has the statistics of a slow reference that goes attempt by attempt."""

import numpy as np
import pytest
from bellringer.sim_backends.bench.memories.sampler import sample
from bellringer.sim_backends.bench.memories.table import HeraldTable

TABLE = HeraldTable(
    np.array([1, 2, 3, 1]),
    np.array([False, False, False, True]),
    np.array([0.02, 0.015, 0.004, 0.001]),
    np.broadcast_to(np.eye(4, dtype=complex) / 4, (4, 4, 4)),
    np.eye(4, dtype=complex) / 4,
)
HERALDS = np.array([True, True, False, False])


def rows(chances: list[float]) -> HeraldTable:
    """Return a table of the first rows with other probabilities."""
    n = len(chances)
    return HeraldTable(TABLE.pattern[:n], TABLE.doubled[:n], np.array(chances), TABLE.state[:n], TABLE.silent)


def one_by_one(rng: np.random.Generator, attempts: int, stop_after: int | None) -> tuple[list[int], list[int], int]:
    """Return (k, outcome, attempts made) with one draw of a uniform number for each attempt."""
    edges = np.cumsum(TABLE.probability)
    k, outcomes, heralds = [], [], 0
    for attempt in range(attempts):
        row = int(np.searchsorted(edges, rng.random(), side="right"))
        if row == len(edges):
            continue
        k.append(attempt)
        outcomes.append(row)
        heralds += bool(HERALDS[row])
        if stop_after is not None and heralds == stop_after:
            return k, outcomes, attempt + 1
    return k, outcomes, attempts


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether chi-square of two histograms lies within 4 sigma of its mean; bins below 20 are joined."""
    bins = [np.zeros(2)]
    for column in np.column_stack([first, second]):
        bins[-1] = bins[-1] + column
        if bins[-1].sum() >= 20:
            bins.append(np.zeros(2))
    bins[-2] = bins[-2] + bins[-1]
    counts = np.array(bins[:-1])
    totals = counts.sum(axis=0)
    expected = counts.sum(axis=1, keepdims=True) * totals / totals.sum()
    freedom = len(counts) - 1
    return bool((np.square(counts - expected) / expected).sum() < freedom + 4 * np.sqrt(2 * freedom))


def test_waits_and_outcomes_are_those_of_the_slow_reference():
    """Seeds 31 and 32, 400 000 attempts each (16 000 clicks); waits, outcomes, successions: chi-square, 4 sigma."""
    attempts = 400_000
    k, outcome, _ = one_by_one(np.random.default_rng(31), attempts, None)
    bulk = sample(TABLE, np.random.default_rng(32), attempts, HERALDS)
    assert alike(np.bincount(outcome, minlength=4), np.bincount(bulk.outcome, minlength=4))
    waits = [np.bincount(np.minimum(np.diff(each), 250), minlength=251) for each in (np.array(k), bulk.k)]
    assert alike(*waits)
    assert len(k) == pytest.approx(bulk.k.size, abs=4 * np.sqrt(2 * attempts * 0.04))
    follows = [np.bincount(4 * np.array(o)[:-1] + np.array(o)[1:], minlength=16) for o in (outcome, bulk.outcome)]
    assert alike(*follows)


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_stop_rule_ends_as_in_the_slow_reference(stop_after):
    """Seeds 33 and 34, 3000 batches each of at most 60 attempts (p of a herald 0.035); chi-square, 4 sigma."""
    rng, bulk_rng = np.random.default_rng(33), np.random.default_rng(34)
    slow = [one_by_one(rng, 60, stop_after) for _ in range(3000)]
    bulk = [sample(TABLE, bulk_rng, 60, HERALDS, stop_after) for _ in range(3000)]
    made = [made for _, _, made in slow], [each.attempts for each in bulk]
    assert alike(*(np.bincount(each, minlength=61) for each in made))
    clicks = [len(k) for k, _, _ in slow], [each.k.size for each in bulk]
    assert alike(*(np.bincount(each, minlength=20) for each in clicks))
    for each in bulk:
        assert each.heralds == HERALDS[each.outcome].sum() <= stop_after
        assert each.attempts == 60 or (each.k[-1] == each.attempts - 1 and HERALDS[each.outcome[-1]])


def test_attempts_ascend_and_stay_inside():
    """Seed 35, many small batches, so that ends of chunks fall everywhere."""
    rng = np.random.default_rng(35)
    for attempts in range(1, 200):
        bulk = sample(TABLE, rng, attempts, HERALDS)
        assert (np.diff(bulk.k) > 0).all()
        assert bulk.attempts == attempts
        assert not bulk.k.size or (bulk.k[0] >= 0 and bulk.k[-1] < attempts)


def test_more_clicks_than_one_chunk():
    """Seed 36: 2.5 million clicks, 5 sigma of their number and no seam between chunks."""
    bulk = sample(TABLE, np.random.default_rng(36), 62_500_000, HERALDS)
    assert bulk.k.size == pytest.approx(2.5e6, abs=5 * np.sqrt(2.5e6))
    assert np.diff(bulk.k).min() > 0
    assert np.diff(bulk.k).mean() == pytest.approx(25.0, abs=5 * 25 / np.sqrt(2.5e6))


def test_no_attempt_is_left_out_between_chunks():
    """Every attempt clicks, so every one must be there; chunks end at 2^20 clicks, and where a stop rule makes them."""
    found = sample(rows([1.0]), np.random.default_rng(40), 3 * 2**20 + 5, HERALDS[:1])
    assert (found.k == np.arange(3 * 2**20 + 5)).all()
    half = sample(rows([0.5, 0.5]), np.random.default_rng(40), 10**6, np.array([True, False]), 1000)
    assert (half.k == np.arange(half.attempts)).all()
    assert (half.outcome == 0).sum() == half.heralds == 1000


def test_more_attempts_than_one_horizon():
    """Seed 39: p = 4e-17, 500 times 2^46 attempts, 1.4 clicks expected; at most 9 (5 sigma)."""
    rare = rows([4e-17])
    found = [sample(rare, np.random.default_rng((39, n)), 2**46, HERALDS[:1]) for n in range(500)]
    assert sum(each.k.size for each in found) <= 9
    often = [sample(rows([4e-13]), np.random.default_rng((39, n)), 2**46, HERALDS[:1]) for n in range(100)]
    mean = 100 * 2**46 * 4e-13
    assert sum(each.k.size for each in often) == pytest.approx(mean, abs=5 * np.sqrt(mean))


def test_rare_outcomes_come_as_often_as_they_should():
    """Seed 37: an outcome of 1e-3 of the clicks among 4 million: 4 sigma of 4000."""
    bulk = sample(rows([1e-3, 1e-6]), np.random.default_rng(37), 4 * 10**9, HERALDS[:2])
    assert (bulk.outcome == 1).sum() == pytest.approx(4000, abs=4 * np.sqrt(4000))


def test_edge_cases():
    rng = np.random.default_rng(38)
    assert sample(rows([]), rng, 1000, HERALDS[:0]).attempts == 1000
    assert sample(TABLE, rng, 0, HERALDS).k.size == 0
    always = rows([1.0])
    assert sample(always, rng, 5, HERALDS[:1]).k.tolist() == [0, 1, 2, 3, 4]
    assert sample(always, rng, 5, HERALDS[:1], 2).attempts == 2
    never = sample(always, rng, 5, np.array([False]), 1)
    assert (never.attempts, never.heralds) == (5, 0)
