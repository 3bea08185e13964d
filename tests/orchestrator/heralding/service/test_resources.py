"""Reservations: all or nothing, never too much, and no circle of waiting however they are carried out."""

import pytest
from bellringer.orchestrator.heralding.service.resources import Ledger, Resource, Want, in_order
from bellringer.testbed.errors import BellringerError
from hypothesis import given, settings
from hypothesis import strategies as st


def ledger():
    return Ledger((Resource("laser", 2), Resource("switch", 2, settle_s=3.0), Resource("station")))


def test_everything_or_nothing():
    held = ledger()
    assert held.reserve("a", (Want("laser"), Want("station")), 1.0) == 1.0
    assert held.reserve("b", (Want("laser"), Want("station")), 1.0) is None
    assert held.described() == {"a": {"laser": 1, "station": 1}}
    assert held.lacking((Want("laser", 2), Want("station"))) == ("laser", "station")
    held.release("a")
    assert held.reserve("b", (Want("laser", 2), Want("station")), 1.0) == 1.0


def test_a_setting_is_shared_by_those_who_want_the_same_and_settles_once():
    held = ledger()
    assert held.reserve("a", (Want("switch", setting="left"),), 0.0) == 3.0
    assert held.reserve("b", (Want("switch", setting="left"),), 1.0) == 3.0
    held.release("a")
    assert held.reserve("c", (Want("switch", setting="right"),), 5.0) is None
    held.release("b")
    assert held.reserve("d", (Want("switch", setting="left"),), 10.0) == 10.0, "nobody turned it meanwhile"
    held.release("d")
    assert held.reserve("c", (Want("switch", setting="right"),), 11.0) == 14.0


def test_what_could_never_be_had_is_an_error_and_not_a_wait():
    held = ledger()
    for wants in ((Want("lasr"),), (Want("laser", 3),), (Want("laser", 0),), (Want("laser"), Want("laser"))):
        with pytest.raises(BellringerError):
            held.reserve("a", wants, 0.0)
    held.reserve("a", (Want("laser"),), 0.0)
    with pytest.raises(BellringerError, match="already"):
        held.reserve("a", (Want("station"),), 0.0)
    for resources in ((Resource("x"), Resource("x")), (Resource("x", 0),), (Resource("x", 1, -1.0),)):
        with pytest.raises(BellringerError):
            Ledger(resources)


NAMES = ("detector", "fibre", "laser", "memory", "switch")
wants = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 2), min_size=1).map(
    lambda found: tuple(Want(name, amount) for name, amount in found.items())
)


@settings(max_examples=100, deadline=None)
@given(history=st.lists(st.tuples(st.integers(0, 4), st.none() | wants), max_size=40))
def test_nothing_is_ever_given_twice(history):
    held, model = Ledger(Resource(name, 2) for name in NAMES), {}
    for owner, wanted in history:
        name = f"owner {owner}"
        if wanted is None:
            held.release(name)
            model.pop(name, None)
        elif name not in model:
            used = {each: sum(w.amount for h in model.values() for w in h if w.name == each) for each in NAMES}
            fits = all(used[want.name] + want.amount <= 2 for want in wanted)
            assert (held.reserve(name, wanted, 0.0) is not None) == fits
            if fits:
                model[name] = wanted
        assert held.described() == {o: {w.name: w.amount for w in h} for o, h in model.items()}


def finish_all(plans, choices):
    """Let clients take single things in the order given, as ``choices`` schedules them; return who is stuck."""
    held, taken = dict.fromkeys(NAMES), [0] * len(plans)
    for choice in [*choices, *range(len(plans))] * len(NAMES) * (len(plans) + 1):
        client = choice % len(plans)
        plan = plans[client]
        if taken[client] == len(plan):
            continue
        if held[plan[taken[client]]] is None:
            held[plan[taken[client]]] = client
            taken[client] += 1
            if taken[client] == len(plan):
                held.update({name: None for name, owner in held.items() if owner == client})
    return [client for client, plan in enumerate(plans) if taken[client] < len(plan)]


plans = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), min_size=2, max_size=4)


@settings(max_examples=100, deadline=None)
@given(plans=plans, choices=st.lists(st.integers(0, 3), max_size=30))
def test_taken_one_by_one_in_the_common_order_nobody_gets_stuck(plans, choices):
    ordered = [[want.name for want in in_order(map(Want, plan))] for plan in plans]
    assert finish_all(ordered, choices) == []


def test_in_orders_of_their_own_they_do_get_stuck():
    assert finish_all([["laser", "switch"], ["switch", "laser"]], [0, 1]) == [0, 1]
