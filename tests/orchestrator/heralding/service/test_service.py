"""The service as a whole, with nodes played from a seed: requests in, batches out, pairs and one end back."""

import json
import math

import pytest
from bellringer.orchestrator.heralding.service import Code, EntanglementService, Herald, Lab, Pair, State
from bellringer.orchestrator.heralding.service import service as module
from bellringer.orchestrator.heralding.service.actions import AbortBatch, StartBatch, Tell
from bellringer.orchestrator.heralding.service.calibration import Calibration
from bellringer.orchestrator.heralding.service.resources import Resource, Want
from bellringer.testbed.errors import BellringerError
from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_request_is_served_to_its_end(make):
    field = make.field()
    reply = field.submit()
    assert (reply.request, reply.link) == ("r1", "ab")
    field.run(5)
    pairs = [each for each in field.told if isinstance(each, Pair)]
    assert [each.number for each in pairs] == list(range(1, 11))
    assert field.ends["r1"].state is State.OK
    assert field.lab.ledger.described() == {}


def test_kept_pairs_come_one_a_batch_corrected(make):
    field = make.field(memories=1)
    field.submit(kind="keep", max_age_s=0.1, pairs=4, target="phi+")
    field.run(10)
    assert field.ends["r1"].state is State.OK
    assert {each.program.stop.kind for each in field.started} == {"first"}
    assert {each.state for each in field.told if isinstance(each, Pair)} == {"phi+"}


def test_the_time_it_takes_is_about_what_was_promised(make):
    """50 pairs at 1e-5 an attempt, seed 1: within 4 sigma, and one batch, which is not stopped here."""
    field = make.field(probability=1e-5)
    field.submit(pairs=50, deadline_s=600.0)
    promised = field.submit(id="asked", pairs=50, deadline_s=600.0, dry_run=True).estimate
    field.run(200, step_s=0.1)
    assert promised.wait_s == pytest.approx(promised.work_s)
    assert field.ends["r1"].state is State.OK
    took_s = field.attempts * 1e-5
    assert abs(took_s - promised.work_s) < 4 * promised.sigma_s + 1.0


def test_two_batches_are_under_way_at_most_and_follow_each_other(make):
    field = make.field(probability=1e-5)
    field.give_room(batches=5)
    field.submit(pairs=100, deadline_s=1000.0)
    field.tick()
    first, second = field.started
    assert second.start_ps == first.start_ps + first.program.most_ps
    assert field.tick() == []
    assert field.service.status(0.0)["requests"][0]["batches"] == [1, 2]


def test_what_two_batches_bring_is_not_asked_for_a_third_time(make):
    field = make.field()
    field.submit(pairs=10)
    field.tick()
    assert len(field.started) == 1, "one batch brings all ten, most likely"


def test_the_same_request_again_gets_the_same_answer_and_is_done_once(make):
    field = make.field()
    reply = field.submit()
    assert field.submit() is reply
    field.run(5)
    assert field.submit() is reply
    field.run(5)
    assert len(field.ends) == 1
    assert sum(isinstance(each, Pair) for each in field.told) == 10


def test_the_id_of_another_request_is_refused(make):
    field = make.field()
    field.submit()
    for reply in (field.submit(pairs=11), field.submit(who="ben")):
        assert (reply.code, reply.where) == (Code.BADREQ, "id")


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"pairs": 0}, Code.BADREQ, "pairs"),
        ({"nodes": ("alice", "dave")}, Code.UNSUPP, "nodes"),
        ({"nodes": ("alice", "charlie")}, Code.UNSUPP, "nodes"),
        ({"min_fidelity": 0.95}, Code.UNSUPP, "min_fidelity"),
        ({"target": "phi-"}, Code.UNSUPP, "target"),
        ({"deadline_s": 0.1}, Code.NOTIME, "deadline_s"),
        ({"calibration_max_age_s": 0.5}, Code.UNSUPP, "calibration_max_age_s"),
    ],
)
def test_a_refusal_says_why_where_and_what_to_do(make, changes, code, where):
    field = make.field(calibrations=(Calibration("phase", ("ab",), 1.0, 60.0),))
    field.lab.calibrations.began("phase")
    field.lab.calibrations.ended("phase", "", 0.0)
    reply = field.submit(**changes)
    assert (reply.code, reply.where) == (code, where)
    assert reply.what
    assert reply.hint
    if where == "nodes":
        assert reply.hint == "links: alice - bob", "which nodes could be asked for"
    assert field.service.status(0.0)["requests"] == []


@pytest.mark.parametrize("asked", [None, [], "pairs", {"id": 5}, {}])
def test_whatever_is_sent_is_answered(make, asked):
    assert make.field().service.submit(asked, "anna", 0.0).code is Code.BADREQ


def test_who_may_not_is_refused(make):
    lab = Lab((make.link(),))
    service = EntanglementService(lab, may=lambda who, request: "" if who == "anna" else f"{who} may only look")
    service.forecast("ab", "measure", make.forecast())
    assert service.submit(make.request(), "visitor", 0.0).code is Code.UNAUTH
    assert service.submit(make.request(), "anna", 0.0).link == "ab"


def test_a_dry_run_is_answered_and_nothing_begins(make):
    field = make.field()
    assert field.submit(dry_run=True).estimate.chance > 0.99
    field.run(1)
    assert (field.started, field.told, field.service.status(1.0)["requests"]) == ([], [], [])


def test_who_asked_can_take_it_back_and_its_batches_end(make):
    field = make.field(probability=1e-6)
    field.submit(deadline_s=5000.0, pairs=10)
    field.run(0.2)
    with pytest.raises(BellringerError, match="another's"):
        field.service.cancel("r1", "ben", field.now_s)
    with pytest.raises(BellringerError, match="no request"):
        field.service.cancel("r2", "anna", field.now_s)
    end = field.service.cancel("r1", "anna", field.now_s)
    assert end.state is State.CANCELLED
    assert field.service.cancel("r1", "anna", field.now_s) is end
    actions = field.tick()
    assert [type(each) for each in actions] == [Tell, AbortBatch, AbortBatch]
    field.run(1)
    assert field.lab.ledger.described() == {}
    assert len(field.started) == 2


def test_a_link_that_brings_nothing_ends_at_the_deadline(make):
    field = make.field(probability=1e-4)
    field.probability = 1e-12
    field.submit(pairs=1, deadline_s=2.0)
    field.run(3)
    assert field.ends["r1"].state is State.TIMEOUT


@pytest.mark.parametrize("budget", [{"most_attempts": 150_000}, {"most_light_s": 1.5}])
def test_a_budget_holds_for_all_batches_together(make, budget):
    field = make.field(probability=1e-6)
    field.probability = 1e-12
    field.submit(pairs=1, deadline_s=300.0, **budget)
    field.tick()
    assert [each.program.most_attempts for each in field.started] == [100_000, 50_000]
    field.run(5)
    assert field.ends["r1"].state is State.EXPIRED
    assert field.attempts == 150_000


def test_what_comes_first_is_waited_for_and_what_comes_later_is_not(make):
    field = make.field(probability=1e-5)
    field.submit(id="long", pairs=50, deadline_s=600.0)
    behind, before = (field.submit(id=f"p{each}", priority=each, deadline_s=600.0, dry_run=True) for each in (0, 5))
    assert behind.estimate.wait_s == pytest.approx(50.0)
    assert before.estimate.wait_s == 0.0


def test_requests_that_ended_are_forgotten_in_time_and_late_pairs_do_no_harm(make, monkeypatch):
    monkeypatch.setattr(module, "ENDED_KEPT", 2)
    field = make.field(probability=1e-5)
    for name in ("r1", "r2", "r3", "r4"):
        field.submit(id=name, deadline_s=600.0)
        field.tick()
        field.service.cancel(name, "anna", field.now_s)
        for order in list(field.batches):
            for hseq in range(5):
                field.service.pair(Herald(order, hseq, hseq, "psi+", 0), field.now_s)
            field.service.batch_ended(order, 0, field.now_s, 0)
            del field.batches[order]
        field.give_room()
        field.tick()
    assert [each["request"] for each in field.service.status(0.0)["requests"]] == ["r3", "r4"]
    assert not any(isinstance(each, Pair) for each in field.told)


def test_no_more_requests_are_taken_than_can_be_looked_after(make, monkeypatch):
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    field = make.field(probability=1e-5)
    for name in ("r1", "r2"):
        assert field.submit(id=name, deadline_s=600.0).link == "ab"
    assert field.submit(id="r3", deadline_s=600.0).code is Code.NORES
    field.service.cancel("r1", "anna", field.now_s)
    assert field.submit(id="r3", deadline_s=600.0).link == "ab"


def test_room_comes_back_from_a_batch_that_a_party_never_heard_of(make):
    field = make.field(probability=1e-5)
    field.submit(pairs=20, deadline_s=600.0)
    field.tick()

    def deaf():
        for party in ("alice", "bob", "charlie"):
            field.service.room(party, 2, 0, 0)

    field.give_room = deaf
    field.run(60, step_s=0.1)
    assert field.ends["r1"].state is State.OK


def test_some_pairs_by_the_deadline_are_partial(make):
    field = make.field(probability=1e-3)
    field.probability = 1e-5
    field.submit(pairs=100, deadline_s=5.0)
    field.run(6)
    end = field.ends["r1"]
    assert end.state is State.PARTIAL
    assert 0 < end.delivered < 100
    assert all(each.start_ps + each.program.most_ps <= 5 * 10**12 for each in field.started)


def test_what_has_become_hopeless_is_dropped_before_its_deadline(make):
    field = make.field(probability=1e-4)
    assert field.submit(pairs=100, deadline_s=20.0).estimate.chance > 0.9
    field.service.forecast("ab", "measure", make.forecast(1e-7))
    field.run(0.1)
    assert field.ends["r1"].state is State.TIMEOUT
    assert "have a probability of" in field.ends["r1"].why


def test_what_never_began_expires_when_its_longest_wait_is_over(make):
    field = make.field(probability=1e-5)
    field.submit(id="long", pairs=100, deadline_s=600.0)
    field.run(1)
    field.submit(id="short", pairs=1, deadline_s=600.0, longest_wait_s=3.0)
    field.run(5)
    assert (field.ends["short"].state, field.ends["short"].delivered) == (State.EXPIRED, 0)


def test_an_urgent_request_goes_first_at_the_end_of_a_batch(make):
    field = make.field(probability=1e-5)
    field.submit(id="long", pairs=50, deadline_s=600.0)
    field.run(0.5)
    field.submit(id="urgent", pairs=1, deadline_s=600.0, priority=5)
    field.run(30, step_s=0.1)
    order = [each.request for each in field.started]
    assert order[:3] == ["long", "long", "urgent"]
    first = order.index("urgent")
    last = max(index for index, name in enumerate(order) if name == "urgent")
    assert set(order[first : last + 1]) == {"urgent"}
    assert "long" in order[last:]


def two_links(make, **more):
    links = (
        make.link("ab", ("alice", "bob"), "charlie", needs=(Want("laser", setting="ab"),)),
        make.link("cd", ("dave", "eve"), "frank", needs=(Want("laser", setting="cd"),)),
    )
    return make.field(*links, resources=(Resource("laser", 1, settle_s=2.0),), **more)


def test_links_that_share_a_laser_take_turns_and_wait_for_it_to_settle(make):
    field = two_links(make)
    field.submit(id="r1", pairs=20)
    field.submit(id="r2", nodes=("dave", "eve"), pairs=20)
    field.tick()
    assert [each.request for each in field.started] == ["r1"]
    assert field.started[0].start_ps == 2 * 10**12
    assert field.started[0].resources == ("alice", "bob", "charlie", "laser", "link ab")
    held_up = field.service.status(0.0)["requests"][1]["held_up"]
    assert held_up == "in use by others: laser"
    field.run(10)
    assert {each.state for each in field.ends.values()} == {State.OK}


def test_links_that_share_nothing_run_side_by_side(make):
    links = (make.link(), make.link("cd", ("dave", "eve"), "frank"))
    field = make.field(*links)
    field.submit()
    field.submit(id="r2", nodes=("eve", "dave"))
    field.tick()
    assert sorted(each.link for each in field.started) == ["ab", "cd"]


def test_links_with_one_station_take_turns(make):
    field = make.field(make.link(), make.link("ad", ("alice", "dave"), "charlie"))
    field.submit()
    field.submit(id="r2", nodes=("alice", "dave"))
    field.tick()
    assert [each.link for each in field.started] == ["ab"]


def test_a_slow_writer_stops_arming_and_nothing_is_lost(make):
    field = make.field(probability=1e-5)
    field.submit(pairs=20, deadline_s=600.0)
    field.run(1)
    started = len(field.started)
    field.give_room = lambda: field.service.room("charlie", 0, 0, len(field.started))
    field.run(5)
    assert len(field.started) <= started + 1
    assert field.service.status(field.now_s)["requests"][0]["held_up"] == "a party has no room for another batch"
    del field.give_room
    field.run(60, step_s=0.1)
    assert field.ends["r1"].state is State.OK


def test_no_pair_is_kept_where_no_memory_is_free(make):
    field = make.field(memories=0)
    field.submit(kind="keep", max_age_s=0.1, pairs=1)
    field.run(1)
    assert field.started == []
    assert field.service.status(1.0)["requests"][0]["held_up"].startswith("no memory is free")


def test_nobody_reports_a_batch_that_is_not_under_way(make):
    service = make.field().service
    with pytest.raises(BellringerError, match="no batch 7"):
        service.batch_ended(7, 0, 0.0, 7)
    with pytest.raises(BellringerError, match="no link 'xy'"):
        service.forecast("xy", "keep", make.forecast())


def test_a_lab_that_contradicts_itself_is_refused(make):
    for arguments in (
        {"links": (make.link(), make.link())},
        {"links": (make.link(needs=(Want("laser"),)),)},
        {"links": (make.link(),), "calibrations": (Calibration("phase", ("xy",), 1.0, 60.0),)},
    ):
        with pytest.raises(BellringerError):
            Lab(**arguments)


def test_the_status_is_plain(make):
    field = make.field()
    field.submit()
    field.run(0.2)
    status = field.service.status(field.now_s)
    assert json.loads(json.dumps(status)) == status
    assert status["links"]["ab"]["forecasts"]["keep"]["fidelity"] == 0.9


asked = st.lists(
    st.tuples(
        st.sampled_from([("alice", "bob"), ("dave", "eve")]),
        st.sampled_from(["keep", "measure"]),
        st.integers(1, 30),
        st.integers(0, 9),
        st.floats(0.5, 60.0),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(asked=asked, cancel=st.integers(0, 6), seed=st.integers(0, 5))
def test_whatever_is_asked_every_request_has_one_end_and_everything_is_given_back(make, asked, cancel, seed):
    def play():
        field = two_links(make, seed=seed, probability=1e-4, memories=2)
        accepted = set()
        for tenth in range(0, 45, 5):
            for number, (nodes, kind, pairs, priority, deadline, when) in enumerate(asked):
                if tenth <= when < tenth + 5:
                    age = {"max_age_s": 0.1} if kind == "keep" else {}
                    more = {"kind": kind, "pairs": pairs, "priority": priority, "deadline_s": deadline, **age}
                    if hasattr(field.submit(id=f"r{number}", nodes=nodes, **more), "estimate"):
                        accepted.add(f"r{number}")
            if f"r{cancel}" in accepted and tenth == 30:
                field.service.cancel(f"r{cancel}", "anna", field.now_s)
            field.run(0.5, step_s=0.1)
        field.run(70, step_s=0.2)
        assert set(field.ends) == accepted
        for name, end in field.ends.items():
            pairs = [each for each in field.told if isinstance(each, Pair) and each.request == name]
            assert end.delivered == len(pairs) <= asked[int(name[1:])][2]
        assert field.lab.ledger.described() == {}
        assert field.batches == {}
        return field.started, field.told

    assert play() == play(), "the same calls give the same answers"


def test_starts_are_whole_picoseconds_far_into_a_run(make):
    field = make.field()
    field.now_s = 9e6  # 104 days
    for kind in ("keep", "measure"):
        field.service.forecast("ab", kind, make.forecast(made_s=field.now_s))
    field.submit()
    field.tick()
    assert isinstance(field.started[0], StartBatch)
    assert field.started[0].start_ps == field.now_ps + 5 * 10**10
    assert math.log2(field.started[0].start_ps) < 63
