"""Schedules of faults: drawn from a seed, or by hypothesis, which makes a failing one small."""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from .simulated_world import Fault, Schedule

WHO = ("alice", "bob", "charlie", "coordinator")
SIZES = {
    "kill": (0.0,),
    "freeze": (0.05, 0.3, 2.5),
    "step": (-3.0, -0.5, -0.08, -0.004, 0.004, 0.08, 0.5, 3.0),
    "cut": (0.05, 0.5, 2.5),
    "bad": (0.2, 1.5),
    "takeover": (0.1, 1.0, 2.0),
    "copy": (0.1, 1.0, 2.0),
}
LOSS, DOUBLED, STALE = (0.0, 0.0, 0.02, 0.1, 0.3), (0.0, 0.1), (0.0, 0.05)


def drawn(seed, kinds=tuple(SIZES), **fixed):
    """Return the schedule that belongs to a seed, with faults of these kinds and some fields as given."""
    dice = Random(seed)
    faults = []
    for _ in range(dice.randrange(1, 7)):
        kind = dice.choice(kinds)
        fault = Fault(kind, dice.choice(WHO), dice.uniform(1.9, 5.8), dice.choice(SIZES[kind]), dice.randrange(12))
        faults.append(fault)
    schedule = Schedule(seed, dice.choice(LOSS), dice.choice(DOUBLED), dice.choice(STALE), tuple(faults))
    return replace(schedule, **fixed)


def _faults(kind):
    return st.builds(
        Fault,
        st.just(kind),
        st.sampled_from(WHO),
        st.integers(190, 580).map(lambda hundredths: hundredths / 100),
        st.sampled_from(SIZES[kind]),
        st.integers(0, 11),
    )


def schedules():
    """Return hypothesis' strategy of schedules."""
    faults = st.lists(st.one_of(*map(_faults, SIZES)), max_size=6).map(tuple)
    dice = map(st.sampled_from, (LOSS, DOUBLED, STALE))
    return st.builds(Schedule, st.integers(0, 2**32), *dice, faults)
