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
        self.working = _Working()
        """Enter it before a driver is called."""

    @property
    def stuck(self) -> bool:
        """Whether the driver at work was not seen to wait for ``STUCK_S``."""
        since_s = self.working.since_s
        return since_s is not None and time.monotonic() - since_s > STUCK_S

    def sleep(self, seconds: float) -> None:
        with _Pause(self.working):
            super().sleep(seconds)

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        with _Pause(self.working):
            return super().wait_readable(line, timeout_s)


class _Working:
    """Since when a driver works without a pause; None if none does."""

    since_s: float | None = None

    def __enter__(self) -> None:
        self.since_s = time.monotonic()

    def __exit__(self, *raised: object) -> None:
        self.since_s = None


class _Pause:
    """A driver at work waits."""

    def __init__(self, working: _Working) -> None:
        self._working, self._was = working, working.since_s is not None

    def __enter__(self) -> None:
        self._working.since_s = None

    def __exit__(self, *raised: object) -> None:
        self._working.since_s = time.monotonic() if self._was else None
