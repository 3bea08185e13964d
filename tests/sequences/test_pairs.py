"""What a sequence gets from a request for pairs: counts by setting and label, and figures that hide nothing."""

import math
from dataclasses import replace

import pytest
from bellringer.sequences.pairs import Entanglement, Pair


def pair(hseq: int, label: str, bases: str, bits: tuple[int, int]) -> Pair:
    return Pair(1, hseq, hseq, label, label, 0, 10, bases=bases, bits=bits)


PAIRS = (
    pair(1, "psi+", "XX", (0, 0)),
    pair(2, "psi-", "XX", (0, 1)),
    pair(3, "psi+", "ZZ", (1, 0)),
    pair(4, "psi+", "XY", (1, 1)),
    Pair(1, 5, 5, "psi+", "psi+", 0, 10),
)


def found(pairs: tuple[Pair, ...] = PAIRS, lost: dict[str, int] | None = None) -> Entanglement:
    return Entanglement("ab", ("alice", "bob"), "OK", "", pairs, 1000, 2.0, 10, lost or {"late": 5})


def test_counts_are_by_setting_first_bit_and_second_bit():
    table = found().counts(("XX", "ZZ"))
    assert table.tolist() == [[[1, 1], [0, 0]], [[0, 0], [1, 0]]]


def test_counts_of_one_label_leave_the_others_out():
    assert found().counts(("XX",), "psi-").tolist() == [[[0, 1], [0, 0]]]
    assert found().labels() == ["psi+", "psi-"]


def test_rate_counts_every_delivered_pair_and_the_fraction_every_herald():
    assert found().rate.value == pytest.approx(2.5)
    assert found().rate.error == pytest.approx(math.sqrt(5) / 2)
    assert found().selected_fraction.value == pytest.approx(0.5)


def test_pairs_of_a_batch_whose_attempts_nobody_knows_are_in_no_rate():
    lost = Pair(2, 1, 1, "psi+", "psi+", 0, 10)
    both = replace(found((*PAIRS, lost)), uncounted=frozenset({2})).joined(found())
    assert (len(both.pairs), both.counted, both.uncounted) == (11, 10, {2})
    assert both.rate.value == pytest.approx(10 / 4.0)
    assert both.selected_fraction.value == pytest.approx(10 / 20)


def test_joined_requests_add_up_what_was_delivered_and_what_was_not():
    both = found().joined(found(PAIRS[:1], {"late": 1, "unconfirmed": 2}))
    assert (len(both.pairs), both.attempts, both.seconds, both.heralds) == (6, 2000, 4.0, 20)
    assert both.not_delivered == {"late": 6, "unconfirmed": 2}
