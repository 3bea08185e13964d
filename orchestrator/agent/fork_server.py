"""The process that forks driver processes: a fresh interpreter that has imported what all of them need.

    python -m bellringer.orchestrator.agent.fork_server SOCKET

It has one thread, no key, and holds an end of a pipe no longer than a fork takes. It leaves when its agent does.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from multiprocessing.connection import Connection
from typing import NoReturn

from . import child


def serve(line: socket.socket) -> None:
    """Fork until the agent has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is for the run
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for its children
    gc.freeze()  # leaves shared memory shared
    while True:
        _, ends, _, _ = socket.recv_fds(line, 1, 2, socket.MSG_CMSG_CLOEXEC)
        if not ends:
            return
        if os.fork() == 0:
            line.close()
            _live(*ends)
        for end in ends:
            os.close(end)


def _live(pipe: int, lifeline: int) -> NoReturn:
    """Be a driver process until it ends; what called this is the fork server's."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a driver may have processes of its own
        os.write(lifeline, os.getpid().to_bytes(8, "little"))
        connection = Connection(pipe)
        with contextlib.suppress(EOFError):  # the agent died before it said what to do: nothing was opened
            sys.path[:] = connection.recv()
            arguments = connection.recv()
            child.main(connection, *arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as agent:
        serve(agent)
