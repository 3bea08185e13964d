"""Messages to a driver process are taken in at once: by the main thread between calls, by the watcher in a call."""

import threading
import time
from multiprocessing import Pipe

import pytest
from bellringer.orchestrator.agent import inlet
from bellringer.orchestrator.agent.inlet import Inlet

PATIENCE_S = 20.0
MAIN = threading.current_thread


class Bench:
    """An inlet, the far end of its pipe, and what was taken in by which thread."""

    def __init__(self):
        self.far, self.near = Pipe()
        self.taken, self.by = [], []
        self.inlet = Inlet(self.near, self.take)

    def take(self):
        self.by.append(threading.current_thread().name)
        try:
            self.taken.append(self.near.recv_bytes())
        except EOFError:
            return False
        return True

    def until(self, what):
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.001)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.far.close()
    bench.inlet.take_in(wait=True)  # the end of the pipe, which ends the watcher's work too


def test_between_calls_the_main_thread_takes_in_what_there_is_and_waits_only_if_told_to(bench):
    for message in (b"1", b"2", b"3"):
        bench.far.send_bytes(message)
    bench.inlet.take_in(wait=True)
    assert bench.taken == [b"1"]
    bench.inlet.take_in(wait=False)
    bench.inlet.take_in(wait=False)
    assert bench.taken == [b"1", b"2", b"3"]
    assert set(bench.by) == {MAIN().name}
    bench.inlet.take_in(wait=False)
    assert len(bench.taken) == 3


def test_in_a_call_the_watcher_takes_in_what_comes_also_after_a_long_rest(bench, monkeypatch):
    monkeypatch.setattr(inlet, "LATELY", 2)
    for message in (b"first", b"second"):
        with bench.inlet:
            bench.far.send_bytes(message)
            bench.until(lambda: bench.taken[-1:] == [message])  # noqa: B023
        bench.until(lambda: not bench.inlet._lately.is_set())  # it sleeps
    assert set(bench.by) == {"pipe"}


def test_after_a_call_only_the_main_thread_reads_again(bench):
    with bench.inlet:
        bench.far.send_bytes(b"in the call")
        bench.until(lambda: bench.taken)
    bench.far.send_bytes(b"after it")
    time.sleep(4 * inlet.TICK_S)
    assert bench.taken == [b"in the call"], "the watcher leaves it alone"
    bench.inlet.take_in(wait=True)
    assert bench.by == ["pipe", MAIN().name]


def test_nothing_is_lost_taken_twice_or_mixed_up_while_calls_come_and_go(bench):
    def send():
        for number in range(3000):
            bench.far.send_bytes(number.to_bytes(2, "big"))
            if number % 100 == 0:
                time.sleep(0.002)

    sender = threading.Thread(target=send)
    sender.start()
    bench.inlet.take_in(wait=True)
    calls = 0
    while len(bench.taken) < 3000:
        with bench.inlet:
            calls += 1
            if calls % 20 == 0:
                time.sleep(2 * inlet.TICK_S)
        bench.inlet.take_in(wait=False)
    sender.join()
    assert bench.taken == [number.to_bytes(2, "big") for number in range(3000)]
    assert set(bench.by) <= {"pipe", MAIN().name}, "which of them reads is a matter of the machine's load"


def test_the_end_of_the_pipe_is_noticed_in_a_call_and_told_once(bench):
    with bench.inlet:
        bench.far.close()
        bench.until(lambda: bench.by == ["pipe"])
    bench.inlet.take_in(wait=True)
    assert bench.by == ["pipe"]
