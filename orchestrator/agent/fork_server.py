"""The process that forks driver processes and the watchdog: it has imported what all of them need.

It begins as a fork of the agent that has opened nothing yet (``become``), or as a fresh interpreter:

    python -m bellringer.orchestrator.agent.fork_server SOCKET

It has one thread, no key, and holds an end of a pipe no longer than a fork takes. It leaves when its agent does. Since
command lines look alike, processes go by a name of their own: ``ps -o pid,comm`` shows the instruments.
"""

import contextlib
import functools
import gc
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import NoReturn

from ..after_fork import go_by, live
from . import child, watchdog_process

DRIVER, WATCHDOG = b"driver", b"watchdog"
"""What is asked for, beside its ends of pipes; the last one is a lifeline's."""


def become(line: socket.socket) -> NoReturn:
    """Be the fork server, in a fork of an agent, until that has gone."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # the agent's set-up comes there
    os.close(null)
    live(lambda: serve(line))


def serve(line: socket.socket) -> None:
    """Fork until the agent has gone."""
    go_by("fork server")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is for the run
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for its children
    gc.freeze()  # leaves shared memory shared
    while True:
        asked, ends, _, _ = socket.recv_fds(line, 16, 4, socket.MSG_CMSG_CLOEXEC)
        if not ends:
            return
        if os.fork() == 0:
            line.close()
            live(functools.partial(_be, asked, ends))
        for end in ends:
            os.close(end)


def _be(asked: bytes, ends: list[int]) -> int:
    """Be what was asked for; return its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a driver may have processes of its own
    os.write(ends.pop(), os.getpid().to_bytes(8, "little"))
    return _watch(*ends) if asked == WATCHDOG else _drive(*ends)


def _drive(pipe: int) -> int:
    connection = Connection(pipe)
    with contextlib.suppress(EOFError):  # the agent died before it said what to do: nothing was opened
        sys.path[:] = connection.recv()
        arguments = connection.recv()
        go_by(min(arguments[0]))
        child.main(connection, *arguments)
    return 0


def _watch(source: int, answers: int, errors: int) -> int:
    os.setsid()
    go_by("watchdog")
    for standard, end in enumerate((source, answers, errors)):
        os.dup2(end, standard)
        os.close(end)
    return watchdog_process.main()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as agent:
        serve(agent)
