"""Which heralds become pairs: those that all three hold, the same, young enough, once; in whatever order they tell."""

import itertools

import msgspec
import pytest
from bellringer.orchestrator.heralding.delivery import Delivery
from bellringer.orchestrator.heralding.entries import Corrected, Ended, Heralded, Opened, to_bytes, with_records
from bellringer.orchestrator.heralding.recovered import recover
from bellringer.orchestrator.wire.codec import RESULTS

from .simulated_world import MS, PROGRAM

T_PS = 5_000 * MS
HERALD = Heralded("run", 7, 3, 10, 9, T_PS, "psi-", "")
ALICE = Corrected("run", 7, 3, 10, "psi-", "Z", T_PS + MS, 3 * MS, "")
BOB = Corrected("run", 7, 3, 10, "psi-", "X", T_PS + 2 * MS, 4 * MS, "")
ALL = {"charlie": HERALD, "alice": ALICE, "bob": BOB}


def delivered(records, order=("charlie", "alice", "bob")):
    delivery = Delivery(PROGRAM)
    pairs = [pair for party in order for pair in delivery.take(party, [records[party]])]
    return pairs, dict(delivery.close())


@pytest.mark.parametrize("order", list(itertools.permutations(ALL)))
def test_a_pair_is_delivered_with_the_last_of_the_three_words(order):
    delivery = Delivery(PROGRAM)
    for party in order[:2]:
        assert delivery.take(party, [ALL[party]]) == []
    (pair,) = delivery.take(order[2], [ALL[order[2]]])
    assert (pair.batch, pair.hseq, pair.k, pair.label, pair.t_ps) == (7, 3, 10, "psi-", T_PS)
    assert pair.corrected == {"alice": ALICE, "bob": BOB}
    for party in order:
        assert delivery.take(party, [ALL[party]]) == []  # told again, with the result
    assert delivery.close() == {"delivered": 1}


def changed(party, **changes):
    return {**ALL, party: msgspec.structs.replace(ALL[party], **changes)}


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (changed("alice", k=11), "unconfirmed"),
        (changed("bob", label="psi+", operation="I"), "unconfirmed"),
        (changed("alice", operation="X"), "unconfirmed"),
        (changed("alice", operation="I"), "unconfirmed"),
        (changed("alice", reason="late correction", applied_ps=0), "late correction"),
        (changed("bob", applied_ps=T_PS + 10 * MS + 1), "late correction"),
        (changed("bob", age_ps=40 * MS + 1), "too old"),
        (changed("charlie", reason="overflow", label=""), "overflow"),
        (changed("charlie", k=9), "unconfirmed"),
    ],
)
def test_whatever_does_not_fit_makes_no_pair_and_is_counted(records, reason):
    for order in itertools.permutations(ALL):
        assert delivered(records, order) == ([], {reason: 1})


def test_exactly_at_its_limits_a_pair_is_one():
    records = changed("bob", applied_ps=T_PS + 10 * MS, age_ps=40 * MS)
    assert len(delivered(records)[0]) == 1


def test_what_one_of_them_does_not_hold_is_no_pair():
    for missing in ALL:
        delivery = Delivery(PROGRAM)
        for party in ALL.keys() - {missing}:
            assert delivery.take(party, [ALL[party]]) == []
        assert delivery.close() == {"sequence gap" if missing == "charlie" else "unconfirmed": 1}


def test_gaps_in_the_stations_numbers_are_counted():
    delivery = Delivery(PROGRAM)
    heralds = [msgspec.structs.replace(HERALD, hseq=hseq, k=hseq) for hseq in (3, 5, 9)]
    delivery.take("charlie", heralds)
    assert delivery.close() == {"unconfirmed": 3, "sequence gap": 4}


def test_two_different_words_about_one_herald_are_no_pair():
    delivery = Delivery(PROGRAM)
    delivery.take("alice", [ALICE])
    delivery.take("alice", [msgspec.structs.replace(ALICE, applied_ps=T_PS)])
    assert [*delivery.take("bob", [BOB]), *delivery.take("charlie", [HERALD])] == []
    assert delivery.close() == {"unconfirmed": 1}


def test_one_attempt_is_one_pair():
    second = {party: msgspec.structs.replace(record, hseq=4) for party, record in ALL.items()}
    delivery = Delivery(PROGRAM)
    pairs = [pair for records in (ALL, second) for party in ALL for pair in delivery.take(party, [records[party]])]
    assert [pair.hseq for pair in pairs] == [3]
    assert delivery.close() == {"delivered": 1, "double": 1}


def test_nobody_speaks_for_another_party():
    delivery = Delivery(PROGRAM)
    assert delivery.take("alice", [HERALD, ALICE]) == []
    assert delivery.take("charlie", [BOB]) == []
    assert delivery.take("bob", [HERALD]) == []
    assert delivery.close() == {"sequence gap": 1}


def test_records_that_are_no_herald_are_counted_by_the_numbers_in_the_stations_result_and_are_no_gap():
    delivery = Delivery(PROGRAM)
    for party, record in ALL.items():
        delivery.take(party, [record])
    delivery.failed({"unknown pattern": (1, 2, 4), "overflow": (6,)})
    assert delivery.close() == {"delivered": 1, "unknown pattern": 3, "overflow": 1, "sequence gap": 1}, "number 5"


def test_a_result_with_a_click_in_every_attempt_can_be_told_and_comes_out_of_a_journal_as_it_was():
    """Two-click programs record every attempt with one click; their results must stay small enough to be sent."""
    clicks = [Heralded("run", 7, n, n, 1, T_PS + n, "", "unknown pattern") for n in range(1, 150_001)]
    records = [*clicks, msgspec.structs.replace(HERALD, hseq=150_001)]
    ended = with_records(Ended("run", 7, 1, T_PS, "digest", True, "", 10**6, 0, 0), records)
    assert ended.records == (records[-1],)
    assert ended.failures == {"unknown pattern": tuple(range(1, 150_001))}
    assert len(to_bytes(ended)) < RESULTS.header_bytes
    recovered = recover([Opened("run", 7, 1, T_PS, "digest"), *records, with_records(ended, ())])
    assert recovered.results["run", 7] == to_bytes(ended)
