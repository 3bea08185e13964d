"""The inlet of a driver process: what comes on its pipe is taken in at once, also while a driver is at work.

Between calls the main thread reads the pipe itself: to hand a message from one thread to another takes longer than many
an instrument needs to answer. While a call lasts, a watcher reads it, beginning at most ``TICK_S`` after the call. It
looks as long as there were calls lately and sleeps when there are none. One of the two reads at a time, never both.
"""

import os
import select
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

TICK_S = 0.005
"""How long a message may have to wait for the watcher; a shorter call is over before."""
LATELY = 20
"""After so many looks at which there was no call the watcher sleeps, until there is one."""


class Inlet:
    """The reading end of a pipe. Made by the main thread, which calls everything.

    Args:
        connection: the pipe.
        take: takes in what has come on the pipe, waiting for the first of it, in either thread; returns whether more
            may come.
    """

    def __init__(self, connection: Connection, take: Callable[[], bool]) -> None:
        self._take = take
        self._open = True
        self._turn = threading.Lock()
        """Held by the thread that reads: the main thread, except in calls."""
        self._turn.acquire()
        self._calls = 0
        self._calling = False
        self._lately = threading.Event()
        self._awake = False
        """As ``_lately``, which takes longer to ask."""
        self._over = os.eventfd(0, os.EFD_NONBLOCK)
        """Tells the watcher, when it waits for a message, that the call is over."""
        self._news = select.poll()
        self._news.register(connection, select.POLLIN)
        self._pipe = connection.fileno()
        threading.Thread(target=self._watch, name="pipe", daemon=True).start()

    def take_in(self, *, wait: bool) -> None:
        """Take in what has come; ``wait`` for it if there is nothing. Between calls only."""
        if self._open and (wait or self._news.poll(0)):
            self._open = self._take()

    def __enter__(self) -> None:
        """Begin a call: the watcher may read from now on."""
        self._calls += 1
        self._calling = True
        self._turn.release()
        if not self._awake:
            self._awake = True
            self._lately.set()

    def __exit__(self, *raised: object) -> None:
        """End the call: what comes is again for the main thread to read."""
        self._calling = False
        if not self._turn.acquire(blocking=False):
            os.eventfd_write(self._over, 1)
            self._turn.acquire()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        poll.register(self._over, select.POLLIN)
        quiet, tick = 0, threading.Event()
        while self._open:
            self._lately.wait()
            before = self._calls
            tick.wait(TICK_S)
            quiet = quiet + 1 if before == self._calls and not self._calling else 0
            if quiet >= LATELY:
                self._awake = False
                self._lately.clear()
                if self._calls != before:  # it began just now, and may not have seen that we go to sleep
                    self._awake = True
                    self._lately.set()
            elif self._turn.acquire(blocking=False):  # free in calls only
                self._read(poll)
                self._turn.release()

    def _read(self, poll: "select.poll") -> None:
        """Take in what comes until the call is over."""
        while self._calling and self._open:
            for descriptor, _ in poll.poll():
                if descriptor == self._over:
                    os.eventfd_read(self._over)
                else:
                    self._open = self._take()
