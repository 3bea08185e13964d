"""When an ``EagerPoll`` looks for an answer and when it sleeps; on a clock and a system of the test's own."""

import math
import types

import pytest
from bellringer.testbed import eager_poll
from bellringer.testbed.eager_poll import ASK_AGAIN_S, CROWDED_PER_CENT, EAGER_S, TAKEN_S, EagerPoll, waiting_per_cent

AT_ONCE_S, LATE_S, LOOK_S = EAGER_S / 2, 2 * EAGER_S, EAGER_S / 10
ANSWER = [(3, 1)]


class System:
    """What the system does for an ``EagerPoll``: an answer comes when it is due, and a look takes ``look_s``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.due_s, self.look_s = 100.0, math.inf, LOOK_S
        self.offers, self.slept = 0, False
        self.waiting_per_cent: float | None = 0.0
        monkeypatch.setattr(eager_poll, "waiting_per_cent", lambda: self.waiting_per_cent)
        monkeypatch.setattr(eager_poll, "select", types.SimpleNamespace(poll=lambda: self))
        monkeypatch.setattr(eager_poll, "time", types.SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(eager_poll, "os", types.SimpleNamespace(sched_yield=self._offer))
        self.eager = EagerPoll()

    def register(self, descriptor: int, events: int) -> None: ...
    def unregister(self, descriptor: int) -> None: ...

    def poll(self, timeout_ms: int) -> list[tuple[int, int]]:
        self.slept |= timeout_ms > 0 and self.due_s > self.now_s
        self.now_s = max(self.now_s, min(self.due_s, self.now_s + timeout_ms / 1e3))
        return ANSWER if self.due_s <= self.now_s else []

    def _offer(self) -> None:
        self.offers += 1
        self.now_s += self.look_s

    def ask(self, answer_s: float, timeout_ms: int = 1000) -> tuple[bool, int]:
        """Ask for what comes after ``answer_s``; return whether it slept, and how often the core was offered."""
        self.due_s, self.slept, self.offers = self.now_s + answer_s, False, 0
        self.eager.asked()
        assert self.eager.poll(timeout_ms) == ([] if answer_s > timeout_ms / 1e3 else ANSWER)
        return self.slept, self.offers


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


def test_it_sleeps_until_an_answer_came_at_once_and_looks_from_then_on(system):
    assert system.ask(AT_ONCE_S) == (True, 0)
    assert system.ask(AT_ONCE_S) == (False, 5)
    assert system.ask(AT_ONCE_S) == (False, 5)


def test_a_slow_answer_is_looked_for_once_and_slept_for_after_that(system):
    system.ask(AT_ONCE_S)
    assert system.ask(LATE_S) == (True, 10)
    assert system.ask(LATE_S) == (True, 0)
    system.ask(AT_ONCE_S)
    assert system.ask(AT_ONCE_S)[1]


def test_no_answer_ends_with_the_wait(system):
    system.ask(AT_ONCE_S)
    began_s = system.now_s
    assert system.ask(math.inf, timeout_ms=50) == (True, 10)
    assert system.now_s - began_s == pytest.approx(EAGER_S + 0.05)


def test_who_loses_the_core_sleeps_for_a_while_where_the_system_does_not_tell(system):
    system.waiting_per_cent = None
    system.ask(AT_ONCE_S)
    system.look_s = 2 * TAKEN_S
    assert system.ask(AT_ONCE_S) == (False, 1)  # it was there when the core came back
    system.look_s = LOOK_S
    system.ask(AT_ONCE_S)
    assert system.ask(AT_ONCE_S) == (True, 0)
    system.now_s += ASK_AGAIN_S
    system.ask(AT_ONCE_S)
    assert system.ask(AT_ONCE_S) == (False, 5)


def test_who_loses_the_core_to_another_machine_goes_on_looking(system):
    system.ask(AT_ONCE_S)
    system.look_s = 2 * TAKEN_S
    assert system.ask(AT_ONCE_S) == (False, 1)
    system.look_s = LOOK_S
    system.ask(AT_ONCE_S)
    assert system.ask(AT_ONCE_S) == (False, 5)


def test_nobody_looks_where_others_wait_for_cores(system):
    system.waiting_per_cent = 1.1 * CROWDED_PER_CENT
    for _ in range(3):
        assert system.ask(AT_ONCE_S) == (True, 0)
    system.waiting_per_cent = 0.9 * CROWDED_PER_CENT
    assert system.ask(AT_ONCE_S) == (True, 0), "that there were too few holds for a while"
    system.now_s += ASK_AGAIN_S
    assert system.ask(AT_ONCE_S) == (False, 5)


@pytest.mark.parametrize(
    ("text", "per_cent"),
    [
        ("some avg10=7.30 avg60=22.24 avg300=36.81 total=1393601431\nfull avg10=1.00 avg60=0.00 total=0\n", 7.3),
        ("", None),
        (None, None),
    ],
)
def test_what_the_system_tells_of_its_cores(text, per_cent, tmp_path, monkeypatch):
    monkeypatch.setattr(eager_poll, "PRESSURE", tmp_path / "cpu")
    if text is not None:
        (tmp_path / "cpu").write_text(text)
    assert waiting_per_cent() == per_cent


def test_only_what_was_asked_for_is_looked_for(system):
    system.ask(AT_ONCE_S)
    system.offers, system.slept, system.due_s = 0, False, system.now_s + AT_ONCE_S
    assert system.eager.poll(1000) == ANSWER
    assert (system.slept, system.offers) == (True, 0)


def test_a_look_without_a_wait_leaves_the_answer_to_be_waited_for(system):
    system.ask(AT_ONCE_S)
    system.eager.asked()
    system.due_s, system.offers = system.now_s + AT_ONCE_S, 0
    assert system.eager.poll(0) == []
    assert system.eager.poll(1000) == ANSWER
    assert system.offers == 5
