"""The coordinator's state after a restart, outlived by its nodes, and asked anything at all."""

import msgspec
import pytest
from bellringer.orchestrator.coordinator.terms import Outdated
from bellringer.orchestrator.wire.codec import encode
from bellringer.orchestrator.wire.errors import to_refusal
from bellringer.orchestrator.wire.messages import (
    Ack,
    EStop,
    Hello,
    Nodes,
    Own,
    Register,
    Release,
    Renew,
    Reply,
    RunCommand,
    Status,
)
from bellringer.testbed.errors import BellringerError
from hypothesis import given
from hypothesis import strategies as st

from .desk import ALICE, ANNA, BEN, BOB, Desk, own, register, renew


def test_an_estop_stays_latched_across_a_restart_and_its_numbers_go_on(two):
    two.ask(ANNA, EStop(1, "smoke"))
    before = two.ask(ANNA, Status(1))["estop"]
    two.restart()
    assert two.ask(ANNA, Status(1))["estop"] == before
    assert two.ask(ALICE, register())["estop"] == before
    assert two.ask(ALICE, renew())["lease_s"] == 0.0
    two.ask(ANNA, Ack(1))
    two.restart()
    assert two.ask(BEN, EStop(1))["number"] == 2


def test_a_fault_and_its_acknowledgement_survive_a_restart(two):
    two.ask(ALICE, renew(fault="1: hot"))
    two.restart()
    assert two.ask(ALICE, register())["fault"] == "1: hot"
    two.ask(ANNA, Ack(1, "alice"))
    two.restart()
    two.ask(ALICE, register(fault="1: hot"))
    assert two.ask(ALICE, renew(fault="1: hot"))["lease_s"] == 1.5


def test_after_a_restart_ownership_lasts_for_the_grace_time_unless_asked_for_again(two):
    two.ask(ANNA, own("alice.laser", run="r1"))
    two.ask(ANNA, own("bob.laser", run="r2"))
    two.ask(BEN, RunCommand(1, "r1", "pause"))
    two.restart()
    two.refused(BEN, own("alice.laser", run="r3"), "owned by run 'r1' of 'anna'")
    two.wait(9.9)
    reply = two.ask(ANNA, own("alice.laser", run="r1"))
    assert (reply["kept"], reply["command"], reply["epoch"]) == (True, "pause", 2)
    two.wait(0.1)
    assert {run["run"]: run["state"] for run in two.ask(ANNA, Status(1))["runs"]} == {"r1": "pausing", "r2": "expired"}


def test_runs_that_ended_stay_ended_after_a_restart(two):
    two.ask(ANNA, own("alice.laser", run="r1"))
    two.ask(ANNA, own("bob.laser", run="r2", seconds=1.0))
    two.ask(ANNA, Release(1, "r1"))
    two.wait(1.0)
    two.restart()
    two.wait(1.0)
    two.ask(ALICE, register())
    two.ask(BEN, own("alice.laser", "bob.laser", run="r3"))


def test_after_a_restart_a_node_registers_again_and_its_own_process_comes_first(two):
    two.restart()
    two.refused(ALICE, renew(), "not registered here")
    two.refused(ALICE, register(boot="b2"), "there is another node")
    two.wait(2.0)
    assert two.ask(ALICE, register())["epoch"] == 2
    two.wait(1.1)
    assert [node["state"] for node in two.ask(ANNA, Nodes(1))] == ["here", "lost"]


def busy(desk, estop):
    """Have something of every kind happen."""
    desk.ask(ALICE, register(fault="1: smoke"))
    desk.ask(ANNA, Ack(1, "alice"))
    desk.ask(ALICE, renew(fault="1: smoke"))
    desk.ask(BOB, register(BOB, "bob", fault="1: fire"))
    desk.ask(ANNA, own("alice.laser"))
    desk.ask(BEN, own("bob.laser", run="r2"))
    desk.ask(BEN, Release(1, "r2"))
    desk.ask(ANNA, RunCommand(1, "r1", "pause"))
    for reason in ("one", "two"):
        desk.ask(BEN, EStop(1, reason))
        desk.wait(1.5)
    if estop == "acknowledged":
        desk.ask(ANNA, Ack(1))


@pytest.mark.parametrize("estop", ["latched", "acknowledged"])
def test_the_short_story_leads_to_the_same_state_as_the_long_one(desk, estop):
    busy(desk, estop)
    desk.restart()
    long, known = desk.state.status(desk.now), dict(desk.state.nodes.table)
    desk.journal = [(change.name, change.body) for change in desk.state.kept(desk.now)]
    desk.epoch -= 1
    desk.now += 77.0
    desk.restart()
    assert desk.state.status(desk.now) == long
    assert desk.state.nodes.table == known
    assert desk.state.nodes.table["alice"].acknowledged == "1: smoke"
    assert long["estop"]["latched"] is (estop == "latched")


@pytest.mark.parametrize("message", [renew(epoch=2), register(epoch=2), register(boot="b9", epoch=2)])
def test_a_coordinator_that_a_node_has_outlived_must_end(two, message):
    with pytest.raises(Outdated, match="epoch 2; this one has epoch 1 and ends") as caught:
        two.ask(ALICE, message)
    assert "above epoch 2" in caught.value.hint
    two.restart()
    two.ask(ALICE, register(epoch=2))


@pytest.mark.parametrize(
    ("caller", "message"),
    [
        (ANNA, renew(node="nobody", epoch=10**9)),
        (ANNA, renew(epoch=10**9)),
        (ALICE, renew(boot="of another process", epoch=10**9)),
        (BOB, register(BOB, epoch=10**9)),
        (ANNA, register(node="zz", instruments=("zz.laser",), epoch=10**9)),
    ],
)
def test_whoever_may_not_speak_for_a_node_does_not_end_the_coordinator_with_an_epoch(two, caller, message):
    two.refused(caller, message, "not registered here|another node|another key")
    two.ask(ALICE, renew())


# --- whatever comes -------------------------------------------------------------------------------------------------

names = st.sampled_from(("alice", "alice.laser", "r1", "", "b1", "pause", "Ä\n\0")) | st.text(max_size=5)
keys = st.sampled_from((ALICE.key, "")) | st.text(max_size=5)
texts = st.lists(names, max_size=3).map(tuple)
numbers = st.floats() | st.sampled_from((-1.0, 0.0, 1.0))
counts = st.integers(-(2**63), 2**63 - 1)
messages = st.one_of(
    st.builds(Register, counts, names, names, names, names, keys, texts, st.just(0), names),
    st.builds(Renew, counts, names, names, numbers, st.just(0), names),
    st.builds(Own, counts, names, texts, numbers),
    st.builds(Release, counts, names),
    st.builds(RunCommand, counts, names, names),
    st.builds(EStop, counts, names),
    st.builds(Ack, counts, names, counts),
    st.builds(Status, counts),
    st.builds(Nodes, counts),
    st.builds(Hello, counts),
)


@given(st.lists(st.tuples(st.sampled_from((ALICE, ANNA)), messages), max_size=15))
def test_every_message_is_answered_or_refused_and_all_that_comes_of_it_can_be_sent_and_written(asked):
    desk = Desk()
    desk.ask(ALICE, register())
    for caller, message in asked:
        try:
            encode(Reply(1, desk.ask(caller, message)))
        except BellringerError as error:
            encode(to_refusal(error, 1))
        desk.wait(0.5)
    before = desk.state.status(desk.now)
    written = msgspec.json.decode(msgspec.json.encode(desk.journal))
    assert written == [[name, body] for name, body in desk.journal]
    desk.restart()
    after = desk.state.status(desk.now)
    assert after["estop"] == before["estop"]
    assert [(node["node"], node["fault"]) for node in after["nodes"]] == [
        (node["node"], node["fault"]) for node in before["nodes"]
    ]
    assert [(run["run"], run["state"], run["instruments"]) for run in after["runs"]] == [
        (run["run"], run["state"], run["instruments"]) for run in before["runs"]
    ]
