"""Conditions and suspension: no trip is missed, hold-off counts from the last bad moment, silence is bad."""

import math

import pytest
from bellringer.orchestrator.heralding.conditions import (
    DetectorLimits,
    clock_unlocked,
    detector_unfit,
    interlock_open,
    visibility_low,
)
from bellringer.orchestrator.heralding.service.replies import Code
from bellringer.orchestrator.heralding.service.suspenders import Condition, Suspenders
from bellringer.testbed.errors import BellringerError
from hypothesis import given, settings
from hypothesis import strategies as st


def watching(*changes):
    found = [Condition(**{"name": f"c{n}", "links": ("ab",), **each}) for n, each in enumerate(changes or ({},))]
    return Suspenders(tuple(found), 0.0)


def good(suspenders, *times, name="c0", trips=0):
    for now in times:
        suspenders.report(name, "", trips, float(now))


def test_a_link_is_used_only_when_all_was_good_for_the_hold_off_time():
    clock = watching()
    assert clock.blocking("ab", 0.0)[1:] == ("it was not reported yet", math.inf)
    good(clock, *range(1, 11))
    assert clock.blocking("ab", 10.9)[2] == pytest.approx(0.1)
    good(clock, 11)
    assert clock.blocking("ab", 11.0) is None
    assert clock.blocking("other", 0.0) is None


def test_hold_off_counts_from_when_it_is_good_again():
    clock = watching()
    good(clock, *range(12))
    assert clock.report("c0", "unlocked", 1, 12.0)
    assert not clock.report("c0", "unlocked", 1, 13.0), "one trip, however long it lasts"
    good(clock, 14, trips=1)
    assert clock.blocking("ab", 14.0) == (clock.condition("c0"), "unlocked", 10.0)
    good(clock, *range(15, 24), trips=1)
    assert clock.blocking("ab", 23.9) is not None
    good(clock, 24, trips=1)
    assert clock.blocking("ab", 24.0) is None


def test_a_trip_that_came_and_went_between_two_looks_is_not_missed():
    clock = watching()
    good(clock, *range(12))
    assert clock.report("c0", "", 1, 12.0)
    assert clock.blocking("ab", 12.0)[1] == "it tripped and went well again between two looks"
    assert clock.blocking("ab", 12.0)[2] == 10.0
    assert clock.described(12.0)["c0"]["trips"] == 1


def test_a_watcher_that_began_anew_may_have_missed_one():
    clock = watching()
    good(clock, *range(12), trips=5)
    assert clock.report("c0", "", 0, 12.0)


def test_another_trip_in_the_hold_off_begins_it_anew():
    clock = watching()
    good(clock, *range(12))
    clock.report("c0", "unlocked", 1, 12.0)
    good(clock, 13, 14, 15, trips=1)
    assert clock.report("c0", "", 2, 16.0)
    assert clock.blocking("ab", 23.5) is not None


def test_silence_is_a_trip():
    clock = watching()
    good(clock, *range(12))
    assert clock.tick(13.0) == ()
    assert clock.tick(13.1) == ("c0",)
    assert clock.tick(14.0) == ()
    assert clock.blocking("ab", 14.0)[1:] == ("it was not reported for 2.1 s", math.inf)
    good(clock, 15)
    assert clock.blocking("ab", 15.0)[2] == 10.0


def test_silence_that_nobody_looked_at_before_the_next_report_still_counts():
    clock = watching()
    good(clock, *range(12))
    good(clock, 20)
    assert clock.blocking("ab", 20.0)[2] == 10.0
    assert clock.described(20.0)["c0"]["trips"] == 1


def test_an_interlock_is_named_before_others_and_what_calibration_cures_does_not_stop_it():
    several = watching({"spoils": True}, {"code": Code.INTERLOCK})
    assert several.blocking("ab", 0.0)[0].code is Code.INTERLOCK
    good(several, *range(11), name="c1")
    assert several.blocking("ab", 10.0)[0].name == "c0"
    assert several.blocking("ab", 10.0, calibrating=True) is None


def test_what_there_is_not_is_refused():
    with pytest.raises(BellringerError, match="same name"):
        watching({"name": "x"}, {"name": "x"})
    with pytest.raises(BellringerError, match="no condition"):
        watching().report("clock", "", 0, 0.0)


@settings(max_examples=100, deadline=None)
@given(bad=st.sets(st.integers(0, 79), max_size=5), looks=st.lists(st.integers(1, 6), min_size=12, max_size=40))
def test_however_seldom_it_is_looked_at_a_link_is_never_used_within_the_hold_off_of_a_trip(bad, looks):
    """The world is good or bad every 0.25 s; its watcher counts every trip, and is looked at up to 1.5 s later."""
    world = [step not in bad for step in range(80)]
    clock = watching({"hold_off_s": 3.0})
    trips, step, seen = 0, -1, None
    for look in looks:
        if step + look >= len(world):
            break
        for _ in range(look):
            step += 1
            trips += not world[step] and (step == 0 or world[step - 1])
        tripped = clock.report("c0", "" if world[step] else "bad", trips, step / 4)
        assert tripped == (seen is not None and trips > seen)
        seen = trips
        if clock.blocking("ab", step / 4) is None:
            assert step >= 12
            assert all(world[step - 12 : step + 1])


def test_an_interlock_is_closed_only_if_it_says_true():
    assert interlock_open(True) == ""
    for reading in (False, None, 1, "closed", object(), float("nan")):
        assert "open" in interlock_open(reading)


def test_a_clock_is_locked_only_without_holdover():
    assert clock_unlocked(True) == clock_unlocked(True, False) == ""
    for reading in ((False,), (None,), (True, True), (True, None), (1, False)):
        assert clock_unlocked(*reading)


def test_a_visibility_must_reach_its_limit_with_its_error():
    assert visibility_low(0.92, 0.01, 0.9) == ""
    assert visibility_low(0.905, 0.01, 0.9) == "the visibility is 0.9050 +- 0.0100, below 0.9"
    for reading in ((None, 0.01), (0.99, None), (math.nan, 0.0), (0.99, math.nan)):
        assert "no visibility" in visibility_low(*reading, 0.9)


LIMITS = DetectorLimits(dark_hz=100.0, dead_time_s=50e-9)


@pytest.mark.parametrize(
    ("count", "live_s", "lit", "reason"),
    [
        (98, 1.0, False, ""),
        (0, 0.1, True, ""),  # 10 dark counts expected: chance 5e-5 is no proof
        (0, 0.3, True, "latched or blind"),
        (5_000, 1.0, True, ""),
        (5_000, 1.0, False, "jumped: 5000 in 1 s, 100 were expected"),
        (160, 1.0, False, ""),  # 1e-8 by chance
        (170, 1.0, False, "jumped"),  # 3e-10
        (1_900_000, 1.0, True, ""),
        (2_100_000, 1.0, True, "saturated: dead time swallows 10% of its clicks"),
        (None, 1.0, True, "cannot be read"),
        (5, None, True, "cannot be read"),
        (5, 0.0, True, "cannot be read"),
        (5, math.nan, True, "cannot be read"),
        (-1, 1.0, True, "cannot be read"),
    ],
)
def test_row_24_a_detector_that_latches_jumps_or_saturates_is_unfit(count, live_s, lit, reason):
    found = detector_unfit(LIMITS, count, live_s, lit=lit)
    assert reason in found
    assert bool(found) == bool(reason)
