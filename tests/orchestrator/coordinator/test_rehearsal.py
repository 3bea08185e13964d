"""When lab time moves for a request in lockstep, and when it stands still; the simulated lab is a double."""

from dataclasses import dataclass

import pytest
from bellringer.orchestrator.coordinator.rehearsal import GIVE_UP_S, IDLE_S, NAP_S, STUCK_S, Next, Rehearsal
from bellringer.orchestrator.heralding.messages import Ask, Commit, NotArmed, Prepare

CORES = ("alice.memory", "west.core")


class LabTime:
    """Lab time that does what it is told and notes it."""

    def __init__(self):
        self.at_work = self.serving = False
        self.registered, self.fresh, self.done, self.cancelled = 0, 0, [], []

    def begin(self, ticket):
        self.serving = self.at_work = True

    def register(self, name, host):
        self.registered += 1
        self.fresh += 1
        return f"1-{self.registered}"

    def wait(self):
        waits, self.fresh = self.fresh, 0
        if waits:
            self.step(waits)
        return bool(waits)

    def step(self, what):
        self.at_work = False
        self.done.append(what)

    def sleep(self, seconds):
        self.step(f"{seconds} s")

    def give_up(self):
        self.done.append("given up")

    def cancel(self, number):
        self.cancelled.append(number)

    def end(self):
        self.serving = self.at_work = False


@dataclass
class Herald:
    batch: int
    hseq: int


@pytest.fixture
def served():
    lab_time = LabTime()
    rehearsal = Rehearsal(lab_time)
    rehearsal.serve("r", "1-0", CORES, 0.0)
    return rehearsal, lab_time


def quiet(rehearsal, now_s=0.0, under_way=False, draining=False, ended=False):
    return rehearsal.next(now_s, under_way, draining, ended)


def message(kind, **fields):
    return kind(0, 1, "run", 5, "boot", 1, **fields)


def prepare():
    return message(Prepare, start_ps=10, digest="", program=b"", calibration="")


def test_cores_are_looked_at_before_batches_are_ordered_and_lab_time_waits_for_the_answers(served):
    rehearsal, lab_time = served
    assert quiet(rehearsal) is Next.LOOK
    rehearsal.look()
    assert quiet(rehearsal) is Next.NOTHING
    assert lab_time.done == [2], "one step, until both looks have ended"
    lab_time.at_work = True
    for number, show in enumerate(rehearsal.unasked()):
        rehearsal.asked(show.instrument.partition(".")[0], number, show)
    assert quiet(rehearsal) is Next.NOTHING
    assert [rehearsal.shown("alice", 0), rehearsal.shown("west", 1), rehearsal.shown("west", 7)] == [*CORES, ""]
    assert lab_time.cancelled == []
    assert quiet(rehearsal) is Next.ORDER
    assert lab_time.done == [2], "nothing moves but in steps"


def test_lab_time_does_not_wait_for_a_look_that_was_refused(served):
    """Its driver process died before it began: nobody else will end that call."""
    rehearsal, lab_time = served
    rehearsal.look()
    for number, show in enumerate(rehearsal.unasked()):
        rehearsal.asked(show.instrument.partition(".")[0], number, show)
    assert rehearsal.shown("west", 1, refused=True) == "west.core"
    assert lab_time.cancelled == ["1-2"]


def test_where_nothing_could_be_ordered_lab_time_goes_on_before_the_cores_are_looked_at_again(served):
    """Or memories that are freed in their time never would be."""
    rehearsal, lab_time = served
    rehearsal._looked = True
    assert quiet(rehearsal) is Next.ORDER
    assert quiet(rehearsal) is Next.NOTHING
    assert lab_time.done == [f"{IDLE_S} s"]
    lab_time.at_work = True
    assert quiet(rehearsal) is Next.LOOK


def test_where_a_batch_was_ordered_it_is_waited_for(served):
    rehearsal, lab_time = served
    rehearsal._looked = True
    assert quiet(rehearsal) is Next.ORDER
    assert rehearsal.next(0.0, True, False, False) is Next.NOTHING
    assert quiet(rehearsal) is Next.LOOK
    assert lab_time.done == []


def test_an_order_has_one_ticket_however_often_it_is_repeated(served):
    rehearsal, _ = served
    first, again = rehearsal.ticketed("alice", prepare()), rehearsal.ticketed("alice", prepare())
    assert (first.ticket, again.ticket) == ("1-1", "1-1")
    assert rehearsal.ticketed("west", prepare()).ticket == "1-2"
    assert rehearsal.ticketed("alice", message(Commit, start_ps=10)).ticket == "1-3"
    asked = message(Ask)
    assert rehearsal.ticketed("alice", asked) is asked


def test_a_party_that_refuses_carries_nothing_out_and_is_not_waited_for(served):
    rehearsal, lab_time = served
    rehearsal.ticketed("alice", prepare())
    rehearsal.ticketed("west", prepare())
    rehearsal.answered("west", message(NotArmed, reason="no"))
    assert lab_time.cancelled == ["1-2"]


def test_answers_are_waited_for_while_lab_time_stands_still_and_only_after_long_it_goes_on(served):
    rehearsal, lab_time = served
    rehearsal.ticketed("alice", prepare())
    quiet(rehearsal, 0.0, under_way=True)
    lab_time.at_work = True
    for now_s in (100.0, 100.0 + STUCK_S):  # a long step is no long wait for answers
        quiet(rehearsal, now_s, under_way=True)
    assert lab_time.done == [1]
    quiet(rehearsal, 101.0 + STUCK_S, under_way=True)
    assert lab_time.done == [1, f"{NAP_S} s"]


def test_calls_that_do_not_end_are_given_up(served):
    rehearsal, lab_time = served
    rehearsal.ticketed("alice", prepare())
    quiet(rehearsal, 0.0)
    quiet(rehearsal, GIVE_UP_S)
    assert lab_time.done == [1]
    quiet(rehearsal, GIVE_UP_S + 1)
    assert lab_time.done == [1, "given up"]


def test_lab_time_goes_on_while_parties_end_a_void_batch_and_the_request_ends_after_it(served):
    rehearsal, lab_time = served
    quiet(rehearsal, draining=True, ended=True)
    assert lab_time.done == [f"{NAP_S} s"]
    lab_time.at_work = True
    assert quiet(rehearsal, ended=True) is Next.NOTHING
    assert not lab_time.serving


def test_pairs_come_in_the_order_of_their_heralds_whatever_order_they_were_confirmed_in(served):
    rehearsal, _ = served
    rehearsal.hold([Herald(5, 3), Herald(6, 9)])
    rehearsal.hold([Herald(5, 1), Herald(5, 2)])
    assert [each.hseq for each in rehearsal.held(5)] == [1, 2, 3]
    assert rehearsal.held(5) == []
    assert [each.hseq for each in rehearsal.held(6)] == [9]
