"""What an agent tells of its interlocks: every opening is counted, and what was never read says nothing yet."""

import pytest
from bellringer.orchestrator.agent.interlocks import LIT_S, UNLIT_S, Interlocks
from bellringer.orchestrator.wire.messages import Refusal, Reply
from bellringer.testbed.testbed import Interlock

from .answering import Child

PATIENCE_S = 1.0


class Room:
    """A door that is looked at twice a second."""

    def __init__(self):
        self.child, self.tripped, self.now_s = Child(), [], 0.0
        rules = {"door": Interlock(reading="contact.door", closed="closed")}
        self.interlocks = Interlocks("alice", rules, {"alice.contact": self.child}, self.tripped.append, False)

    def turn(self, seconds=0.0, lit=False, latched=False):
        self.now_s += seconds
        self.interlocks.turn(self.now_s, lit, latched)

    def look(self, answer):
        self.turn(UNLIT_S)
        for take in self.child.asked:
            take(answer)
        self.child.asked.clear()
        return self.interlocks.why_open(), self.interlocks.openings


@pytest.fixture
def room():
    return Room()


CLOSED, OPEN = Reply(0, "closed"), Reply(0, "open")
WHY = "interlock 'door' is open: contact.door is 'open'"


def test_every_opening_counts_once_however_long_it_lasts(room):
    found = [room.look(answer) for answer in (CLOSED, OPEN, OPEN, CLOSED, OPEN)]
    assert found == [("", 0), (WHY, 1), (WHY, 1), ("", 1), (WHY, 2)]


def test_one_that_is_open_from_the_beginning_counts(room):
    assert room.look(OPEN) == (WHY, 1)


def test_an_error_is_an_opening(room):
    room.look(CLOSED)
    assert room.look(Refusal(0, "TransportError", "unplugged")) == ("interlock 'door' is open: unplugged", 1)


def test_silence_is_an_opening_but_not_before_it_could_be_read(room):
    room.child.darkening = True
    room.turn(10.0)
    assert (room.interlocks.closed(), room.interlocks.why_open(), room.interlocks.openings) == (False, "", 0)
    room.child.darkening = False
    assert room.look(CLOSED) == ("", 0)
    room.turn(UNLIT_S)
    room.turn(PATIENCE_S + 0.1)
    assert room.interlocks.why_open() == "interlock 'door' is open: contact.door was not answered within 1 s"
    assert room.interlocks.openings == 1


def test_while_something_may_be_lit_an_open_one_trips_and_is_read_more_often(room):
    room.look(CLOSED)
    room.turn(LIT_S + 0.01, lit=True)
    assert len(room.child.asked) == 1
    room.child.asked.pop()(OPEN)
    assert room.tripped == []
    room.interlocks.look(lit=True, latched=False)
    assert room.tripped == [WHY]
    room.interlocks.look(lit=True, latched=True)
    assert room.tripped == [WHY], "once"
    room.interlocks.acknowledged()
    assert len(room.tripped) == 2, "an acknowledgement with the door open does not count"
