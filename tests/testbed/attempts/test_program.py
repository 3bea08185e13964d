"""A program is the same whoever writes it down: one digest, one meaning of its bits and indices."""

import hashlib
import json
import random

import pytest
from bellringer.testbed.attempts import Calibration, from_json, program
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError


def shuffled(value, order):
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.data(), st.integers(0, 2**32))
def test_the_digest_is_that_of_the_content_whatever_the_order_of_keys(any_lawful, data, seed):
    first = program(**data.draw(any_lawful))
    other = json.dumps(shuffled(json.loads(first.canonical()), random.Random(seed)), indent=1)
    assert from_json(other) == first
    assert from_json(other).digest == first.digest == hashlib.sha256(first.canonical()).hexdigest()


@settings(deadline=None)
@given(st.data(), st.integers(0, 2**32))
def test_orders_that_mean_nothing_do_not_change_the_digest_and_those_that_do_change_it(any_lawful, data, seed):
    fields = data.draw(any_lawful)
    order = random.Random(seed)
    same = dict(fields)
    for key in ("pulses", "heralds", "feedforward"):
        same[key] = tuple(order.sample(fields[key], len(fields[key])))
    same["heralds"] = tuple({**each, "clicks": each["clicks"][::-1]} for each in same["heralds"])
    assert program(**same).digest == program(**fields).digest
    if len(fields["detectors"]) > 1:
        assert program(**{**fields, "detectors": fields["detectors"][::-1]}).digest != program(**fields).digest


@settings(deadline=None)
@given(st.data())
def test_a_program_comes_back_from_its_bytes(any_lawful, data):
    first = program(**data.draw(any_lawful))
    assert first.canonical().isascii()
    assert from_json(first.canonical()) == first
    assert from_json(first.canonical().decode()).canonical() == first.canonical()


def test_the_canonical_bytes_are_fixed_because_cores_outside_this_package_hash_them_too(small):
    text = program(**small()).canonical()
    assert text.startswith(b'{"calibration":null,"detectors":["d0","d1"],"feedforward":[{"deadline_ps":1000000000,')
    assert text.endswith(b'"version":1,"windows":[{"begin_ps":100,"length_ps":1000,"name":"w"}]}')
    assert program(**small()).digest == "d7c7e4c6da9d82f38e8c34c711cdf31ef1c01c3cb0faa3cdd87a149879384fdf"


def test_bits_are_counted_detector_by_detector(small):
    windows = ({"name": "early", "begin_ps": 0, "length_ps": 9}, {"name": "late", "begin_ps": 20, "length_ps": 9})
    heralds = ({"clicks": (("d1", "late"), ("d0", "early")), "label": "psi-"},)
    made = program(**small(windows=windows, heralds=heralds, feedforward=small()["feedforward"][1:]))
    assert [made.bit(*each) for each in (("d0", "early"), ("d0", "late"), ("d1", "early"), ("d1", "late"))] == [
        *range(4)
    ]
    assert made.table() == {0b1001: "psi-"}
    assert made.heralds[0].clicks == (("d0", "early"), ("d1", "late"))


def test_attempts_end_at_the_nearer_cut_off(small):
    assert program(**small()).attempts == 1000
    assert program(**small(most_ps=5_000_000 * 7 + 4_999_999)).attempts == 7


@pytest.mark.parametrize(("trip", "flying"), [(1, 1), (5_000_000, 1), (5_000_001, 2), (20_000_000, 4)])
def test_attempts_under_way_are_counted_to_the_whole_one(small, trip, flying):
    assert program(**small(round_trip_ps=trip, memory_modes=4)).in_flight == flying


def test_calibration_takes_its_turn_after_every_so_many_attempts(small):
    made = program(**small(calibration=Calibration(every=3, length=2)))
    assert [made.calibrates(k) for k in range(10)] == [False] * 3 + [True] * 2 + [False] * 3 + [True] * 2
    assert not any(program(**small()).calibrates(k) for k in range(10))


def test_a_label_owes_what_the_table_says(small):
    assert [(each.node, each.operation) for each in program(**small()).owed("psi-")] == [("alice", "Z")]
    assert program(**small()).owed("phi+") == ()


def test_a_program_never_changes(small):
    with pytest.raises(ValidationError, match="frozen"):
        program(**small()).period_ps = 7


@pytest.mark.parametrize(
    ("keep", "stop", "modes", "wanted"),
    [
        ("measure", {"kind": "full"}, 1, None),
        ("measure", {"kind": "first"}, 1, 1),
        ("measure", {"kind": "count", "count": 5}, 1, 5),
        ("keep", {"kind": "full"}, 1, 1),
        ("keep", {"kind": "full"}, 3, 3),
        ("keep", {"kind": "count", "count": 2}, 3, 2),
        ("keep", {"kind": "count", "count": 5}, 3, 3),
        ("keep", {"kind": "first"}, 3, 1),
    ],
)
def test_a_batch_stops_by_its_rule_or_when_memory_is_full(small, keep, stop, modes, wanted):
    assert program(**small(keep=keep, stop=stop, memory_modes=modes)).heralds_wanted == wanted


def test_bases_are_taken_in_turn(small):
    readout = ({"node": "alice", "bases": ("X", "Z", "Z")},)
    made = program(**small(keep="measure", readout=readout))
    assert [made.basis("alice", k) for k in range(5)] == ["X", "Z", "Z", "X", "Z"]
    assert made.basis("bob", 0) == ""
