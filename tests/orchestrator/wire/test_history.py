"""A service's memory of its newest events: bounded, numbered, and it tells of those it turned away, not too often."""

import pytest
from bellringer.orchestrator.wire.history import KEPT, TOLD_EVERY_S, History
from bellringer.orchestrator.wire.messages import Event, Log


class Time:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def history(heard, time):
    return History("alice", heard.append, time)


def names(answer):
    return [event["name"] for event in answer["events"]]


def test_what_happens_is_published_and_kept_in_order_with_its_time(history, heard):
    history.happened("dark", {"why": "lease"}, epoch=3)
    history.happened("child_died", {"text": "x"})
    first, second = history.answer(Log(1))["events"]
    assert (first["number"], first["name"], first["epoch"], first["body"]) == (1, "dark", 3, {"why": "lease"})
    assert first["source"] == "alice"
    assert first["utc"] <= second["utc"]
    assert [event.name for event in heard] == ["dark", "child_died"]
    assert [event.utc for event in heard] == [first["utc"], second["utc"]]


def test_one_can_ask_for_the_newest_and_for_what_came_since(history):
    for number in range(5):
        history.happened(str(number), {})
    assert names(history.answer(Log(1, since=3))) == ["3", "4"]
    assert names(history.answer(Log(1, most=2))) == ["3", "4"]
    assert names(history.answer(Log(1, most=0))) == []
    assert history.answer(Log(1, most=0))["newest"] == 5


def test_it_forgets_the_oldest(history):
    for number in range(KEPT + 5):
        history.happened(str(number), {})
    assert len(history.answer(Log(1, most=10 * KEPT))["events"]) == KEPT
    assert history.answer(Log(1, most=10 * KEPT))["events"][0]["number"] == 6


def test_what_a_journal_remembers_is_not_published_again(history, heard):
    history.restore(Event(0, "estop", "coordinator", 1, {"who": "anna"}, "2026-01-31T12:05:00+00:00"))
    assert heard == []
    assert history.answer(Log(1))["events"][0]["utc"] == "2026-01-31T12:05:00+00:00"


def test_those_turned_away_are_counted_and_told_now_and_then(history, heard, time):
    history.turned_away({"received": 9})
    assert heard == []
    history.turned_away({"denied": 2})
    history.turned_away({"denied": 5})
    time.now_s += TOLD_EVERY_S
    history.turned_away({"denied": 5, "refused NotAllowed": 1})
    assert [event.body for event in heard] == [{"denied": 2}, {"denied": 3, "refused NotAllowed": 1}]
