"""Driver processes, and the watchdog, in milliseconds: the agent's side of what forks them (``fork_server``).

The agent forks it before it has opened anything, and sends it, for each process, the process's end of the pipe
and one end of a *lifeline*. The agent with its threads, keys, ZeroMQ sockets and its ends of all pipes is never forked;
so a pipe still ends the moment the agent dies. If the fork server dies, driver processes go on, and the next one is
started by another fork server, which is a fresh interpreter.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from . import fork_server

NO_THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A fork takes only one thread along; drivers compute no matrices."""


class Forked:
    """A driver process or a watchdog, as its agent sees it.

    It holds the other end of the lifeline as long as it lives, so the lifeline's end is its end. First it says its
    process id there.
    """

    def __init__(self, lifeline: socket.socket, server: "ForkServer") -> None:
        self._lifeline, self._server = lifeline, server
        self._pid: int | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        """Its process id; None as long as it has not begun."""
        self._look()
        return self._pid

    def kill(self) -> None:
        """Kill it; one that has not begun never will."""
        self._look()
        if self._ended:
            return
        if self._pid is None:  # the fork server is stuck
            self._server.close()
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Wait until it has ended, at most ``seconds``; return whether it has."""
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN)
        self._look()
        while not self._ended and (left := end - time.monotonic()) > 0:
            poll.poll(1000 * left)
            self._look()
        return self._ended

    def close(self) -> None:
        """Forget it."""
        self._lifeline.close()
        self._ended = True

    def _look(self) -> None:
        """Take in what the lifeline says."""
        while not self._ended:
            try:
                said = self._lifeline.recv(8, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if said:
                self._pid = int.from_bytes(said, "little")
            self._ended = not said


class ForkServer:
    """The agent's side; the process starts with ``fork`` or ``warm_up``, or with the first driver process."""

    def __init__(self) -> None:
        self.pid: int | None = None
        """Its process id, if it was started; a killed one is missed when the next driver process is."""
        self._line: socket.socket | None = None

    def fork(self) -> None:
        """Start the process as a fork of this one, which need not import anything then.

        To be called before this process has a key, a socket or a file that is nobody else's business. If it has a
        second thread already, which a fork would lose, the process is a fresh interpreter.
        """
        if len(os.listdir("/proc/self/task")) > 1:
            self.warm_up()
            return
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        with theirs:
            pid = os.fork()
            if pid == 0:
                self._line.close()
                fork_server.become(theirs)
            self.pid = pid

    def warm_up(self) -> None:
        """Start the process as a fresh interpreter, if none was started; it imports while the agent goes on."""
        if self._line is not None:
            return
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        with theirs:
            theirs.set_inheritable(True)
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "bellringer.orchestrator.agent.fork_server", str(theirs.fileno())],
                {**os.environ, **NO_THREADS},
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            )

    def start(self, connection: Connection) -> Forked:
        """Start a driver process on its end of a pipe, which the caller closes then.

        It takes two messages from the pipe before it begins, see ``set_up``. Nothing here waits: a fork server that
        has died is replaced; one that does not answer shows as a process that does not begin.
        """
        return self._start(fork_server.DRIVER, connection.fileno())

    def start_watchdog(self, source: int, answers: int, errors: int) -> Forked:
        """Start a watchdog with these as its standard input, output and error; the caller closes its own copies."""
        return self._start(fork_server.WATCHDOG, source, answers, errors)

    def _start(self, what: bytes, *ends: int) -> Forked:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._send(what, *ends, theirs.fileno())
            except OSError:  # it was killed
                self.close()
                self._send(what, *ends, theirs.fileno())
        return Forked(ours, self)

    def _send(self, what: bytes, *ends: int) -> None:
        self.warm_up()
        assert self._line is not None
        socket.send_fds(self._line, [what], ends)

    def close(self) -> None:
        """End it; may be called twice. Driver processes go on."""
        if self._line is None or self.pid is None:
            return
        self._line.close()
        os.kill(self.pid, signal.SIGKILL)  # it has nothing to tidy up, and might be stuck
        os.waitpid(self.pid, 0)
        self._line = self.pid = None


def set_up(connection: Connection, *arguments: Any) -> None:
    """Tell a driver process, over the agent's end of the pipe, what ``child.main`` is to be called with."""
    connection.send(sys.path)  # first: the arguments may be of modules that are only found with it
    connection.send(arguments)
