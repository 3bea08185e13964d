"""Links that must not be used: suspended, out of spec, being calibrated. Nothing arms, nothing new is taken."""

from bellringer.orchestrator.heralding.conditions import DetectorLimits, clock_unlocked, detector_unfit
from bellringer.orchestrator.heralding.service import Code, State
from bellringer.orchestrator.heralding.service.calibration import Calibration
from bellringer.orchestrator.heralding.service.lab import Unmeasured
from bellringer.orchestrator.heralding.service.suspenders import Condition
from bellringer.testbed.errors import ProgramError

CLOCK = Condition("clock", ("ab",))
INTERLOCK = Condition("interlock", ("ab",), code=Code.INTERLOCK)
DETECTOR = Condition("detector", ("ab",), spoils=True)
PHASE = Calibration("phase", ("ab",), duration_s=1.0, max_age_s=60.0)


def running(make, condition, calibrations=(), probability=1e-6, **more):
    """Return a field with one request under way, and a way to run it with that condition reported."""
    field = make.field(conditions=(condition,), calibrations=calibrations, probability=probability)

    def run(seconds, reason="", trips=0):
        for _ in range(round(seconds / 0.1)):
            field.service.condition(condition.name, reason, trips, field.now_s)
            field.run(0.1, step_s=0.1)
            for task in field.calibrations[:]:
                field.service.calibrated(task.calibration, "", field.now_s)
                field.calibrations.remove(task)

    run(10.5)
    field.submit(id="first", pairs=10, deadline_s=50_000.0, **more)
    run(1.0)
    assert len(field.batches) == 2
    return field, run


def test_row_20_an_unlocked_clock_ends_batches_arms_none_and_is_trusted_again_after_the_hold_off(make):
    field, run = running(make, CLOCK)
    before = len(field.started)
    field.service.condition("clock", clock_unlocked(True, True), 1, field.now_s)
    field.tick()
    assert set(field.aborted) == {1, 2}
    assert "holdover" in field.aborted[1]
    run(3.0, clock_unlocked(False), trips=1)
    refused = field.submit(id="second")
    assert (refused.code, refused.where) == (Code.NORES, "clock")
    run(9.8, clock_unlocked(True), trips=1)
    assert len(field.started) == before
    assert "ask in" in field.submit(id="second").hint
    run(1.0, trips=1)
    assert len(field.started) > before
    assert field.submit(id="second", deadline_s=50_000.0).link == "ab"


def test_row_20_a_clock_that_unlocked_and_locked_again_between_two_looks_is_not_missed(make):
    field, run = running(make, CLOCK)
    before = len(field.started)
    run(0.1, "", trips=1)
    assert set(field.aborted) == {1, 2}
    run(9.5, "", trips=1)
    assert len(field.started) == before
    run(1.0, "", trips=1)
    assert len(field.started) > before


def test_a_trip_ends_batches_even_without_any_hold_off(make):
    field, run = running(make, Condition("clock", ("ab",), hold_off_s=0.0))
    run(0.1, "", trips=1)
    assert {1, 2} <= set(field.aborted)


def test_row_20_a_clock_that_nobody_reports_on_is_not_trusted(make):
    field, run = running(make, CLOCK)
    field.run(2.5, step_s=0.1)
    assert field.aborted
    before = len(field.started)
    assert "not reported" in field.submit(id="second").what
    run(5.0)
    assert len(field.started) == before


def test_an_open_interlock_is_refused_by_its_own_name(make):
    field, run = running(make, INTERLOCK)
    run(1.0, "the door is open", trips=1)
    refused = field.submit(id="second")
    assert (refused.code, refused.where) == (Code.INTERLOCK, "interlock")
    assert "the door is open" in refused.what


def test_row_24_a_latched_detector_suspends_the_link_and_leaves_it_out_of_spec_until_calibrated(make):
    field, run = running(make, DETECTOR, (PHASE,))
    latched = detector_unfit(DetectorLimits(100.0, 50e-9), 0, 1.0, lit=True)
    made = field.lab.calibrations.described(field.now_s)["phase"]["age_s"]
    assert made is not None
    field.service.condition("detector", latched, 1, field.now_s)
    field.tick()
    assert "latched or blind" in field.aborted[1]
    assert "latched or blind" in field.service.status(field.now_s)["links"]["ab"]["out_of_spec"]
    before = len(field.started)
    run(12.0, "", trips=1)  # well again: calibrated while the hold-off runs, then used
    assert field.lab.calibrations.out_of_spec("ab", field.now_s) == ""
    assert len(field.started) > before


def test_a_suspended_link_is_not_calibrated_unless_that_is_the_cure(make):
    field, run = running(make, CLOCK, (PHASE,))
    run(61.0, "unlocked", trips=1)
    assert field.lab.calibrations.out_of_spec("ab", field.now_s)
    run(11.0, "", trips=1)
    assert field.lab.calibrations.out_of_spec("ab", field.now_s) == ""


def test_a_drift_lets_batches_end_begins_none_and_calibrates_in_between(make):
    field, _ = running(make, CLOCK, (PHASE,))
    field.service.drifted("phase", "the phase ran away")
    before = len(field.started)
    for _ in range(30):
        field.service.condition("clock", "", 0, field.now_s)
        field.run(0.1, step_s=0.1)
    assert field.aborted == {}
    assert len(field.started) == before
    (task,) = field.calibrations
    assert (task.calibration, task.links, task.resources) == ("phase", ("ab",), ("link ab",))
    assert field.batches == {}, "it began when the batches under way had ended"
    field.service.calibrated("phase", "", field.now_s)
    field.tick()
    assert len(field.started) > before


def test_a_failed_calibration_refuses_requests_and_is_tried_again(make):
    field = make.field(calibrations=(PHASE,))
    field.tick()
    field.service.calibrated("phase", "no light", field.now_s)
    refused = field.submit()
    assert (refused.code, refused.where) == (Code.UNCAL, "ab")
    assert "no light" in refused.what
    field.run(5.1)
    assert len(field.calibrations) == 2


def test_a_request_waits_while_a_failed_calibration_waits_to_be_tried_again(make):
    field = make.field(calibrations=(PHASE,))
    field.tick()
    field.submit()
    field.service.calibrated("phase", "no light", field.now_s)
    field.run(4.5)
    assert field.started == []
    assert "no light" in field.service.status(field.now_s)["requests"][0]["held_up"]


def test_a_request_that_wants_a_younger_calibration_has_it_made(make):
    field = make.field(calibrations=(PHASE,), probability=1e-6)
    field.tick()
    field.service.calibrated("phase", "", field.now_s)
    field.run(3)
    field.service.forecast("ab", "measure", make.forecast(1e-6, made_s=field.now_s))
    assert len(field.calibrations) == 1
    assert field.submit(pairs=10, deadline_s=50_000.0, calibration_max_age_s=2.0).link == "ab"
    field.tick()
    assert len(field.calibrations) == 2
    assert field.started == []
    field.service.calibrated("phase", "", field.now_s)
    field.tick()
    assert field.started
    field.run(2.1)
    held_up = field.service.status(field.now_s)["requests"][0]["held_up"]
    assert "more than 2 s" in held_up


def test_a_calibration_that_is_due_is_waited_for_and_counted(make):
    field = make.field(calibrations=(PHASE,))
    assert field.submit().estimate.wait_s == 1.0
    field.run(0.5)
    assert field.started == []
    field.service.calibrated("phase", "", field.now_s)
    field.run(5)
    assert field.ends["r1"].state is State.OK


def test_a_link_whose_forecast_goes_stale_begins_nothing(make):
    field = make.field(make.link(forecast_max_age_s=5.0), probability=1e-6)
    field.submit(pairs=10, deadline_s=50_000.0)
    field.run(8)
    assert max(each.start_ps for each in field.started) < 8 * 10**12
    assert field.service.status(field.now_s)["requests"][0]["held_up"] == "its forecast is missing or too old"
    assert field.submit(id="second").code is Code.UNCAL
    field.service.forecast("ab", "measure", make.forecast(1e-6, made_s=field.now_s))
    field.tick()
    assert field.batches


def test_a_link_whose_fidelity_falls_begins_nothing_for_who_wants_more(make):
    field = make.field(probability=1e-6)
    field.submit(pairs=10, deadline_s=50_000.0, min_fidelity=0.85)
    field.service.forecast("ab", "measure", make.forecast(1e-6, fidelity=0.8))
    field.run(1)
    assert field.started == []
    assert "fell to 0.8000 +- 0.0100" in field.service.status(1.0)["requests"][0]["held_up"]


def test_however_many_trips_come_before_a_batch_ends_it_is_aborted_once(make):
    field, _ = running(make, CLOCK)
    for trips in (1, 3, 4):
        field.service.condition("clock", "", trips, field.now_s)
    field.service.cancel("first", "anna", field.now_s)
    field.tick()
    assert set(field.aborted) == {1, 2}


def test_kept_pairs_are_refused_where_corrections_were_never_measured_or_come_too_late(make):
    field = make.field()
    asked = []

    def judge(link, program, miss_budget):
        asked.append((link, program.keep, program.max_age_ps, miss_budget))
        raise why

    field.lab.check_timing = judge
    why = Unmeasured("never measured", hint="measure it")
    unmeasured = field.submit(kind="keep", max_age_s=0.5, miss_budget=0.01)
    assert (unmeasured.code, unmeasured.what, unmeasured.where) == (Code.UNCAL, "never measured", "ab")
    assert unmeasured.hint == "measure it"
    why = ProgramError("17 ps too late", hint="give it more")
    late = field.submit(kind="keep", max_age_s=0.5)
    assert (late.code, late.what, late.hint) == (Code.UNSUPP, "17 ps too late", "give it more")
    assert asked == [("ab", "keep", 5 * 10**11, 0.01), ("ab", "keep", 5 * 10**11, None)]
    assert field.started == []


def test_a_forecast_too_old_for_a_request_is_made_anew_where_the_link_is_calibrated(make):
    field = make.field(make.link(forecast_max_age_s=60.0), calibrations=(PHASE,))
    field.tick()
    field.service.calibrated("phase", "", field.now_s)
    field.run(10.0)
    reply = field.submit(calibration_max_age_s=5.0)
    assert (reply.link, reply.estimate.wait_s) == ("ab", 1.0)
    field.tick()
    assert len(field.calibrations) == 2
    field.service.forecast("ab", "measure", make.forecast(made_s=field.now_s))
    field.service.calibrated("phase", "", field.now_s)
    field.run(5.0)
    assert field.ends["r1"].state is State.OK
    bare = make.field(make.link(forecast_max_age_s=60.0))
    bare.run(10.0)
    assert bare.submit(calibration_max_age_s=5.0).code is Code.UNCAL, "nobody would make it anew"


def test_a_link_is_not_calibrated_for_nobody_while_that_would_disturb_somebody(make):
    field = make.field(calibrations=(PHASE,))
    field.lab.at_leisure = lambda link: False
    field.run(1.0)
    assert field.calibrations == []
    field.submit()
    field.tick()
    assert len(field.calibrations) == 1


def test_a_program_that_a_core_cannot_run_is_refused_at_once(make):
    def unable(link, program):
        raise ProgramError(f"bob cannot {program.keep}", hint="use another core")

    field = make.field()
    field.lab.check_cores = unable
    refused = field.submit()
    assert (refused.code, refused.what, refused.where) == (Code.UNSUPP, "bob cannot measure", "ab")
    field.run(1.0)
    assert field.started == []


def test_a_request_that_ends_at_its_deadline_says_what_held_it_up(make):
    field = make.field(calibrations=(PHASE,))
    field.submit(deadline_s=5.0)
    field.run(6.0)
    assert field.ends["r1"].state is State.TIMEOUT
    assert "it was held up: calibration 'phase' is needed: it was never made" in field.ends["r1"].why


def test_requests_on_a_link_that_is_given_up_end_with_the_reason(make):
    field = make.field(calibrations=(PHASE,))
    field.submit()
    field.service.give_up("ab", "it is hopeless")
    field.tick()
    assert (field.ends["r1"].state, field.ends["r1"].why) == (State.EXPIRED, "it is hopeless")
