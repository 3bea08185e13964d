"""Hardware time is that of most nodes with locked clocks: one that is wrong touches no link but its own."""

import pytest
from bellringer.orchestrator.coordinator.batches import TICK_S
from bellringer.orchestrator.coordinator.hardware_time import HardwareTime
from bellringer.orchestrator.wire.messages import Core

from .answering_nodes import TWO_LINKS, Lab

STEP_PS = 5 * 10**12


def cores(hw_ps, *locked):
    return [Core(f"node.{n}", hw_ps, "", "", "", locked=each) for n, each in enumerate(locked)]


@pytest.fixture
def time():
    time = HardwareTime()
    for node, late_ps in (("alice", 0), ("bob", 3), ("charlie", 7)):
        time.heard(node, cores(10**15 - late_ps, True), 0.0)
    return time


def test_it_is_the_median_of_all_nodes_and_goes_on(time):
    assert time.now_ps(0.0) == 10**15 - 3
    assert time.now_ps(2.0) == 10**15 - 3 + 2 * 10**12


@pytest.mark.parametrize("step_ps", [STEP_PS, -STEP_PS])
def test_one_that_steps_moves_it_by_no_more_than_the_others_differ(time, step_ps):
    time.heard("bob", cores(10**15 + step_ps, True), 0.0)
    assert time.now_ps(0.0) in (10**15, 10**15 - 7)


def test_a_node_counts_once_however_many_cores_it_has_and_only_if_all_are_locked(time):
    time.heard("bob", cores(10**15 + STEP_PS, True, True, True, True), 0.0)
    assert time.now_ps(0.0) == 10**15
    time.heard("bob", cores(10**15 + STEP_PS, True, False), 0.0)
    assert time.now_ps(0.0) == 10**15


@pytest.mark.parametrize("step_ps", [STEP_PS, -STEP_PS])
def test_of_two_that_disagree_the_one_counts_that_says_what_was_said_before(step_ps):
    time = HardwareTime()
    time.heard("alice", cores(10**15, True), 0.0)
    time.heard("bob", cores(10**15, True), 0.0)
    time.heard("bob", cores(10**15 + step_ps, True), 0.0)
    assert time.now_ps(0.0) == 10**15
    time.heard("alice", cores(10**15 + step_ps, True), 0.0)
    assert time.now_ps(0.0) == 10**15 + step_ps, "so the reference has stepped"


def test_nobody_counts_who_is_not_heard_any_more_and_without_anybody_it_goes_on(time):
    time.heard("alice", cores(10**15 + 4 * 10**12 + 50, True), 4.0)
    assert time.now_ps(4.0) == 10**15 + 4 * 10**12 + 50
    time.heard("alice", cores(10**15 + STEP_PS, False), 4.0)
    time.heard("alice", [], 4.0)
    assert time.now_ps(5.0) == 10**15 + 5 * 10**12 + 50


@pytest.mark.parametrize("wrong", [{"off_ps": STEP_PS}, {"off_ps": -STEP_PS}, {"off_ps": STEP_PS, "locked": False}])
def test_a_node_with_a_wrong_clock_changes_nothing_for_a_link_that_it_is_not_part_of(tmp_path, monkeypatch, wrong):
    starts_ps = []
    for folder, odd in ((tmp_path / "well", {}), (tmp_path / "wrong", wrong)):
        folder.mkdir()
        lab = Lab(folder, monkeypatch, TWO_LINKS)
        lab.ask("one", ["alice", "bob"])
        lab.run(3.0)
        for name, value in odd.items():
            setattr(lab.nodes["charlie"], name, value)
        lab.run(10.0)
        assert set(lab.counts("one")) == {"batch RECORDED"}
        assert lab.counts("one")["batch RECORDED"] > 5
        starts_ps.append(lab.nodes["alice"].starts_ps)
        lab.batches.close()
    assert len(starts_ps[0]) == len(starts_ps[1])
    for well_ps, wrong_ps in zip(*starts_ps):  # a trip has the service look at once, not at its next tick
        assert abs(well_ps - wrong_ps) <= TICK_S * 1e12
