"""The coordinator's state: who owns what, and runs."""

import math

import pytest
from bellringer.orchestrator.wire.messages import Get, Release, RunCommand, Status

from .desk import ALICE, ANNA, BEN, own, register, renew


def test_a_conflict_names_the_owner_since_when_and_until_when_and_nothing_is_taken(two):
    two.ask(ANNA, own("alice.laser", seconds=20.0))
    two.wait(2.0)
    error = two.refused(BEN, own("bob.laser", "alice.laser", run="r2"), "alice.laser is owned by run 'r1' of 'anna'")
    assert error.where == "since 2026-01-31 12:05:00 UTC, for 18.0 s more unless it asks again"
    assert two.ask(BEN, own("bob.laser", "bob.tagger", run="r3"))["kept"] is False


def test_ownership_ends_when_it_is_not_asked_for_again(two):
    two.ask(ANNA, own("alice.laser", seconds=2.0))
    two.wait(1.875)
    assert two.ask(ANNA, own("alice.laser", seconds=2.0))["kept"] is True
    two.wait(1.875)
    two.refused(BEN, own("alice.laser", run="r2"), "owned by run 'r1'")
    two.wait(0.125)
    assert two.events[-1] == "expired"
    two.ask(ALICE, register())
    two.ask(BEN, own("alice.laser", run="r2"))
    assert two.refused(ANNA, own("alice.laser"), "owned by run 'r2'")


def test_ownership_that_is_over_is_over_before_anybody_looked(two):
    two.ask(ANNA, own("alice.laser", seconds=2.0))
    two.now += 2.0
    two.ask(BEN, own("alice.laser", run="r2"))
    assert two.events[-2:] == ["expired", "owned"]


def test_a_run_that_comes_back_after_its_end_is_told_that_it_did_not_keep_its_instruments(two):
    two.ask(ANNA, own("alice.laser", seconds=2.0))
    two.wait(2.0)
    assert two.ask(ANNA, own("alice.laser"))["kept"] is False


def test_what_a_run_does_not_ask_for_any_more_is_free(two):
    two.ask(ANNA, own("alice.laser", "bob.laser"))
    assert two.ask(ANNA, own("bob.laser", "bob.tagger"))["instruments"] == ["bob.laser", "bob.tagger"]
    two.ask(BEN, own("alice.laser", run="r2"))


def test_a_release_frees_everything_and_only_its_owner_can(two):
    two.ask(ANNA, own("alice.laser", "bob.laser"))
    two.refused(BEN, Release(1, "r1"), "belongs to 'anna'")
    two.ask(ANNA, Release(1, "r1"))
    two.ask(BEN, own("bob.laser", "alice.laser", run="r2"))
    two.refused(ANNA, Release(1, "r1"), "has ended")
    assert two.refused(ANNA, Release(1, "r22"), "no run 'r22'").hint == "did you mean 'r2'?"


def test_another_key_cannot_speak_for_a_run(two):
    two.ask(ANNA, own("alice.laser"))
    two.refused(BEN, own("alice.laser"), "another run 'r1', of 'anna'")
    two.refused(BEN, own("bob.laser"), "another run 'r1', of 'anna'")


def test_the_same_person_runs_two_things_on_different_instruments_only(two):
    two.ask(ANNA, own("alice.laser"))
    two.refused(ANNA, own("alice.laser", run="r2"), "owned by run 'r1'")
    two.ask(ANNA, own("bob.laser", run="r2"))


def test_an_instrument_must_exist_on_a_node(two):
    assert two.refused(ANNA, own("alice.lasre"), "'alice.lasre'").hint == "did you mean 'alice.laser'?"
    two.refused(ANNA, own("alice.laser", "carol.laser"), "'carol.laser'")
    two.ask(BEN, own("alice.laser", run="r2"))


def test_an_instrument_of_a_lost_node_can_be_kept_but_not_taken(two):
    two.ask(ANNA, own("alice.laser", seconds=20.0))
    two.wait(4.0)
    two.refused(BEN, own("alice.tagger", run="r2"), "its node 'alice' was not heard for 4.0 s")
    assert two.ask(ANNA, own("alice.laser", seconds=20.0))["kept"] is True
    two.refused(ANNA, own("alice.laser", "alice.tagger"), "alice.tagger is out of reach")


@pytest.mark.parametrize(
    "message",
    [
        own(),
        own("alice.laser", run=""),
        own("alice.laser", seconds=0.0),
        own("alice.laser", seconds=-1.0),
        own("alice.laser", seconds=301.0),
        own("alice.laser", seconds=math.nan),
        own("alice.laser", seconds=math.inf),
    ],
)
def test_ownership_of_nothing_for_no_time_or_for_ever_is_refused(two, message):
    two.refused(ANNA, message, "cannot own")


def test_a_node_hears_who_owns_its_instruments_with_every_lease(two):
    two.ask(ANNA, own("alice.laser", "bob.laser", seconds=20.0))
    two.wait(1.0)
    assert two.ask(ALICE, renew())["ownership"] == {
        "alice.laser": {"run": "r1", "key": ANNA.key, "who": "anna", "seconds_left": 19.0, "epoch_tai_s": 0}
    }


def test_a_run_hears_what_it_was_asked_with_every_renewal(two):
    two.ask(ANNA, own("alice.laser"))
    for command, state in (("pause", "pausing"), ("resume", "running"), ("abort", "aborting")):
        assert two.ask(BEN, RunCommand(1, "r1", command))["state"] == state
        for _ in range(2):
            assert two.ask(ANNA, own("alice.laser"))["command"] == command
    two.refused(BEN, RunCommand(1, "r1", "resume"), "being aborted")
    two.ask(BEN, RunCommand(1, "r1", "abort"))
    assert two.events.count("run_command") == 3


def test_a_run_that_was_silent_when_it_was_aborted_hears_of_it_when_it_comes_back(two):
    two.ask(ANNA, own("alice.laser", seconds=2.0))
    two.ask(BEN, RunCommand(1, "r1", "abort"))
    two.wait(2.5)
    assert two.events[-1] == "expired"
    assert two.ask(ANNA, own("alice.laser"))["command"] == "abort"


def test_unknown_commands_and_runs_are_refused_with_the_nearest(two):
    two.ask(ANNA, own("alice.laser"))
    assert two.refused(BEN, RunCommand(1, "r1", "abrt"), "'abrt'").hint == "did you mean 'abort'?"
    two.refused(BEN, RunCommand(1, "r9", "abort"), "no run 'r9'")
    two.ask(ANNA, Release(1, "r1"))
    two.refused(BEN, RunCommand(1, "r1", "abort"), "has ended")


def test_the_table_of_runs_does_not_grow_for_ever(two):
    for number in range(200):
        two.ask(ANNA, own("alice.laser", run=f"run {number}"))
        two.ask(ANNA, Release(1, f"run {number}"))
    runs = two.ask(ANNA, Status(1))["runs"]
    assert [run["run"] for run in runs] == [f"run {number}" for number in range(150, 200)]


def test_what_is_for_a_node_is_refused(two):
    two.refused(ANNA, Get(1, "alice.laser", "power", 0), "does not answer 'get'")
