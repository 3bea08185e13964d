"""One request's life, whatever happens in whatever order: one end, no pair after it, never too many, none twice."""

import pytest
from bellringer.orchestrator.heralding.service.progress import Progress
from bellringer.orchestrator.heralding.service.replies import Ended, Herald, Pair, State
from bellringer.orchestrator.heralding.service.requests import checked
from hypothesis import given, settings
from hypothesis import strategies as st

PS_PER_S = 10**12


def begun(make, *orders, **changes):
    progress = Progress(checked(make.request(**changes)), "anna", "ab", 0.0)
    for order in orders or (1,):
        progress.began(order)
    return progress


def herald(hseq, order=1, t_s=0.0, label="psi+"):
    return Herald(order, hseq, hseq, label, round(t_s * PS_PER_S))


def test_pairs_come_one_by_one_and_the_last_one_ends_it(make):
    progress = begun(make, pairs=2)
    first = herald(1)
    assert progress.herald(first, "phi+") == [Pair("r1", 1, "phi+", first)]
    events = progress.herald(herald(2), "phi+")
    assert [type(each) for each in events] == [Pair, Ended]
    assert (events[1].state, events[1].delivered) == (State.OK, 2)


def test_a_herald_confirmed_twice_is_delivered_once(make):
    progress = begun(make, 1, 2)
    assert len(progress.herald(herald(7), "phi+")) == 1
    assert progress.herald(herald(7), "phi+") == []
    assert progress.herald(herald(7, order=2), "phi+"), "the same number of another batch is another herald"
    assert (progress.delivered, progress.not_delivered) == (2, {"twice": 1})


def test_another_bell_state_than_asked_for_is_not_delivered(make):
    progress = begun(make, target="psi-")
    assert progress.herald(herald(1), "psi+") == []
    assert len(progress.herald(herald(2), "psi-")) == 1
    assert progress.not_delivered == {"another Bell state": 1}


def test_what_comes_after_the_end_or_from_a_batch_that_is_over_is_nobodys(make):
    progress = begun(make, 1, 2)
    progress.spent(1, 100, 0.1)
    assert progress.herald(herald(1, order=1), "phi+") == []
    progress.finish(State.CANCELLED, "no more")
    assert progress.herald(herald(2, order=2), "phi+") == []
    assert progress.not_delivered == {"after the end": 2}


def test_pairs_of_a_packet_are_delivered_together_or_not_at_all(make):
    progress = begun(make, pairs=4, packet_pairs=2, packet_window_s=1.0)
    assert progress.herald(herald(1, t_s=0.0), "phi+") == []
    assert progress.herald(herald(2, t_s=1.5), "phi+") == []  # the first is too old by now
    events = progress.herald(herald(3, t_s=2.5), "phi+")
    assert [each.herald.hseq for each in events] == [2, 3]
    assert [each.number for each in events] == [1, 2]
    progress.herald(herald(4, t_s=2.6), "phi+")
    assert progress.finish(State.PARTIAL, "over").delivered == 2
    assert progress.not_delivered == {"packet not full": 2}


def test_batches_that_report_out_of_order_make_the_same_packets(make):
    progress = begun(make, 1, 2, pairs=2, packet_pairs=2, packet_window_s=1.0)
    assert progress.herald(herald(9, order=2, t_s=5.0), "phi+") == []
    assert progress.herald(herald(1, order=1, t_s=0.0), "phi+") == []  # not with the one of 5 s
    assert [each.herald.hseq for each in progress.herald(herald(10, order=2, t_s=4.5), "phi+")[:2]] == [10, 9]


@pytest.mark.parametrize(
    ("changes", "did", "now_s", "state"),
    [
        ({}, "nothing", 99.9, None),
        ({}, "nothing", 100.0, State.TIMEOUT),
        ({}, "pair", 100.0, State.PARTIAL),
        ({"longest_wait_s": 5.0}, "nothing", 4.9, None),
        ({"longest_wait_s": 5.0}, "nothing", 5.0, State.EXPIRED),
        ({"longest_wait_s": 5.0}, "begun", 5.0, None),
        ({"most_attempts": 100}, "spent 99", 1.0, None),
        ({"most_attempts": 100}, "spent 100", 1.0, State.EXPIRED),
        ({"most_attempts": 100}, "pair, spent 100", 1.0, State.PARTIAL),
        ({"most_light_s": 1.0}, "spent 100", 1.0, State.EXPIRED),
    ],
)
def test_it_is_over_when_time_or_budget_is(make, changes, did, now_s, state):
    progress = Progress(checked(make.request(**changes)), "anna", "ab", 0.0)
    if did != "nothing":
        progress.began(1)
    if "pair" in did:
        progress.herald(herald(1), "phi+")
    if "spent" in did:
        progress.spent(1, int(did.split()[-1]), 1.0)
    over = progress.over(now_s)
    assert (over and over[0]) == state


steps = st.one_of(
    st.tuples(st.just("began"), st.integers(1, 3)),
    st.tuples(st.just("pair"), st.integers(1, 3), st.integers(1, 12), st.integers(0, 30)),
    st.tuples(st.just("spent"), st.integers(1, 3), st.integers(0, 40)),
    st.tuples(st.just("over"), st.integers(0, 120)),
    st.tuples(st.just("finish"), st.sampled_from([each for each in State if each.ended])),
)


@settings(max_examples=150, deadline=None)
@given(
    history=st.lists(steps, max_size=40),
    packet=st.sampled_from([(1, 0.0), (2, 5.0), (3, 10.0)]),
    packets=st.integers(1, 3),
    budget=st.none() | st.integers(1, 60),
)
def test_whatever_happens_there_is_one_end_no_pair_after_it_and_none_too_many(make, history, packet, packets, budget):
    asked = make.request(
        pairs=packets * packet[0], packet_pairs=packet[0], packet_window_s=packet[1], most_attempts=budget
    )
    progress = Progress(checked(asked), "anna", "ab", 0.0)
    events = []
    for step, *args in history:
        match step:
            case "began":
                progress.began(*args)
            case "pair":
                events += progress.herald(herald(args[1], args[0], args[2]), "phi+")
            case "spent":
                progress.spent(*args, 0.0)
            case "over":
                over = progress.over(*args)
                if over and progress.end is None:
                    events.append(progress.finish(*over))
            case "finish" if progress.end is None:
                events.append(progress.finish(*args, "told so"))
            case "finish":
                assert progress.finish(*args, "again") is progress.end
        assert progress.remaining >= 0
    pairs = [each for each in events if isinstance(each, Pair)]
    ends = [each for each in events if isinstance(each, Ended)]
    assert len(ends) == (progress.end is not None) == progress.state.ended
    assert [each.number for each in pairs] == list(range(1, len(pairs) + 1))
    assert len(pairs) == progress.delivered <= packets * packet[0]
    assert len(pairs) % packet[0] == 0
    if ends:
        assert events[-1] is ends[0] is progress.end
        assert ends[0].delivered == len(pairs)
        assert (ends[0].state is State.OK) <= (len(pairs) == packets * packet[0]) or ends[0].why == "told so"
    for start in range(0, len(pairs), packet[0]):
        times = [each.herald.t_ps for each in pairs[start : start + packet[0]]]
        assert max(times) - min(times) <= packet[1] * PS_PER_S or packet[0] == 1
