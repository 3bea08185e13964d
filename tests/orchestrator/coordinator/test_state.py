"""The coordinator's state without sockets, files or clocks: nodes, leases, ownership, runs, e-stop, restart."""

import math

import msgspec
import pytest
from bellringer.orchestrator.coordinator.state import Outdated, State
from bellringer.orchestrator.coordinator.terms import Caller
from bellringer.orchestrator.wire.codec import encode
from bellringer.orchestrator.wire.errors import to_refusal
from bellringer.orchestrator.wire.messages import (
    Ack,
    EStop,
    Get,
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
from bellringer.orchestrator.wire.public_keys import fingerprint
from bellringer.testbed.errors import BellringerError
from hypothesis import given
from hypothesis import strategies as st

ALICE, BOB = Caller("a" * 40, "alice-agent"), Caller("b" * 40, "bob-agent")
ANNA, BEN = Caller("n" * 40, "anna"), Caller("m" * 40, "ben")
UTC = "2026-01-31T12:05:00+00:00"


class Desk:
    """A state whose clock the test sets, and which can be restarted from what it wrote."""

    def __init__(self):
        self.now, self.epoch, self.journal, self.events, self.enrolled = 100.0, 1, [], [], set()
        self.state = self._state()

    def _state(self):
        return State(self.epoch, lambda: UTC, lambda key: key not in self.enrolled)

    def ask(self, caller, message):
        try:
            return self.state.answer(caller, message, self.now)
        finally:
            self.collect()

    def refused(self, caller, message, match):
        with pytest.raises(BellringerError, match=match) as caught:
            self.state.answer(caller, message, self.now)
        assert not [change for change in self.state.taken_changes() if change.durable]
        return caught.value

    def collect(self):
        for change in self.state.taken_changes():
            self.events.append(change.name)
            if change.durable:
                self.journal.append((change.name, change.body))

    def wait(self, seconds):
        self.now += seconds
        self.state.tick(self.now)
        self.collect()

    def restart(self):
        self.epoch += 1
        self.now -= 77.0  # another process, another zero of its clock
        self.state = self._state()
        for name, body in self.journal:
            self.state.restore(name, body, self.now)
        assert not self.state.taken_changes()


@pytest.fixture
def desk():
    return Desk()


def register(caller=ALICE, node="alice", boot="b1", **more):
    return Register(
        **{
            "id": 1,
            "node": node,
            "boot": boot,
            "control": f"tcp://{node}:1",
            "stream": f"tcp://{node}:2",
            "public_key": caller.key,
            "instruments": (f"{node}.laser", f"{node}.tagger"),
            **more,
        }
    )


def renew(node="alice", boot="b1", **more):
    return Renew(1, node, boot, 5.0, **more)


def own(*instruments, run="r1", seconds=20.0):
    return Own(1, run, instruments, seconds)


# --- nodes ----------------------------------------------------------------------------------------------------------


def test_a_registered_node_is_listed_with_where_and_how_long_ago_it_was_heard(desk):
    desk.ask(ALICE, register())
    desk.wait(0.5)
    assert desk.ask(ANNA, Nodes(1)) == [
        {
            "node": "alice",
            "state": "here",
            "silent_s": 0.5,
            "control": "tcp://alice:1",
            "stream": "tcp://alice:2",
            "public_key": ALICE.key,
            "instruments": ["alice.laser", "alice.tagger"],
            "fault": "",
            "leased": False,
        }
    ]


def test_a_second_process_is_refused_while_the_first_is_heard_and_takes_over_after_its_silence(desk):
    desk.ask(ALICE, register(boot="b1"))
    desk.wait(3.0)
    error = desk.refused(ALICE, register(boot="b2", control="tcp://other:1"), "there is another node 'alice'")
    for part in (
        "'b1' at tcp://alice:1",
        "'b2' at tcp://other:1",
        fingerprint(ALICE.key),
        "'alice-agent'",
        "silent for 3.0 s",
    ):
        assert part in error.where
    assert "takes over after 3 s" in error.hint
    desk.wait(0.01)
    assert desk.events == ["registered", "node_lost"]
    desk.ask(ALICE, register(boot="b2"))
    desk.refused(ALICE, renew(boot="b1"), "not registered here")
    assert desk.ask(ALICE, renew(boot="b2"))["lease_s"] == 1.5


def test_a_refused_second_process_is_told_to_everybody(desk):
    desk.ask(ALICE, register())
    with pytest.raises(BellringerError):
        desk.ask(ALICE, register(boot="b2"))
    assert desk.events == ["registered", "duplicate_node"]


def test_another_key_cannot_take_a_node_name_before_the_old_key_is_revoked(desk):
    desk.ask(ALICE, register())
    other = register(BOB, boot="b2")
    error = desk.refused(BOB, other, "there is another node")
    assert fingerprint(ALICE.key) in error.where
    assert fingerprint(BOB.key) in error.where
    desk.wait(3600.0)
    assert "revoke the old key" in desk.refused(BOB, other, "there is another node").hint
    desk.enrolled.add(ALICE.key)
    assert desk.ask(BOB, other)["epoch"] == 1


def test_a_revoked_key_does_not_lose_its_node_while_it_is_heard(desk):
    desk.ask(ALICE, register())
    desk.enrolled.add(ALICE.key)
    desk.refused(BOB, register(BOB, boot="b2"), "there is another node")


def test_the_same_process_may_register_again_and_nothing_is_written_unless_something_changed(desk):
    desk.ask(ALICE, register())
    desk.ask(ALICE, register())
    assert len(desk.journal) == 1
    desk.ask(ALICE, register(control="tcp://alice:9"))
    assert len(desk.journal) == 2
    assert desk.ask(ANNA, Nodes(1))[0]["control"] == "tcp://alice:9"


def test_a_lost_node_stays_listed_and_must_register_again(desk):
    desk.ask(ALICE, register())
    desk.wait(3600.0)
    assert desk.ask(ANNA, Nodes(1))[0]["state"] == "lost"
    desk.refused(ALICE, renew(), "not registered here")
    desk.ask(ALICE, register())
    assert desk.events == ["registered", "node_lost", "node_found"]
    assert desk.ask(ALICE, renew())["lease_s"] == 1.5


def test_only_the_process_that_registered_is_given_leases(desk):
    desk.refused(ALICE, renew(), "not registered here")
    desk.ask(ALICE, register())
    desk.refused(BOB, renew(), "not registered here")
    desk.wait(2.9)
    desk.refused(ALICE, renew(boot="b2"), "not registered here")
    desk.wait(0.2)  # what others asked in its name did not keep it alive
    assert desk.ask(ANNA, Nodes(1))[0]["state"] == "lost"


@pytest.mark.parametrize(
    "message",
    [
        register(instruments=("alice.laser", "bob.laser")),
        register(node=""),
        register(instruments=("laser",)),
        register(public_key=BOB.key),
    ],
)
def test_a_registration_that_contradicts_itself_is_refused(desk, message):
    desk.refused(ALICE, message, "not its own|another key than it speaks with")
    assert desk.ask(ANNA, Nodes(1)) == []


# --- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_carries_the_time_it_was_asked_at_untouched(desk):
    desk.ask(ALICE, register())
    reply = desk.ask(ALICE, Renew(1, "alice", "b1", asked_at=0.1 + 0.2))
    assert reply["asked_at"] == 0.1 + 0.2
    assert (reply["lease_s"], reply["refused"], reply["epoch"]) == (1.5, "", 1)
    assert desk.ask(ANNA, Nodes(1))[0]["leased"] is True
    desk.wait(1.5)
    assert desk.ask(ANNA, Nodes(1))[0]["leased"] is False


def test_no_lease_while_an_estop_is_latched(desk):
    desk.ask(ALICE, register())
    desk.ask(ANNA, EStop(1, "smoke"))
    reply = desk.ask(ALICE, renew())
    assert reply["lease_s"] == 0.0
    assert reply["refused"] == f"e-stop pressed by 'anna' at {UTC}: smoke"
    desk.ask(BEN, Ack(1))
    assert desk.ask(ALICE, renew())["lease_s"] == 1.5


def test_a_fault_is_latched_until_acknowledged_even_if_the_node_reports_none_any_more(desk):
    desk.ask(ALICE, register())
    assert desk.ask(ALICE, renew(fault="1: laser stayed lit"))["lease_s"] == 0.0
    reply = desk.ask(ALICE, renew())
    assert (reply["lease_s"], reply["refused"]) == (0.0, "fault not acknowledged: 1: laser stayed lit")
    assert desk.ask(ANNA, Ack(1, "alice"))["fault"] == ""
    assert desk.ask(ALICE, renew())["lease_s"] == 1.5
    assert desk.events == ["registered", "fault", "ack"]


def test_a_node_that_missed_the_acknowledgement_hears_it_with_its_lease(desk):
    desk.ask(ALICE, register(fault="1: broken fibre"))
    desk.ask(ANNA, Ack(1, "alice"))
    reply = desk.ask(ALICE, renew(fault="1: broken fibre"))
    assert (reply["lease_s"], reply["acknowledged"]) == (1.5, "1: broken fibre")
    assert desk.ask(ALICE, renew(fault="2: broken fibre"))["lease_s"] == 0.0
    desk.ask(ANNA, Ack(1, "alice"))
    assert desk.ask(ALICE, renew())["lease_s"] == 1.5
    assert desk.ask(ALICE, renew(fault="2: broken fibre"))["lease_s"] == 0.0


def test_an_acknowledgement_is_for_one_process_only(desk):
    desk.ask(ALICE, register(fault="1: broken fibre"))
    desk.ask(ANNA, Ack(1, "alice"))
    desk.wait(4.0)
    desk.ask(ALICE, register(boot="b2", fault="1: broken fibre"))
    assert desk.ask(ALICE, renew(boot="b2", fault="1: broken fibre"))["lease_s"] == 0.0
    desk.ask(ANNA, Ack(1, "alice"))
    desk.restart()
    desk.wait(4.0)
    desk.ask(ALICE, register(boot="b3", fault="1: broken fibre"))
    assert desk.ask(ALICE, renew(boot="b3"))["lease_s"] == 0.0


def test_only_a_fault_that_is_there_can_be_acknowledged(desk):
    desk.ask(ALICE, register())
    desk.refused(ANNA, Ack(1, "alice"), "no fault to acknowledge")
    assert desk.refused(ANNA, Ack(1, "alcie"), "no node 'alcie'").hint == "did you mean 'alice'?"


# --- e-stop ---------------------------------------------------------------------------------------------------------


def test_an_estop_says_who_when_and_why_and_is_cleared_by_an_acknowledgement(desk):
    reply = desk.ask(BEN, EStop(1, "smoke"))
    press = {"number": 1, "who": "ben", "key": BEN.key, "reason": "smoke", "utc": UTC}
    assert reply == {"latched": True, "number": 1, "presses": [press]}
    assert desk.ask(ANNA, Ack(1)) == {"latched": False, "number": 1, "presses": []}
    desk.refused(ANNA, Ack(1), "no e-stop is latched")


def test_an_estop_pressed_while_another_one_is_looked_at_stays(desk):
    desk.ask(ANNA, EStop(1, "test"))
    desk.ask(BEN, EStop(1, "smoke"))
    error = desk.refused(ANNA, Ack(1, number=1), "pressed again by 'ben'")
    assert "the newest is 2" in error.where
    assert desk.ask(ANNA, Ack(1, number=2))["latched"] is False


def test_a_hammered_estop_is_one_press_a_second(desk):
    for _ in range(50):
        desk.ask(ANNA, EStop(1, "smoke"))
        desk.wait(0.05)
    assert desk.events == ["estop"] * 3
    desk.ask(ANNA, Ack(1))
    assert desk.ask(ANNA, EStop(1, "smoke"))["latched"] is True


def test_of_many_presses_the_first_and_the_newest_are_shown(desk):
    for number in range(30):
        desk.ask(ANNA, EStop(1, f"reason {number}"))
        desk.wait(1.0)
    reasons = [press["reason"] for press in desk.ask(ANNA, Status(1))["estop"]["presses"]]
    assert reasons == ["reason 0", *(f"reason {number}" for number in range(11, 30))]


def test_a_node_that_was_away_when_the_estop_was_pressed_must_be_looked_at_when_it_returns(desk):
    desk.ask(ALICE, register())
    desk.ask(BOB, register(BOB, node="bob"))
    desk.wait(2.0)
    desk.ask(BOB, renew("bob"))
    desk.wait(2.0)
    desk.ask(ANNA, EStop(1, "smoke"))
    reply = desk.ask(ALICE, register())
    assert reply["estop"]["latched"] is True
    assert reply["epoch"] == 1
    desk.ask(ANNA, Ack(1))
    assert desk.ask(BOB, renew("bob"))["lease_s"] == 1.5
    assert "away when the e-stop was pressed" in desk.ask(ALICE, renew())["refused"]
    desk.ask(ANNA, Ack(1, "alice"))
    assert desk.ask(ALICE, renew())["lease_s"] == 1.5


# --- ownership and runs ---------------------------------------------------------------------------------------------


@pytest.fixture
def two(desk):
    desk.ask(ALICE, register())
    desk.ask(BOB, register(BOB, node="bob"))
    return desk


def test_a_conflict_names_the_owner_since_when_and_until_when_and_nothing_is_taken(two):
    two.ask(ANNA, own("alice.laser", seconds=20.0))
    two.wait(2.0)
    error = two.refused(BEN, own("bob.laser", "alice.laser", run="r2"), "alice.laser is owned by run 'r1' of 'anna'")
    assert error.where == f"since {UTC}, for 18.0 s more unless it asks again"
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


# --- restart and split brain ----------------------------------------------------------------------------------------


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
