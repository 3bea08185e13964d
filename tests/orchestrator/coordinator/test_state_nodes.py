"""The coordinator's state: nodes, leases, faults, e-stop."""

import pytest
from bellringer.orchestrator.wire.messages import Ack, EStop, Nodes, Renew, Status
from bellringer.orchestrator.wire.public_keys import fingerprint
from bellringer.testbed.errors import BellringerError

from .desk import ALICE, ANNA, BEN, BOB, UTC, register, renew


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
    assert reply["refused"] == "e-stop pressed by 'anna' at 2026-01-31 12:05:00 UTC: smoke"
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


def test_a_node_is_told_revoked_keys_when_it_registers_and_when_there_are_new_ones(desk):
    assert "revoked" not in desk.ask(ALICE, register())
    desk.revoked = ("k1",)
    assert desk.ask(ALICE, renew())["revoked"] == ("k1",)
    assert "revoked" not in desk.ask(ALICE, renew())
    assert desk.ask(ALICE, register())["revoked"] == ("k1",)
    assert desk.ask(BOB, register(BOB, "bob"))["revoked"] == ("k1",)
