"""A call that goes on as another one: between the two its thread waits for a word, and holds no lab time."""

import queue
import threading

import pytest
from bellringer.sim_backends.lab.lab import Lab
from bellringer.testbed.errors import Aborted
from bellringer.testbed.lockstep import LockstepClock


@pytest.fixture
def clock(tmp_path):
    lab = Lab(seed=3, clock_endpoint=f"ipc://{tmp_path}/clock")
    thread = threading.Thread(target=lab.run)
    thread.start()
    clock = LockstepClock(f"ipc://{tmp_path}/clock", caller="test")
    yield clock
    clock.close()
    lab.stop()
    thread.join(10)


class Armed:
    """A call in a thread of its own that goes on when ``words`` says so; tells lab times in ``moments``."""

    def __init__(self, clock):
        self.clock, self.words, self.moments, self.errors = clock, queue.Queue(), [], []
        self.ticket = clock.register("arm")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def word(self, wait_s):
        try:
            return self.words.get(timeout=wait_s)
        except queue.Empty:
            return None

    def run(self):
        with self.clock.running(self.ticket):
            self.clock.sleep(1.0)
            try:
                self.clock.go_on_as(self.word)
            except Aborted as error:
                self.errors.append(error)
            self.moments.append(self.clock.monotonic_s())
            with self.clock.shielded():
                self.clock.sleep(2.0)
            self.moments.append(self.clock.monotonic_s())


def test_the_first_call_ends_where_it_waits_and_lab_time_is_the_callers(clock):
    armed = Armed(clock)
    clock.wait_for([armed.ticket])
    assert clock.monotonic_s() == 1.0
    clock.sleep(5.0)  # nobody is in the way
    going_on = clock.register("go")
    armed.words.put(going_on)
    clock.wait_for([going_on])
    armed.thread.join(10)
    assert armed.moments == [6.0, 8.0]
    assert clock.monotonic_s() == 8.0


def test_an_abort_ends_the_wait_in_a_call_of_its_own(clock):
    armed = Armed(clock)
    clock.wait_for([armed.ticket])
    clock.abort()
    with clock.idle():
        armed.thread.join(10)
    clock.revive()
    assert len(armed.errors) == 1
    assert armed.moments == [1.0, 3.0]


def test_somebody_without_a_part_in_it_sees_what_time_it_is(clock):
    assert clock.look_ps() == 0
    clock.sleep(0.5)
    seen = []
    looker = threading.Thread(target=lambda: seen.append(clock.look_ps()))
    looker.start()
    looker.join(10)
    assert seen == [5 * 10**11]


def test_a_call_that_was_given_up_is_carried_out_all_the_same(clock):
    ticket = clock.register("late")
    clock.forget(ticket)
    done = []

    def carry_out():
        with clock.running(ticket):
            clock.sleep(1.0)
            done.append(clock.monotonic_s())

    thread = threading.Thread(target=carry_out)
    thread.start()
    with clock.idle():
        thread.join(10)
    assert done == [1.0]


def test_a_call_that_has_begun_is_not_cancelled_and_one_that_has_not_holds_no_lab_time_any_more(clock):
    armed = Armed(clock)
    never = clock.register("never")
    clock.cancel(never)
    clock.wait_for([armed.ticket])
    assert clock.monotonic_s() == 1.0
    going_on = clock.register("go")
    armed.words.put(going_on)
    while armed.moments == []:
        assert armed.thread.is_alive()
    clock.cancel(going_on)
    clock.wait_for([going_on])
    armed.thread.join(10)
    assert armed.moments == [1.0, 3.0]


def test_a_wait_for_less_than_a_picosecond_is_over_at_once_later(clock):
    class Silent:
        key, sent, received = "tcp:0:0", 0, 0

        def pollable(self):
            return None

        def has_input(self, slice_s):
            return False

    clock.lab("opened", Silent.key)
    before_ps = clock.look_ps()
    assert not clock.wait_readable(Silent(), 1e-16)
    assert clock.look_ps() == before_ps + 1
