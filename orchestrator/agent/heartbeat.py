"""A clock that knows for how long a driver has neither waited nor returned: the heartbeat of a driver process.

A driver waits only through its clock. So one that is not inside a wait computes, or is caught in a loop without end;
long enough of it, and the process stops answering its agent's pings (child.py) and is replaced.
"""

import time

from ...testbed.clock import Line, WallClock

STUCK_S = 10.0
"""A driver that does not wait, return or fail for this long is stuck. Opening a port may take half of it."""


class WatchedClock(WallClock):
    """Real time, watched; one thread works, another asks."""

    def __init__(self) -> None:
        super().__init__()
        self.works_since_s: float | None = None
        """Since when a driver works without a pause, ``monotonic_s``; None if none does. Set it around a call."""

    @property
    def stuck(self) -> bool:
        """Whether the driver at work was not seen to wait for ``STUCK_S``."""
        since_s = self.works_since_s
        return since_s is not None and time.monotonic() - since_s > STUCK_S

    def sleep(self, seconds: float) -> None:
        since_s, self.works_since_s = self.works_since_s, None
        try:
            super().sleep(seconds)
        finally:
            self.works_since_s = None if since_s is None else time.monotonic()

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        since_s, self.works_since_s = self.works_since_s, None
        try:
            return super().wait_readable(line, timeout_s)
        finally:
            self.works_since_s = None if since_s is None else time.monotonic()
