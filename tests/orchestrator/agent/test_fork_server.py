"""The process that forks driver processes: what it holds, what it does not, and how it and its processes end."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bellringer.orchestrator.agent.forking import NO_THREADS, Forked, ForkServer, set_up
from bellringer.orchestrator.agent.pipe import Ping, Pong, receive, send
from bellringer.orchestrator.wire import Decoder
from bellringer.testbed.testbed import InstrumentEntry

pytestmark = pytest.mark.process

PATIENCE_S = 20.0
PONGS = Decoder(Pong)
ENTRIES = {"table.lamp": InstrumentEntry(driver="cobolt_06", resource="serial:///dev/ttyUSB0")}
AGENT = """
import sys, time
from test_fork_server import started
from bellringer.orchestrator.agent.forking import ForkServer

server = ForkServer()
connection, process = started(server)
print(server.pid, process.pid, flush=True)
time.sleep(100)
"""


def started(server):
    """Return our end of the pipe to a driver process that answers, and the process."""
    ours, theirs = multiprocessing.Pipe()
    with theirs:
        process = server.start(theirs)
    set_up(ours, ENTRIES, {}, "", None, "tcp://127.0.0.1:*")
    send(ours.fileno(), Ping(1))
    assert [pong.id for pong in receive(ours.fileno(), PONGS)] == [1]
    return ours, process


def gone(pid):
    """Wait until a process has ended."""
    end = time.monotonic() + PATIENCE_S
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < end, "it is still there"
            time.sleep(0.01)


def sockets(pid):
    """Return the sockets, pipes to an agent among them, that a process has open."""
    names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return [name for name in names if name.startswith("socket:")]


@pytest.fixture
def server():
    server = ForkServer()
    yield server
    server.close()


def test_it_has_one_thread_and_keeps_no_pipe(server):
    connection, process = started(server)
    assert len(os.listdir(f"/proc/{server.pid}/task")) == 1
    assert len(sockets(server.pid)) == 1, "its line to the agent"
    connection.close()
    assert process.join(PATIENCE_S)
    process.close()


def test_processes_hold_nothing_of_each_other(server):
    (one, first), (other, second) = started(server), started(server)
    with one, other:
        lines = [set(sockets(process.pid)) for process in (first, second)]
        assert not lines[0] & lines[1]
        first.kill()
        assert first.join(PATIENCE_S)
        assert not second.join(0)
        send(other.fileno(), Ping(2))
        assert [pong.id for pong in receive(other.fileno(), PONGS)] == [2]
    assert second.join(PATIENCE_S)
    for process in (first, second):
        process.close()


def test_a_process_is_waited_for_only_so_long(server):
    connection, process = started(server)
    assert not process.join(0.05)
    connection.close()
    assert process.join(PATIENCE_S)
    process.kill()  # nobody any more
    process.close()


def test_the_agents_death_ends_the_server_and_its_processes():
    agent = subprocess.Popen([sys.executable, "-c", AGENT], cwd=Path(__file__).parent, stdout=subprocess.PIPE)
    with agent:
        pids = [int(word) for word in agent.stdout.readline().split()]
        assert len(pids) == 2
        agent.send_signal(signal.SIGKILL)
    for pid in pids:
        gone(pid)


def test_a_killed_server_is_replaced_at_the_next_start_and_its_processes_go_on(server):
    connection, process = started(server)
    before = server.pid
    os.kill(before, signal.SIGKILL)
    gone(before)
    another, successor = started(server)
    assert server.pid != before
    with connection, another:
        send(connection.fileno(), Ping(2))
        assert [pong.id for pong in receive(connection.fileno(), PONGS)] == [2]
    for each in (process, successor):
        assert each.join(PATIENCE_S)
        each.close()


def test_a_process_that_never_began_never_will(server):
    server.warm_up()
    os.kill(server.pid, signal.SIGSTOP)
    ours, theirs = multiprocessing.Pipe()
    with theirs:
        process = server.start(theirs)
    assert isinstance(process, Forked)
    assert process.pid is None
    process.kill()
    assert process.join(PATIENCE_S)
    with ours, pytest.raises(EOFError):
        ours.recv()
    process.close()


def test_no_thread_of_a_matrix_library_is_started_where_it_would_be_lost_in_a_fork():
    code = "import os, numpy; print(len(os.listdir('/proc/self/task')))"
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **NO_THREADS}, capture_output=True, timeout=50
    )
    assert told.stdout == b"1\n"
