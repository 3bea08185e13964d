"""A request is checked by itself: what is wrong is named, whatever it is, and nothing is silently changed."""

import math

import msgspec
import pytest
from bellringer.orchestrator.heralding.service.requests import MOST_S, Request, RequestError, checked


def test_plain_values_and_a_request_that_nobody_checked_give_the_same(make):
    plain = make.request(priority=3, target="psi-")
    request = checked(plain)
    assert request == checked(Request(**plain)) == checked(msgspec.to_builtins(request))
    assert (request.pairs, request.nodes, request.target) == (10, ("alice", "bob"), "psi-")


def test_the_constructor_checks_nothing_but_checked_does(make):
    with pytest.raises(RequestError, match="Expected int, got str: 'ten'"):
        checked(Request(**make.request(pairs="ten")))


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"id": ""}, "id", "no id"),
        ({"id": "a b"}, "id", "no id"),
        ({"nodes": ("alice", "alice")}, "nodes", "both ends"),
        ({"nodes": ("alice",)}, "nodes", "length 2"),
        ({"pairs": 0}, "pairs", "out of range"),
        ({"pairs": 2**70}, "pairs", "out of range"),
        ({"pairs": 3.0}, "pairs", "got float"),
        ({"pairs": True}, "pairs", "got bool"),
        ({"priority": -1}, "priority", "out of range"),
        ({"priority": 10}, "priority", "out of range"),
        ({"kind": "kept"}, "kind", "no valid kind"),
        ({"target": "psi"}, "target", "no valid target"),
        ({"min_fidelity": math.nan}, "min_fidelity", "no fidelity"),
        ({"bases": ("XYZ", "XY")}, "bases", "3 bases at one node and 2 at the other"),
        ({"bases": ("", "")}, "bases", "are no bases"),
        ({"bases": ("XZ", "Xz")}, "bases", "'Xz' are no bases"),
        ({"bases": ("X", "X"), "kind": "keep", "max_age_s": 1.0}, "bases", "not measured"),
        ({"miss_budget": 0.0}, "miss_budget", "no share"),
        ({"miss_budget": math.nan}, "miss_budget", "no share"),
        ({"min_fidelity": 1.0}, "min_fidelity", "no fidelity"),
        ({"min_fidelity": -0.1}, "min_fidelity", "no fidelity"),
        ({"deadline_s": math.nan}, "deadline_s", "out of range"),
        ({"deadline_s": math.inf}, "deadline_s", "out of range"),
        ({"deadline_s": 0.0}, "deadline_s", "out of range"),
        ({"deadline_s": MOST_S * 1.01}, "deadline_s", "out of range"),
        ({"deadline_s": "1 s"}, "deadline_s", "got str"),
        ({"longest_wait_s": 200.0}, "longest_wait_s", "after the deadline"),
        ({"longest_wait_s": math.nan}, "longest_wait_s", "out of range"),
        ({"max_age_s": 1.0}, "max_age_s", "have no age"),
        ({"kind": "keep"}, "max_age_s", "no memory cut-off"),
        ({"kind": "keep", "max_age_s": math.inf}, "max_age_s", "no memory cut-off"),
        ({"kind": "keep", "max_age_s": math.nan}, "max_age_s", "no memory cut-off"),
        ({"packet_pairs": 3, "packet_window_s": 1.0}, "pairs", "no whole number of packets"),
        ({"packet_pairs": 2}, "packet_window_s", "0 s for packets of 2"),
        ({"packet_window_s": 1.0}, "packet_window_s", "1 s for packets of 1"),
        ({"packet_pairs": 2, "packet_window_s": math.nan}, "packet_window_s", "nan s"),
        (
            {"kind": "keep", "max_age_s": 0.1, "packet_pairs": 2, "packet_window_s": 0.2},
            "packet_window_s",
            "more than max_age_s",
        ),
        ({"calibration_max_age_s": 0.0}, "calibration_max_age_s", "out of range"),
        ({"most_attempts": 0}, "most_attempts", "out of range"),
        ({"most_light_s": -1.0}, "most_light_s", "out of range"),
        ({"colour": "red"}, "colour", "unknown field"),
    ],
)
def test_what_is_wrong_is_named_with_its_field_and_what_to_do(make, changes, where, what):
    with pytest.raises(RequestError, match=what) as caught:
        checked(make.request(**changes))
    assert caught.value.where == where
    assert caught.value.hint


def test_a_misspelt_field_is_told_the_right_one(make):
    with pytest.raises(RequestError) as caught:
        checked(make.request(min_fidelty=0.8))
    assert caught.value.hint == "did you mean 'min_fidelity'?"


def test_a_missing_field_is_named(make):
    plain = make.request()
    del plain["deadline_s"]
    with pytest.raises(RequestError, match="'deadline_s' is missing"):
        checked(plain)


def test_several_mistakes_are_told_at_once(make):
    with pytest.raises(RequestError) as caught:
        checked(make.request(pairs=0, priority=11))
    assert caught.value.what.splitlines() == [
        "2 errors in the request:",
        "pairs: 0 is out of range (1 to 1000000)",
        "priority: 11 is out of range (0 to 9)",
    ]


@pytest.mark.parametrize("asked", [[], 5, "pairs", None])
def test_what_is_no_request_at_all_is_refused(asked):
    with pytest.raises(RequestError):
        checked(asked)
