"""Calibrations: due when stale, in the order of what builds on what, tried again less and less often when they fail."""

import pytest
from bellringer.orchestrator.heralding.service.calibration import Calibration, Calibrations
from bellringer.testbed.errors import BellringerError


def phases(**changes):
    return Calibration(**{"name": "phase", "links": ("ab",), "duration_s": 1.0, "max_age_s": 60.0, **changes})


def bias(**changes):
    return Calibration(**{"name": "bias", "links": ("ab", "bc"), "duration_s": 2.0, "max_age_s": 600.0, **changes})


def names(found):
    return [each.name for each in found]


def done(calibrations, *which, now_s=0.0):
    for name in which:
        calibrations.began(name)
        calibrations.ended(name, "", now_s)


def test_a_link_is_out_of_spec_until_all_its_calibrations_are_made():
    both = Calibrations((phases(), bias()))
    assert both.out_of_spec("ab", 0.0) == "calibration 'phase' is needed: it was never made"
    done(both, "phase")
    assert "'bias'" in both.out_of_spec("ab", 0.0)
    done(both, "bias")
    assert both.out_of_spec("ab", 0.0) == both.out_of_spec("bc", 0.0) == both.out_of_spec("other", 0.0) == ""


def test_what_others_build_on_is_made_first_and_spoils_them():
    both = Calibrations((phases(builds_on=("bias",)), bias()))
    assert names(both.due(0.0, {})) == ["bias"]
    both.began("bias")
    assert both.due(0.0, {}) == [], "what builds on it waits until it is made"
    both.ended("bias", "", 2.0)
    assert names(both.due(2.0, {})) == ["phase"]
    done(both, "phase", now_s=3.0)
    done(both, "bias", now_s=4.0)
    assert both.out_of_spec("ab", 4.0) == ("calibration 'phase' is needed: 'bias', which it builds on, was made anew")


def test_it_goes_stale_with_age_and_sooner_for_a_request_that_wants_it_younger():
    one = Calibrations((phases(),))
    done(one, "phase")
    assert one.out_of_spec("ab", 60.0) == ""
    assert "61 s old, more than 60 s" in one.out_of_spec("ab", 61.0)
    assert "11 s old, more than 10 s" in one.out_of_spec("ab", 11.0, oldest_s=10.0)
    assert one.due(11.0, {}) == []
    assert names(one.due(11.0, {"ab": 10.0})) == ["phase"]


def test_an_idle_link_is_calibrated_before_it_must_be():
    one = Calibrations((phases(early_s=20.0),))
    done(one, "phase")
    assert one.due(45.0, {}) == []
    assert one.due(39.0, {}, idle=("ab",)) == []
    assert names(one.due(45.0, {}, idle=("ab",))) == ["phase"]


def test_a_drift_spoils_it_even_while_it_is_being_made():
    one = Calibrations((phases(),))
    done(one, "phase")
    one.spoil("phase", "the phase ran away")
    assert one.out_of_spec("ab", 1.0) == "calibration 'phase' is needed: the phase ran away"
    one.began("phase")
    one.spoil("phase", "it ran away again")
    one.ended("phase", "", 2.0)
    assert "it ran away again" in one.out_of_spec("ab", 2.0)
    done(one, "phase", now_s=3.0)
    assert one.out_of_spec("ab", 3.0) == ""


def test_a_failure_is_tried_again_less_and_less_often():
    one, now, gaps = Calibrations((phases(),)), 0.0, []
    for _ in range(8):
        failed = now
        one.began("phase")
        one.ended("phase", "no light", now)
        while not one.due(now, {}):
            now += 1.0
        gaps.append(now - failed)
    assert gaps == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert one.failed("ab") == "'phase': it failed: no light"
    done(one, "phase", now_s=now)
    assert one.failed("ab") == ""


def test_the_time_it_takes_is_known():
    both = Calibrations((phases(), bias()))
    assert (both.takes_s("ab"), both.left_s("ab", 0.0), both.left_s("bc", 0.0)) == (3.0, 3.0, 2.0)
    done(both, "bias")
    assert (both.takes_s("ab"), both.left_s("ab", 0.0), both.left_s("bc", 0.0)) == (3.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "tasks",
    [
        (phases(), phases()),
        (phases(builds_on=("bias",)),),
        (phases(builds_on=("bias",)), bias(builds_on=("phase",))),
        (phases(duration_s=61.0),),
        (phases(duration_s=0.0),),
        (phases(early_s=60.0),),
    ],
)
def test_what_makes_no_sense_is_refused(tasks):
    with pytest.raises(BellringerError):
        Calibrations(tasks)


def test_nobody_ends_what_was_not_begun():
    one = Calibrations((phases(),))
    with pytest.raises(BellringerError, match="not being made"):
        one.ended("phase", "", 0.0)
    with pytest.raises(BellringerError, match="did you mean 'phase'"):
        one.spoil("phse", "typing")


def test_what_shows_nothing_to_nobody_is_put_off_less_and_less_often_but_not_for_who_asks():
    one, now, gaps = Calibrations((phases(),)), 0.0, []
    for _ in range(8):
        began = now
        one.began("phase", for_nobody=True)
        one.ended("phase", "no light", now, inconclusive=True)
        assert names(one.due(now, {})) == ["phase"], "its link is asked for"
        while not one.due(now, {}, idle=("ab",)):
            now += 1.0
        gaps.append(now - began)
    assert gaps == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert one.failed("ab") == "", "it may just be switched off"
    assert one.out_of_spec("ab", now) == "calibration 'phase' is needed: it was put off: no light"


def test_what_shows_nothing_to_who_waits_has_failed_and_a_result_ends_what_was_put_off():
    one = Calibrations((phases(),))
    for _ in range(2):  # put off until 10 s
        one.began("phase", for_nobody=True)
        one.ended("phase", "no light", 0.0, inconclusive=True)
    one.began("phase")
    one.ended("phase", "no light", 1.0, inconclusive=True)
    assert one.failed("ab") == "'phase': it failed: no light"
    assert one.due(5.0, {}, idle=("ab",)) == []
    assert names(one.due(6.0, {}, idle=("ab",))) == ["phase"]
    one.began("phase", for_nobody=True)
    one.ended("phase", "the phase runs away", 6.0)
    assert one.failed("ab") == "'phase': it failed: the phase runs away"


def test_the_time_it_takes_counts_for_who_wants_it_younger():
    one = Calibrations((phases(),))
    done(one, "phase")
    assert (one.left_s("ab", 30.0), one.left_s("ab", 30.0, 20.0)) == (0.0, 1.0)
