"""Watching: one reading for all who watch, never beside another, never on the way to the dark, no old value as new."""

import math

import pytest
from bellringer.orchestrator.agent.readings import MOST, PATIENCE_S, Readings
from bellringer.orchestrator.wire.messages import Do, Get, Refusal, Reply, Subscribe
from bellringer.testbed.errors import BellringerError

PUMP = "charlie.pump"
NAMES = ("power", "current", "emitting")


class Pump:
    """A driver process that answers when the test lets it."""

    darkening, given_up, failures = False, False, ()

    def __init__(self):
        self.asked = []

    def submit(self, job, answer):
        self.asked.append((job, answer))

    @property
    def jobs(self):
        return [job.name if isinstance(job, Get) else job.verb for job, _ in self.asked]

    def answer(self, value):
        job, answer = self.asked.pop(0)
        answer(Reply(job.id, value) if not isinstance(value, str) else Refusal(job.id, "InstrumentError", value))


class Node:
    def __init__(self, lockstep=False):
        self.pump, self.events = Pump(), []
        self.readings = Readings({PUMP: self.pump}, lambda name: NAMES, self.events.append, lockstep)

    def subscribe(self, now_s, *names, period_s=1.0, for_s=10.0, watcher="a", key="anna"):
        return self.readings.subscribe(Subscribe(1, PUMP, names, period_s, for_s, watcher), key, now_s)

    def turns(self, begin_s, end_s, value=1.0):
        """Turn twenty times a second and answer at once; return when what was asked for."""
        asked = []
        for tick in range(round(begin_s * 20), round(end_s * 20)):
            self.readings.turn(tick / 20)
            while self.pump.asked:
                asked.append((tick / 20, self.pump.jobs[0]))
                self.pump.answer(value)
        return asked

    @property
    def told(self):
        return [(event.body["values"], event.body["bad"]) for event in self.events]


@pytest.fixture
def node():
    return Node()


def test_a_value_is_read_every_period_as_long_as_somebody_watches(node):
    node.subscribe(0.0, "power", period_s=0.5, for_s=2.0)
    assert node.turns(0.0, 4.0) == [(0.0, "power"), (0.5, "power"), (1.0, "power"), (1.5, "power")]
    assert node.told == [({"power": 1.0}, {})] * 4


def test_many_watchers_cost_as_much_as_the_most_impatient_one(node):
    node.subscribe(0.0, "power", period_s=1.0, watcher="a")
    node.subscribe(0.0, "power", period_s=0.25, watcher="b")
    assert node.subscribe(0.0, "power", period_s=0.5, key="otto")["periods_s"] == {"power": 0.25}
    assert len(node.turns(0.0, 2.0)) == 8
    node.subscribe(2.0, "power", for_s=0.0, watcher="b")
    assert len(node.turns(2.0, 4.0)) == 4 + 0, "the next one wants it twice a second"


def test_different_values_are_read_at_their_own_pace_and_all_together_as_one(node):
    node.subscribe(0.0, "power", period_s=1.0)
    node.subscribe(0.0, "current", period_s=0.5, watcher="b")
    assert [what for _, what in node.turns(0.0, 1.0)] == ["power", "current", "current"]
    everything = Node()
    everything.subscribe(0.0)
    everything.readings.turn(0.0)
    assert everything.pump.jobs == ["snapshot"]
    everything.pump.answer({"power": 0.01, "current": None, "emitting": False})
    ((values, bad),) = everything.told
    assert values == {"power": 0.01, "emitting": False}
    assert list(bad) == ["current"]


def test_one_read_is_in_flight_at_any_time(node):
    node.subscribe(0.0, "power", "current", period_s=0.05)
    for tick in range(40):
        node.readings.turn(tick / 20)
        assert node.pump.jobs == ["power"]
    node.pump.answer(1.0)
    assert node.pump.jobs == ["current"]


def test_an_instrument_that_does_not_answer_is_bad_and_its_old_value_is_not_told_again(node):
    node.subscribe(0.0, "power", period_s=1.0, for_s=60.0)
    node.readings.turn(0.0)
    node.pump.answer(0.01)
    node.readings.turn(1.0)
    for tick in range(20, 160):
        node.readings.turn(tick / 20)
    bad = node.told[1:]
    assert len(bad) == 2, "at 4 s and at 7 s"
    assert all(values == {} and why["power"].startswith("no answer for") for values, why in bad)
    assert 1.0 + PATIENCE_S < 8.0
    node.pump.answer("it is unplugged")
    assert node.told[-1] == ({}, {"power": "it is unplugged"})
    assert [what for _, what in node.turns(8.0, 8.5)] == ["power"], "and it is tried again"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"darkening": True}, "it is being made dark"),
        ({"failures": ("charlie.pump: silent",)}, "not confirmed dark: charlie.pump: silent"),
        ({"given_up": True}, "its driver process was given up"),
    ],
)
def test_nothing_is_read_on_the_way_to_the_dark(node, state, why):
    node.subscribe(0.0, "power")
    vars(node.pump).update(state)
    assert node.turns(0.0, 0.9) == []
    assert node.told == [({}, {"power": why})]


def test_a_reading_of_several_stops_when_dark_is_ordered_in_between(node):
    node.subscribe(0.0, "power", "current")
    node.readings.turn(0.0)
    node.pump.darkening = True
    node.pump.answer(1.0)
    assert node.pump.jobs == []


def test_what_somebody_else_reads_is_told_to_those_who_watch(node):
    node.readings.passed(Get(1, PUMP, "power", 0), 0.5)
    assert node.events == [], "nobody watches"
    node.subscribe(0.0, "power")
    node.readings.passed(Get(1, PUMP, "power", 0), 0.5)
    node.readings.passed(Do(1, PUMP, "snapshot", 0), dict.fromkeys(NAMES, 1.0))
    node.readings.passed(Do(1, PUMP, "identity", 0), "Cobolt")
    assert node.told == [({"power": 0.5}, {}), (dict.fromkeys(NAMES, 1.0), {})]
    assert {event.body["by"] for event in node.events} == {"request"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": "charlie.pomp"}, "did you mean 'charlie.pump'"),
        ({"names": ("powr",)}, "did you mean 'power'"),
        ({"period_s": 0.04}, "cannot be read every 0.04 s"),
        ({"period_s": math.nan}, "cannot be read every nan s"),
    ],
)
def test_nonsense_is_refused(node, change, message):
    with pytest.raises(BellringerError, match=message):
        node.readings.subscribe(Subscribe(1, **{"instrument": PUMP, **change}), "anna", 0.0)


def test_no_subscription_lasts_for_ever_and_there_are_not_too_many(node):
    node.subscribe(0.0, "power", for_s=math.inf)
    node.subscribe(0.0, "power", for_s=math.nan, watcher="b")
    node.turns(0.0, 60.0)
    assert node.turns(60.0, 63.0) == []
    for number in range(MOST):
        node.subscribe(63.0, "power", watcher=str(number))
    with pytest.raises(BellringerError, match="watchers already"):
        node.subscribe(63.0, "power", watcher="one more")


def test_a_dry_run_in_lockstep_is_not_disturbed():
    node = Node(lockstep=True)
    with pytest.raises(BellringerError, match="in lockstep"):
        node.subscribe(0.0, "power")
    assert node.turns(0.0, 2.0) == []
