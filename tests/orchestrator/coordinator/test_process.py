"""A coordinator as a process: how it is started, told to end, killed, and what it says when it cannot start."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import msgspec
import pytest
from bellringer.orchestrator.coordinator.process import Start, serve
from bellringer.orchestrator.coordinator.service import Ports
from bellringer.orchestrator.wire import verify
from bellringer.orchestrator.wire.messages import EStop, Status

pytestmark = pytest.mark.process


def start(site, **more):
    pair = site.keys["coordinator"]
    enrolled = tuple((key, entry.name, entry.role) for key, entry in site.enrolled.ls().items())
    keys = (pair.name, pair.public, pair.secret)
    return Start(keys, str(site.folder), enrolled, *vars(site.local).values(), **more)


@contextmanager
def process(site, asked):
    command = [sys.executable, "-m", "bellringer.orchestrator.coordinator.process"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=site.folder.parent, **pipes) as running:
        try:
            running.stdin.write(asked + b"\n")
            running.stdin.flush()
            yield running
        finally:
            running.kill()


@contextmanager
def serving(site, **more):
    with process(site, msgspec.json.encode(start(site, **more))) as running:
        site.ports = Ports(**json.loads(running.stdout.readline()))
        yield running


def test_it_ends_in_order_when_it_is_told_to(site):
    for number in (signal.SIGTERM, signal.SIGINT):
        with serving(site) as running:
            assert site.client("anna").request(Status(0))["service"] == "coordinator"
            running.send_signal(number)
            assert running.wait(20) == 0
            assert running.stderr.read() == b""


def test_in_a_process_that_goes_on_it_leaves_the_signals_as_they_were(site):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    serve(start(site), lambda ports: os.kill(os.getpid(), signal.SIGTERM))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_it_ends_with_its_input_if_asked_to(site):
    with serving(site, leave_at_end=True) as running:
        running.stdin.close()
        assert running.wait(20) == 0
    with serving(site) as running:
        running.stdin.close()
        assert site.client("anna").request(Status(0))["epoch"] == 2
        assert running.poll() is None


def test_an_estop_that_was_answered_survives_a_kill(site):
    with serving(site) as running:
        assert site.client("visitor", "estop").request(EStop(0, "smoke"))["latched"] is True
        running.kill()
        running.wait(20)
    with serving(site):
        status = site.client("anna").request(Status(0))
        assert (status["epoch"], status["estop"]["presses"][0]["reason"]) == (2, "smoke")
    assert b'"verb": "estop"' in (site.folder / "audit.jsonl").read_bytes()
    assert verify(site.folder / "audit.jsonl").lines > 0


def test_a_second_process_names_the_first(site):
    with serving(site) as first, process(site, msgspec.json.encode(start(site))) as second:
        assert second.wait(20) == 1
        assert f"another coordinator uses this state folder: process {first.pid}\n" in second.stderr.read().decode()
        assert second.stdout.read() == b""


def test_a_set_up_that_makes_no_sense_is_refused_in_one_line(site):
    with process(site, b'{"state": "here", "unknown": 1}') as running:
        assert running.wait(20) == 1
        assert len(running.stderr.read().decode().splitlines()) == 1
