"""Waiting for an answer without falling asleep first, where answers come at once.

To wake a process that sleeps takes the system 5 to 50 us, and more in a virtual machine: most of the time in which an
instrument on a fast line answers. So who has just asked something looks for the answer for up to ``EAGER_S`` before it
sleeps, and offers the core to others between two looks. It does so only as long as answers come that fast, and only
where there are cores enough: a process that sleeps gets the core back sooner than one that offered it to others.
"""

import os
import select
import time
from pathlib import Path

EAGER_S = 0.001
"""For how long an answer is looked for. It holds up nobody who has to act within milliseconds."""
CROWDED_PER_CENT = 25.0
"""There are too few cores if somebody had to wait for one for more of the last 10 s."""
TAKEN_S = 0.001
"""Where the system does not tell: who has the core for longer computes; our peers hand on what they got and wait again
before that. A virtual machine's core may have been taken by another machine, which the system's word leaves out."""
ASK_AGAIN_S = 1.0
"""How long it holds that there are enough cores, or too few."""
PRESSURE = Path("/proc/pressure/cpu")
"""Where Linux tells; not on every system."""


class EagerPoll:
    """A ``select.poll``, to be used from one thread."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register, self.unregister, self._poll = poll.register, poll.unregister, poll.poll
        self._asked_s = 0.0
        """When something was asked whose answer was not waited for yet; 0 for nothing."""
        self._fast = False
        """Whether the last answer came within ``EAGER_S``."""
        self._crowded = False
        """Whether there are too few cores; known until ``_known_until_s``."""
        self._known_until_s = 0.0
        self._told = False
        """Whether that is the system's word."""

    def asked(self) -> None:
        """Say that something was just asked, whose answer will be waited for next."""
        self._asked_s = time.monotonic()

    def poll(self, timeout_ms: int) -> list[tuple[int, int]]:
        """Return what ``select.poll`` would; what comes first after ``asked`` is taken for the answer."""
        if not timeout_ms or not self._asked_s:
            return self._poll(timeout_ms)
        now_s, until_s, self._asked_s = self._asked_s, self._asked_s + EAGER_S, 0.0
        if self._fast and now_s >= self._known_until_s:
            waiting, self._known_until_s = waiting_per_cent(), now_s + ASK_AGAIN_S
            self._told, self._crowded = waiting is not None, (waiting or 0.0) > CROWDED_PER_CENT
        while self._fast and not self._crowded:
            if ready := self._poll(0):
                return ready
            os.sched_yield()
            before_s, now_s = now_s, time.monotonic()
            self._fast = now_s < until_s
            if now_s - before_s > TAKEN_S and not self._told:
                self._crowded, self._known_until_s = True, now_s + ASK_AGAIN_S
        ready = self._poll(timeout_ms)
        self._fast = time.monotonic() < until_s
        return ready


def waiting_per_cent() -> float | None:
    """Return for how much of the last 10 s somebody waited for a core, per cent; None if the system does not tell."""
    try:
        return float(PRESSURE.read_text().partition("avg10=")[2].partition(" ")[0])
    except (OSError, ValueError):
        return None
