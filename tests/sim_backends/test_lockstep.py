"""Lockstep time over real TCP, pseudo-terminals, PyVISA and ZeroMQ: same trace every time, no time invented."""

import contextlib
import os
import random
import socket
import threading
import time

import pytest
from bellringer.drivers.transports import ZmqRequester, ZmqStream, byte_transport
from bellringer.sim_backends.lab.lab import _LOST_TIMES, Lab
from bellringer.testbed.errors import Aborted, BellringerError, TransportError, TransportTimeout
from bellringer.testbed.lockstep import LockstepClock

ANSWERS_AFTER_S = {b"fast\n": 0.0, b"slow\n": 0.25, b"home\n": 7.0}


class Echo:
    """A line-based instrument on a byte port that answers late, and never to ``mute``."""

    def __init__(self, lab, name, port):
        self.name, self.lab, self.trace, self.buffer = name, lab, lab.trace, b""
        self.port = getattr(lab, port)(name, self.on_bytes)

    def on_bytes(self, data, client):
        self.buffer += data
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            line += b"\n"
            self.trace.append((self.lab.now_ps, self.name, line))
            if line in ANSWERS_AFTER_S:
                client.send(line.upper(), ANSWERS_AFTER_S[line])


class Teller:
    """A ZeroMQ instrument that also pushes messages on a stream."""

    def __init__(self, lab, name):
        self.name, self.lab, self.trace = name, lab, lab.trace
        self.port = lab.reply_port(name, self.on_request)
        self.stream = lab.stream_port(name + ".stream")

    def on_request(self, request):
        self.trace.append((self.lab.now_ps, self.name, request.text))
        if request.text == "mute":
            return
        if request.text == "push":
            self.stream.send(b"x" * 100_000, 0.5)
        request.reply(request.text.upper(), 0.1)


@contextlib.contextmanager
def running_lab(folder, name="clock"):
    lab = Lab(seed=3, clock_endpoint=f"ipc://{folder}/{name}")
    lab.trace, lab.endpoint = [], f"ipc://{folder}/{name}"
    lab.parts = [
        Echo(lab, "a.tcp", "tcp_port"),
        Echo(lab, "b.pty", "serial_port"),
        Teller(lab, "c.zmq"),
        Echo(lab, "d.visa", "tcp_port"),
    ]
    thread = threading.Thread(target=lab.run)
    thread.start()
    try:
        yield lab
    finally:
        lab.stop()
        thread.join(10)


@pytest.fixture
def lab(tmp_path):
    with running_lab(tmp_path) as lab:
        yield lab


def call(clock, name, work, after=None):
    """Run ``work`` in a thread of its own as a registered participant."""
    ticket = clock.register(name, after=after)

    def body():
        with clock.running(ticket):
            work()

    thread = threading.Thread(target=body)
    thread.start()
    return ticket, thread


def experiment(lab, delays):
    clock = LockstepClock(lab.endpoint, "test")
    answers = []

    def bytes_work(resource, name):
        transport = byte_transport(resource, clock, name)
        transport.open()
        for line in (b"fast\n", b"slow\n", b"home\n", b"fast\n"):
            time.sleep(delays.random() * 0.004)  # noise on the wall clock must not show
            transport.write(line)
            answers.append((name, transport.read_until(b"\n", 10.0), clock.now_ps()))
            clock.sleep(0.05)
        transport.write(b"mute\n")
        with pytest.raises(TransportTimeout):
            transport.read_until(b"\n", 3.0)
        answers.append((name, b"timeout", clock.now_ps()))
        transport.close()

    def zmq_work(teller):
        requester = ZmqRequester(teller.port.resource, clock, "c.zmq")
        requester.open()
        stream = ZmqStream(f"zmq://127.0.0.1:{teller.stream.number}", clock, "c.zmq.stream")
        stream.open()
        for text in ("hello", "push", "again"):
            time.sleep(delays.random() * 0.004)
            answers.append(("c.zmq", requester.request(text).encode(), clock.now_ps()))
        answers.append(("c.zmq", stream.receive(2.0)[:3], clock.now_ps()))
        with pytest.raises(TransportTimeout):
            requester.request("mute", 1.5)
        answers.append(("c.zmq", b"timeout", clock.now_ps()))
        answers.append(("c.zmq", requester.request("back").encode(), clock.now_ps()))
        requester.close()
        stream.close()

    tcp, pty, teller, visa = lab.parts
    calls = [
        call(clock, "a", lambda: bytes_work(tcp.port.resource, "a.tcp")),
        call(clock, "b", lambda: bytes_work(pty.port.resource, "b.pty")),
        call(clock, "c", lambda: zmq_work(teller)),
        call(clock, "d", lambda: bytes_work(f"TCPIP::127.0.0.1::{visa.port.number}::SOCKET", "d.visa")),
    ]
    clock.wait_for([ticket for ticket, _ in calls])
    for _, thread in calls:
        thread.join(10)
    clock.close()
    return sorted(answers)


def test_answers_come_at_exact_lab_times(lab):
    answers = experiment(lab, random.Random(1))
    assert {name for name, _, _ in answers} == {"a.tcp", "b.pty", "c.zmq", "d.visa"}
    for name in ("a.tcp", "b.pty", "d.visa"):
        times_ms = sorted(t // 10**9 for n, _, t in answers if n == name)
        assert times_ms == [0, 300, 7350, 7400, 10450]
    assert {t for _, answer, t in answers if answer == b"xxx"} == {600_000_000_000}


def test_same_trace_and_answers_six_times_whatever_the_wall_clock_does(tmp_path):
    seen = set()
    for attempt in range(6):
        with running_lab(tmp_path, f"clock{attempt}") as lab:
            answers = experiment(lab, random.Random(attempt))
            seen.add((str(sorted(map(str, lab.trace))), str(answers)))
    assert len(seen) == 1
    assert len(lab.trace) == 3 * 5 + 5


def test_time_stands_still_while_the_caller_runs(lab):
    clock = LockstepClock(lab.endpoint, "test")
    before = clock.lab("now")
    slept = []

    def work():
        clock.sleep(100.0)
        slept.append(clock.now_ps())

    ticket, thread = call(clock, "sleeper", work)
    time.sleep(0.1)
    assert not slept
    clock.wait_for([ticket])
    thread.join(10)
    assert slept == [100_000_000_000_000]
    assert before is None
    clock.close()


def test_calls_queued_behind_each_other_run_in_order_without_stopping_time(lab):
    clock = LockstepClock(lab.endpoint, "test")
    ends = []
    first, one = call(clock, "first", lambda: (clock.sleep(2.0), ends.append(("first", clock.now_ps()))))
    second, two = call(
        clock, "second", lambda: (clock.sleep(1.0), ends.append(("second", clock.now_ps()))), after=first
    )
    clock.wait_for([first, second])
    one.join(10)
    two.join(10)
    assert ends == [("first", 2_000_000_000_000), ("second", 3_000_000_000_000)]
    clock.close()


def test_an_abort_ends_sleeps_except_on_the_way_to_the_dark(lab):
    clock = LockstepClock(lab.endpoint, "test")
    clock.abort()
    with pytest.raises(Aborted):
        clock.sleep(1.0)
    with clock.shielded():
        clock.sleep(1.0)
    clock.close()


def test_a_dead_lab_is_an_error_not_a_hang(tmp_path):
    alive = [True]
    lab = Lab(seed=1, clock_endpoint=f"ipc://{tmp_path}/clock")
    thread = threading.Thread(target=lab.run)
    thread.start()
    clock = LockstepClock(f"ipc://{tmp_path}/clock", "test", alive=lambda: alive[0])
    lab.stop()
    thread.join(10)
    alive[0] = False
    with pytest.raises(BellringerError, match="has stopped"):
        clock.sleep(1.0)
    clock.close()


def test_a_call_registered_by_one_process_is_run_by_another(lab):
    caller, worker, ends = LockstepClock(lab.endpoint, "test"), LockstepClock(lab.endpoint), []
    ticket = caller.register("sleeper")

    def work():
        with worker.running(worker.adopt(ticket.number, "sleeper", "")):
            worker.sleep(5.0)
            ends.append(worker.now_ps())
        worker.close()

    thread = threading.Thread(target=work)
    thread.start()
    caller.wait_for([ticket])
    thread.join(10)
    assert ends == [5_000_000_000_000]
    caller.close()


def test_a_silent_port_that_is_not_the_labs_runs_into_its_timeout(lab):
    clock = LockstepClock(lab.endpoint, "test")
    reserved = socket.create_server(("127.0.0.1", 0))  # takes connections, says nothing
    line = byte_transport(f"socket://127.0.0.1:{reserved.getsockname()[1]}", clock)
    line.open()
    line.write(b"hello\n")
    requester = ZmqRequester(f"zmq://127.0.0.1:{reserved.getsockname()[1] + 1}", clock)
    requester.open()
    with pytest.raises(TransportTimeout):
        line.read_until(b"\n", 3.0)
    with pytest.raises(TransportTimeout):
        requester.request("hello", 2.0)
    assert clock.monotonic_s() == 5.0
    line.close()
    requester.close()
    clock.close()
    reserved.close()


def test_an_idle_caller_does_not_hold_time_and_moves_none_by_itself(lab):
    clock, other, ends = LockstepClock(lab.endpoint, "test"), LockstepClock(lab.endpoint), []
    with clock.idle():
        other_ticket = other.register("dark")

        def work():
            with other.running(other_ticket):
                other.sleep(1.0)
                ends.append(other.now_ps())
            other.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
    assert ends == [clock.now_ps()] == [1_000_000_000_000]
    clock.close()


def test_an_abort_interrupts_a_sleep_that_lab_time_never_ends(lab):
    clock, worker, seen = LockstepClock(lab.endpoint, "test"), LockstepClock(lab.endpoint), []
    ticket = clock.register("stuck")

    def work():
        try:
            with worker.running(worker.adopt(ticket.number, "stuck", "")):
                worker.sleep(5.0)
        except Aborted:
            seen.append("aborted")
        worker.revive()
        worker.close()

    thread = threading.Thread(target=work)
    thread.start()
    worker.abort()
    thread.join(10)
    assert seen == ["aborted"]
    clock.close()


def test_a_stranger_on_a_serial_port_costs_a_timeout_and_never_stops_lab_time(lab, monkeypatch, capsys):
    monkeypatch.setattr("bellringer.testbed.lockstep._STILL_S", 0.1)
    clock, pty = LockstepClock(lab.endpoint, "test"), lab.parts[1].port
    line = byte_transport(pty.resource, clock)
    line.open()
    stranger = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    os.write(stranger, b"no business of mine: ")
    os.close(stranger)
    line.write(b"fast\n")
    with pytest.raises(TransportTimeout):
        line.read_until(b"\n", 3.0)
    line.write(b"fast\n")
    assert line.read_until(b"\n", 3.0) == b"FAST\n"
    assert clock.monotonic_s() == 3.0
    line.close()
    clock.close()
    assert f"bytes were lost at pty:{pty.path}" in capsys.readouterr().err


def test_a_serial_port_is_one_programs_and_its_name_goes_with_the_lab(tmp_path):
    with running_lab(tmp_path) as lab:
        clock, pty = LockstepClock(lab.endpoint, "test"), lab.parts[1].port
        one, other = (byte_transport(pty.resource, clock) for _ in range(2))
        one.open()
        with pytest.raises(TransportError, match="lock"):
            other.open()
        one.close()
        other.open()
        other.close()
        clock.close()
    assert not os.path.lexists(pty.path)


def test_who_has_waited_long_for_lab_time_gets_what_is_delivered_then(lab, monkeypatch, capsys):
    """Bytes that have just been sent are on their way, and not lost."""
    monkeypatch.setattr("bellringer.testbed.lockstep._STILL_S", 0.02)
    clock, answers = LockstepClock(lab.endpoint, "test"), []
    tcp, _, teller, _ = lab.parts

    def bytes_work():
        line = byte_transport(tcp.port.resource, clock)
        line.open()
        for _ in range(3):
            line.write(b"slow\n")
            answers.append(line.read_until(b"\n", 3.0))
        line.close()

    def zmq_work():
        requester = ZmqRequester(teller.port.resource, clock)
        requester.open()
        answers.extend(requester.request("hello").encode() for _ in range(3))
        requester.close()

    calls = [call(clock, "a", bytes_work), call(clock, "c", zmq_work)]
    waiting = {ticket.number for ticket, _ in calls}
    end_s = time.monotonic() + 20
    while any(lab.participants._still[number] < 2 * _LOST_TIMES for number in waiting):  # the caller is at work
        assert time.monotonic() < end_s, "they do not say that they wait"
        time.sleep(0.001)
    clock.wait_for([ticket for ticket, _ in calls])
    for _, thread in calls:
        thread.join(10)
    clock.close()
    assert sorted(answers) == [b"HELLO"] * 3 + [b"SLOW\n"] * 3
    assert capsys.readouterr().err == ""
