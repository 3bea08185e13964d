"""A clock that knows for how long a driver has neither waited nor returned: the heartbeat of a driver process.

A driver waits only through its clock. So one that is not inside a wait computes, or is caught in a loop without end;
long enough of it, and the process stops answering its agent's pings (child.py) and is replaced.
"""

import contextlib
import time
from collections.abc import Iterator

from ...testbed.clock import Line, WallClock

STUCK_S = 10.0
"""A driver that does not wait, return or fail for this long is stuck. Opening a port may take half of it."""


class WatchedClock(WallClock):
    """Real time, watched; one thread works, another asks."""

    def __init__(self) -> None:
        super().__init__()
        self._since_s: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether the driver at work was not seen to wait for ``STUCK_S``."""
        since_s = self._since_s
        return since_s is not None and time.monotonic() - since_s > STUCK_S

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Enter before a driver is called."""
        self._since_s = time.monotonic()
        try:
            yield
        finally:
            self._since_s = None

    def sleep(self, seconds: float) -> None:
        with self._waiting():
            super().sleep(seconds)

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        with self._waiting():
            return super().wait_readable(line, timeout_s)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        working, self._since_s = self._since_s is not None, None
        try:
            yield
        finally:
            self._since_s = time.monotonic() if working else None
