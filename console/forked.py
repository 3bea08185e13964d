"""Services as forks of this process, which has imported what they need: a testbed starts in half the time.

A fork takes one thread along and every open file. So this is for a process with one thread; and a service keeps its own
standard input and output, and nothing else that was open here: no pipe of another service, no lock.
"""

import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from ..orchestrator.after_fork import go_by, live

LOOK_S = 0.01
"""How often it is looked whether one has ended that is waited for."""
RANDOM = ("/dev/random", "/dev/urandom")
"""Where cryptography keeps one of these open, it does not look whether somebody closed it."""


def can_fork() -> bool:
    """Return whether this process has one thread."""
    return len(os.listdir("/proc/self/task")) == 1


class Forked:
    """A forked service, with as much of ``subprocess.Popen`` as is needed to look after it, from any thread.

    Args:
        name: shown by ``ps -o comm``, as the command line is this process's.
        module: whose ``main`` it runs.
        words: its command line.
        errors: its standard error, this process's if not given.
    """

    def __init__(self, name: str, module: str, words: Sequence[str], errors: IO[bytes] | None = None) -> None:
        (source, told), (heard, answers) = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            standard = (source, answers, 2 if errors is None else errors.fileno())
            live(lambda: _be(name, module, words, standard))
        os.close(source)
        os.close(answers)
        self.stdin: IO[bytes] = os.fdopen(told, "wb")
        self.stdout: IO[bytes] = os.fdopen(heard, "rb")
        self.returncode: int | None = None
        self._waiting = threading.Lock()

    def poll(self) -> int | None:
        """Return its status, None if it runs; a signal is a negative number."""
        with self._waiting:  # the system tells it once, to one thread
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its status.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        tick, end_s = threading.Event(), None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end_s is not None and time.monotonic() > end_s:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            tick.wait(LOOK_S)
        return status

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _be(name: str, module: str, words: Sequence[str], standard: tuple[int, int, int]) -> object:
    """Be the service; return its status."""
    gc.freeze()
    os.setsid()
    go_by(name)
    for number, end in enumerate(standard):
        os.dup2(end, number)
    _close_the_rest()
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [module, *words]
    status: object = importlib.import_module(module).main()
    return status


def _close_the_rest() -> None:
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the listing's own
            if number > 2 and os.readlink(f"/proc/self/fd/{number}") not in RANDOM:
                os.close(number)
