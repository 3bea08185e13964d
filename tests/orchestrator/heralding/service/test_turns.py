"""Turns: first come first served, priorities that grow with waiting, nobody starves, nothing is held for nothing."""

from bellringer.orchestrator.heralding.service.resources import Ledger, Resource, Want
from bellringer.orchestrator.heralding.service.turns import AGEING_S, Wanter, rank, take_turns
from hypothesis import given, settings
from hypothesis import strategies as st

LASER, STATION, FIBRE = Want("laser"), Want("station"), Want("fibre")


def ledger(*names):
    return Ledger(Resource(name) for name in names or ("laser", "station", "fibre"))


def wanter(name, *wants, able=True, busy=False):
    return Wanter(name, wants, able, busy)


def test_the_order_is_priority_then_time_and_waiting_counts():
    assert rank(0, 0.0, 1) < rank(0, 0.0, 2) < rank(0, 1.0, 3)
    assert rank(1, 1.0, 2) < rank(0, 0.0, 1)
    assert rank(0, 0.0, 1) < rank(1, AGEING_S + 1e-6, 2), "a minute of waiting is worth a level"
    assert rank(9, 9 * AGEING_S - 1, 2) < rank(0, 0.0, 1) < rank(9, 9 * AGEING_S + 1, 2)


def test_who_comes_first_gets_it_and_the_next_what_is_left():
    held = ledger()
    turns = take_turns(held, [wanter("a", LASER), wanter("b", LASER, STATION), wanter("c", STATION)], 1.0)
    assert turns.granted == {"a": 1.0, "c": 1.0}


def test_a_holder_gives_way_to_one_before_it_when_its_batches_have_ended():
    held = ledger()
    held.reserve("late", (LASER,), 0.0)
    turns = take_turns(held, [wanter("early", LASER), wanter("late", LASER, busy=True)], 1.0)
    assert (turns.granted, turns.giving_way) == ({}, {"late"})
    turns = take_turns(held, [wanter("early", LASER), wanter("late", LASER)], 2.0)
    assert (turns.granted, turns.giving_way) == ({"early": 2.0}, set())


def test_a_holder_keeps_its_turn_against_those_behind_it():
    held = ledger()
    held.reserve("early", (LASER,), 0.0)
    turns = take_turns(held, [wanter("early", LASER), wanter("late", LASER)], 1.0)
    assert (turns.granted, turns.giving_way) == ({}, set())


def test_nobody_gets_in_between_while_one_waits_for_batches_to_end():
    held = ledger()
    held.reserve("last", (LASER,), 0.0)
    order = [wanter("first", LASER, STATION), wanter("second", STATION), wanter("last", LASER, busy=True)]
    turns = take_turns(held, order, 1.0)
    assert (turns.granted, turns.giving_way) == ({}, {"last"})


def test_what_waits_for_one_before_it_keeps_nobody_from_the_rest():
    held = ledger()
    held.reserve("first", (LASER,), 0.0)
    order = [wanter("first", LASER, busy=True), wanter("second", LASER, STATION), wanter("third", STATION)]
    turns = take_turns(held, order, 1.0)
    assert turns.granted == {"third": 1.0}


def test_what_cannot_run_holds_nothing_and_holds_nobody_back():
    held = ledger()
    held.reserve("first", (LASER,), 0.0)
    turns = take_turns(held, [wanter("first", LASER, able=False), wanter("second", LASER)], 1.0)
    assert turns.granted == {"second": 1.0}


NAMES = ("laser", "station", "fibre")
subsets = st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(lambda found: tuple(map(Want, found)))
arrivals = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 9), subsets, st.integers(1, 6), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


def play(asked, seconds, ageing=1.0):
    """Serve requests (arrival, priority, wants, batches, batch length in s) second by second.

    Returns when each of them was served to its end. Batches follow each other while the turn lasts.
    """
    held, done, left, until = ledger(*NAMES), {}, {}, {}
    for now in range(seconds):
        here = {
            number: (rank(priority, arrived * ageing, number), wants, length)
            for number, (arrived, priority, wants, _, length) in enumerate(asked)
            if arrived <= now and number not in done
        }
        for number in list(here):
            if until.get(number) == now:
                del until[number]
                left[number] = left.get(number, asked[number][3]) - 1
                if left[number] == 0:
                    held.release(str(number))
                    done[number] = now
                    del here[number]
        order = sorted(here, key=lambda number: here[number][0])
        turns = take_turns(held, [Wanter(str(n), here[n][1], True, n in until) for n in order], float(now))
        for number in order:
            if held.holds(str(number)) and str(number) not in turns.giving_way and number not in until:
                until[number] = now + here[number][2]
    return done


@settings(max_examples=150, deadline=None)
@given(asked=arrivals)
def test_everything_is_served_in_the_time_that_all_of_it_takes(asked):
    """Nothing starves: all is done when it would be if done one after another with each giving way."""
    work = sum(batches * length for *_, batches, length in asked)
    last = max(arrived for arrived, *_ in asked)
    done = play(asked, last + 2 * work + 20)
    assert len(done) == len(asked)


def stream(seconds):
    """Return a request of level 0, and requests of level 9 that come as fast as they can be served, for ever."""
    return [(0, 0, (LASER,), 1, 1), *((now, 9, (LASER,), 1, 2) for now in range(0, seconds, 2))]


def test_a_stream_of_urgent_requests_does_not_starve_a_patient_one():
    done = play(stream(700), 700)
    assert done[0] <= 9 * AGEING_S + 4


def test_the_stream_would_starve_it_if_waiting_did_not_count():
    assert 0 not in play(stream(700), 700, ageing=0.0)
