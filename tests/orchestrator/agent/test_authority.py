"""What a node allows: leases on its own clock, epochs, e-stop, faults, ownership."""

import pytest
from bellringer.orchestrator.agent.authority import Authority
from bellringer.orchestrator.wire.messages import Call, Do, Get, Set, Stream
from bellringer.testbed.errors import BellringerError, InstrumentError
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

SET = Set(1, "alice.plate", "angle", 3.0, 0)


def answer(**changes):
    return {
        "epoch": 5,
        "estop": {"latched": False, "number": 0, "presses": []},
        "fault": "",
        "acknowledged": "",
        "ownership": {},
        "lease_s": 1.5,
        "refused": "",
        **changes,
    }


def leased(**changes):
    authority = Authority()
    authority.take_answer(answer(**changes), asked_at=10.0)
    return authority


def test_without_a_lease_nothing_is_set_but_everything_can_be_read_and_darkened():
    authority = Authority()
    for message in (
        Get(1, "a.b", "c", 0),
        Do(1, "a.b", "snapshot", 0),
        Do(1, "a.b", "safe_state", 0),
        Do(1, "a.b", "close", 0),
    ):
        authority.check(message, "key", 0.0)
    for message in (SET, Call(1, "a.b", "light", 0), Do(1, "a.b", "apply", 0), Do(1, "a.b", "open", 0)):
        with pytest.raises(InstrumentError, match="no lease"):
            authority.check(message, "key", 0.0)


def test_the_lease_runs_from_when_the_node_asked():
    authority = Authority()
    authority.take_answer(answer(), asked_at=10.0)
    assert authority.leased(11.49)
    assert not authority.leased(11.5)
    authority.take_answer(answer(), asked_at=10.0)  # an answer that sat in a queue
    assert not authority.leased(50.0)


def test_a_refused_lease_says_why():
    authority = leased(lease_s=0.0, refused="e-stop")
    with pytest.raises(InstrumentError, match="no lease: e-stop"):
        authority.check(SET, "key", 10.2)


def test_an_answer_of_an_older_epoch_changes_nothing():
    authority = leased()
    authority.take_answer(answer(epoch=4, lease_s=100.0), asked_at=20.0)
    assert authority.epoch == 5
    assert not authority.leased(20.0)
    assert not authority.press_estop({"latched": True}, 4)


def test_an_estop_ends_the_lease_at_once_and_lasts_until_acknowledged():
    authority = leased()
    assert authority.press_estop({"latched": True, "number": 1, "presses": []}, 5)
    assert not authority.press_estop({"latched": True, "number": 1, "presses": []}, 5)
    assert not authority.leased(10.2)
    with pytest.raises(InstrumentError, match="e-stop is latched"):
        authority.check(SET, "key", 10.2)
    authority.take_answer(answer(), asked_at=10.1)  # made before it was pressed, and overtaken
    assert not authority.leased(10.2)
    authority.take_answer(answer(estop={"latched": False, "number": 1, "presses": []}), asked_at=11.0)
    assert authority.leased(11.1)


def test_an_estop_that_is_heard_of_before_any_answer_says_who_pressed_it():
    authority = Authority()
    press = {"number": 1, "who": "anna", "key": "", "reason": "smoke", "utc": "2026-01-31T12:05:00+00:00"}
    assert authority.press_estop({"latched": True, "number": 1, "presses": [press]}, 5)
    assert authority.refused == "e-stop pressed by 'anna' at 2026-01-31 12:05:00 UTC: smoke"


def test_a_fault_stays_until_exactly_it_is_acknowledged():
    authority = leased()
    authority.latch("the laser did not confirm dark")
    first = authority.fault
    authority.take_answer(answer(), asked_at=11.0)
    assert not authority.leased(11.1)
    authority.latch("again")
    authority.take_answer(answer(acknowledged=first), asked_at=11.0)
    assert authority.fault.endswith("again")
    authority.take_answer(answer(acknowledged=authority.fault), asked_at=11.0)
    assert authority.leased(11.1)


def test_an_owned_instrument_is_set_by_its_run_only_and_goes_dark_when_the_run_ends():
    owned = {"alice.plate": {"run": "r1", "key": "K", "who": "anna", "seconds_left": 0.6}}
    authority = leased(ownership=owned)
    authority.check(structs.replace(SET, run="r1"), "K", 10.2)
    with pytest.raises(InstrumentError, match="belongs to run 'r1'"):
        authority.check(structs.replace(SET, run="r1"), "other", 10.2)
    assert authority.take_answer(answer(ownership=owned), asked_at=10.3) == set()
    assert authority.take_answer(answer(), asked_at=10.4) == {"alice.plate"}
    assert authority.take_answer(answer(), asked_at=10.5) == set()
    authority.check(SET, "other", 10.6)


@pytest.mark.parametrize("run", ["", "r2"])
def test_beside_a_run_its_own_key_reads_and_darkens_and_sets_only_in_the_name_of_the_run(run):
    authority = leased(ownership={"alice.plate": {"run": "r1", "key": "K"}})
    plate = "alice.plate"
    messages = (SET, Call(1, plate, "home", 0), Do(1, plate, "apply", 0), Do(1, plate, "check", 0))
    for message in (*messages, Stream(1, plate, (), 0)):
        with pytest.raises(InstrumentError, match="belongs to run 'r1'") as caught:
            authority.check(structs.replace(message, run=run), "K", 10.2)
        assert "bellringer pause r1" in caught.value.hint
        assert "--in-run" in caught.value.hint
        authority.check(structs.replace(message, run="r1"), "K", 10.2)
    for message in (Get(1, plate, "angle", 0), *(Do(1, plate, verb, 0) for verb in ("snapshot", "safe_state", "rest"))):
        authority.check(message, "K", 10.2)
    authority.check(Set(1, "alice.other", "angle", 3.0, 0, run=run), "K", 10.2)


def test_only_the_owner_of_a_tagger_has_it_streamed():
    start, end = Stream(1, "alice.tagger", (1, 2), 0), Stream(1, "alice.tagger", (), 0)
    with pytest.raises(InstrumentError, match="only its owner"):
        leased().check(start, "K", 10.2)
    leased().check(end, "K", 10.2)
    owned = leased(ownership={"alice.tagger": {"run": "r1", "key": "K", "who": "anna", "seconds_left": 5.0}})
    start, end = structs.replace(start, run="r1"), structs.replace(end, run="r1")
    owned.check(start, "K", 10.2)
    for message in (start, end):
        with pytest.raises(InstrumentError, match="belongs to run 'r1'"):
            owned.check(message, "other", 10.2)
        with pytest.raises(InstrumentError, match="no lease"):
            owned.check(message, "K", 20.0)


def test_what_an_agent_does_not_answer_is_refused():
    from bellringer.orchestrator.wire.messages import Nodes

    with pytest.raises(BellringerError, match="does not answer 'nodes'"):
        leased().check(Nodes(1), "key", 10.2)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 3)), max_size=30))
def test_light_never_outlives_the_latest_question_by_more_than_the_lease(events):
    """Whatever order answers come in, light is allowed at most ``lease_s`` after some question was asked."""
    authority, asked = Authority(), []
    for asked_at, lease_s in events:
        authority.take_answer(answer(lease_s=lease_s), asked_at=asked_at)
        asked.append(asked_at + lease_s)
    latest = max(asked, default=0.0)
    assert not authority.leased(latest)


@pytest.mark.parametrize("verb", ["rest", "close"])
def test_what_a_run_owns_only_the_run_closes_or_brings_to_rest_also_when_its_lease_is_gone(verb):
    authority = leased(ownership={"alice.plate": {"run": "bell", "key": "anna"}})
    authority.latch("an interlock opened")
    authority.check(Do(1, "alice.plate", verb, 0), "anna", 99.0)
    with pytest.raises(InstrumentError, match="belongs to run 'bell'"):
        authority.check(Do(1, "alice.plate", verb, 0), "otto", 10.2)
    authority.check(Do(1, "alice.plate", "safe_state", 0), "otto", 99.0)
    authority.check(Do(1, "alice.other", verb, 0), "otto", 99.0)
