"""Calibration windows: when the coordinator makes them, what they say of the link, and what follows."""

import pytest
from bellringer.orchestrator.coordinator.calibrating import MOST_LOST
from bellringer.orchestrator.coordinator.links import lab_of
from bellringer.orchestrator.heralding.service import Accepted, Code

from .calibrated_link import LINK, CalibratedLink, link_with

PLAN = 'calibration: {every: "1 h", pairs: 600, visibility: 0.5}'


@pytest.fixture
def link(tmp_path):
    """A link of 600 pairs a window, whose parties were just heard."""
    found = CalibratedLink(link_with(PLAN, tmp_path))
    found.room()
    return found


def test_a_link_without_calibration_in_its_file_is_never_calibrated(tmp_path):
    lab = lab_of(link_with("target: psi+", tmp_path), (), 0.0)
    assert (lab.calibrations.described(0.0), lab.calibrations.out_of_spec(LINK, 1e9)) == ({}, "")
    assert "visibility of alice-bob" not in lab.suspenders.described(0.0)


def test_no_window_begins_before_all_parties_were_heard(tmp_path):
    quiet = CalibratedLink(link_with(PLAN, tmp_path))
    quiet.run(5.0)
    assert quiet.windows == []
    quiet.room()
    quiet.run(0.2)
    assert len(quiet.windows) == 1


def test_a_window_tells_visibility_fidelity_and_rate_and_the_forecasts_follow_it(link):
    """Seed 1, 600 pairs of V = 0.9 at 1 % an attempt: F = 1/2 + V/2 = 0.95; all within 4 sigma."""
    before = link.lab.forecasts[LINK, "keep"]
    link.run(3.0)
    assert link.calibration["in_spec"]
    assert link.found["pairs"] == 600
    for name, truth in (("visibility", 0.9), ("fidelity", 0.95)):
        estimate = link.found[name]
        assert abs(estimate["value"] - truth) < 4 * estimate["error"], name
        assert 0 < estimate["error"] < 0.05, name
    for label in ("psi+", "psi-"):
        herald = link.found["heralds"][label]
        assert abs(herald["value"] - 0.005) < 4 * herald["error"]
    measure, keep = (link.lab.forecasts[LINK, kind] for kind in ("measure", "keep"))
    assert measure.fidelity == link.found["fidelity"]["value"]
    assert measure.fidelity_error == link.found["fidelity"]["error"]
    assert sum(measure.probabilities.values()) == pytest.approx(600 / link.found["attempts"])
    assert measure.rate_error == pytest.approx(600**-0.5)
    assert 0.25 < keep.fidelity < measure.fidelity, "storage takes something"
    assert keep.fidelity_error > 0.01
    assert link.lab.links[LINK].forecast_max_age_s == 3600.0, "it ages"
    assert before.made_s < keep.made_s == measure.made_s <= link.now_s


def test_pairs_of_a_void_batch_count_for_nothing(link):
    link.void = "bob was restarted"
    link.run(0.8)
    link.void = ""
    link.run(5.0)
    assert len(link.started) > 1
    assert link.found["pairs"] == 600
    total = sum(link.found["heralds"][label]["value"] for label in ("psi+", "psi-"))
    assert total == pytest.approx(600 / link.found["attempts"])


def test_a_lost_visibility_suspends_the_link_which_is_tried_again_with_pauses_and_comes_back(link):
    link.visibility = 0.3
    link.run(100.0)
    gaps = [later - earlier for earlier, later in zip(link.windows, link.windows[1:])]
    assert [round(gap / 5) for gap in gaps] == [1, 2, 4, 8], gaps
    refused = link.ask("one")
    assert (refused.code, refused.where) == (Code.UNCAL, "visibility of alice-bob")
    assert "the visibility is 0." in refused.what
    assert link.lab.forecasts[LINK, "measure"].fidelity < 0.7, "what was seen is what is expected"
    link.visibility = 0.9
    link.run(90.0)
    assert link.calibration["in_spec"]
    assert isinstance(link.ask("two"), Accepted)
    link.run(1.0)
    assert link.requested


def test_a_calibration_goes_stale_and_an_idle_link_is_calibrated_a_little_earlier(link):
    link.run(3.0)
    link.run(3600 * 0.89, step_s=10.0)
    assert len(link.windows) == 1
    link.run(100.0)
    assert len(link.windows) == 2


def test_a_request_has_the_link_calibrated_again_if_it_wants_it_younger(link):
    link.run(10.0)
    reply = link.ask("one", calibration_max_age_s=3.0)
    assert isinstance(reply, Accepted)
    assert reply.estimate.wait_s > 0.5, "the window is counted"
    link.run(0.5)
    assert (len(link.windows), link.requested) == (2, [])
    link.run(2.0)
    assert link.requested


def test_a_link_in_the_dark_is_put_off_and_a_request_has_it_tried_at_once(link):
    link.chance = 0.0
    link.run(60.0)
    assert "put off: 0 of 600 pairs came" in link.calibration["why"]
    assert "are the detectors on?" in link.calibration["why"]
    assert link.calibration["failures"] == 0
    before = len(link.windows)
    assert len(link.started) == before, "one batch without a pair is enough to know"
    link.chance = 0.01
    assert isinstance(link.ask("one"), Accepted)
    link.run(0.2)
    assert len(link.windows) == before + 1
    link.run(3.0)
    assert link.requested


def test_a_link_in_the_dark_fails_for_who_waits_for_it(link):
    link.run(10.0)
    link.chance = 0.0
    assert isinstance(link.ask("one", calibration_max_age_s=3.0), Accepted)
    link.run(3.0)
    assert link.calibration["failures"] == 1
    assert "it failed: 0 of 600 pairs came" in link.calibration["why"]
    assert link.ask("two").code is Code.UNCAL


def test_a_window_is_given_up_after_void_batches_in_a_row(link):
    link.void = "bob is not armed"
    link.run(4.0)
    assert len(link.started) == MOST_LOST
    assert f"{MOST_LOST} batches in a row came to nothing: bob is not armed" in link.calibration["why"]


def test_an_unlocked_clock_ends_the_batch_of_a_window_at_once(link):
    link.run(0.2)
    assert len(link.started) == 1
    link.service.condition("clock of bob", "unlocked", 1, link.now_s)
    link.run(0.1)
    (aborted,) = link.aborted
    assert aborted.order == link.started[0].order
    assert "clock of bob" in aborted.reason
    link.run(1.0)
    assert not link.calibrating.busy
    assert len(link.started) == 1


def test_a_trip_that_a_window_may_make_good_ends_the_one_that_is_open_all_the_same(link):
    link.run(0.2)
    link.calibrating.tripped(["carol-dave"], "not this one")
    link.run(0.1)
    assert link.aborted == []
    link.calibrating.tripped([LINK], "'detectors of alice-bob' tripped: latched")
    link.run(0.1)
    (aborted,) = link.aborted
    assert "latched" in aborted.reason
    link.run(1.0)
    assert not link.calibrating.busy
    assert "latched" in link.calibration["why"]


def test_an_idle_link_is_not_calibrated_while_a_qubit_is_kept(link):
    link.room(memories=1)
    link.run(5.0)
    assert link.windows == []
    link.ask("one")
    link.run(0.2)
    assert len(link.windows) == 1, "who asks for pairs wants attempts"


def test_while_a_window_is_open_no_batch_of_a_request_begins_at_its_parties(link):
    link.ask("one")
    link.run(0.2)
    assert link.calibrating.busy
    assert link.requested == []
    assert set(link.service.status(link.now_s)["held"]) == {"calibration alice-bob"}
    assert set(link.started[0].resources) == {"alice", "bob", "charlie", "link alice-bob"}
