"""The injected clock: the only way drivers and sequences wait.

``WallClock`` waits in real time. In a dry run ``LockstepClock`` (lockstep.py) takes its place: lab time jumps ahead
as soon as everybody waits. Code written against ``Clock`` cannot tell which one it has.

Three times, never mixed: hardware time (``now_ps``, int64 ps since the testbed's epoch), monotonic time for
timeouts (``monotonic_s``), UTC for names and display (not here).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .errors import Aborted

PS_PER_S = 1_000_000_000_000
SLICE_S = 0.02
"""How long a wait for an instrument may last before it is looked whether the run was aborted."""


class Line(Protocol):
    """One open connection to an instrument, as a clock sees it: what was sent, what came, and how to wait for more.

    ``key`` names the connection to the far end; ``sent`` and ``received`` count bytes (messages over ZeroMQ)
    since the connection was opened.
    """

    key: str
    sent: int
    received: int

    def pollable(self) -> object:
        """Return a descriptor (int) or ZeroMQ socket to poll, or None if ``has_input`` must be asked in slices."""

    def has_input(self, slice_s: float) -> bool:
        """Return whether input is there, waiting at most ``slice_s`` seconds of wall time."""


class Ticket(Protocol):
    """A call in flight, registered with the clock before it is handed to a driver's thread."""

    name: str


class Clock(Protocol):
    """Time as drivers and sequences know it."""

    uncertainty_ps: int
    """How well ``now_ps`` is known on the testbed's hardware time axis, in ps (a bound, not a sigma)."""

    def now_ps(self) -> int:
        """Return this host's estimate of hardware time, int64 ps since the testbed's epoch."""

    def monotonic_s(self) -> float:
        """Return a time in seconds that only ever grows, for timeouts."""

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``; raises ``Aborted`` if the run is aborted meanwhile."""

    def opened(self, line: Line) -> None:
        """Say that a connection was just opened; its counts start at zero."""

    def wrote(self, line: Line) -> None:
        """Say that ``line.sent`` has grown."""

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        """Wait until ``line`` has input; return False if ``timeout_s`` seconds pass first."""

    def register(self, name: str, *, host: str = "", after: "Ticket | None" = None) -> Ticket:
        """Register a call before it is handed over; it counts as waiting until the call ``after`` has ended."""

    def running(self, ticket: Ticket) -> contextlib.AbstractContextManager[None]:
        """Enter in the thread that runs the call; leaving it ends the call."""

    def wait_for(self, tickets: Sequence[Ticket], *, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait, as the caller, until all these calls have ended.

        Calls that other processes carry out are waited for with ``meanwhile``, which is called now and then to take
        their answers in. Only a simulated lab can tell when they have ended, so in real time that wait is over at once;
        an abort ends it too.
        """

    def forget(self, ticket: Ticket) -> None:
        """Say that a registered call will never be carried out."""

    def abort(self) -> None:
        """Make every present and future wait outside ``shielded`` raise ``Aborted``."""

    def revive(self) -> None:
        """Lift an abort: waits are possible again."""

    def check_aborted(self) -> None:
        """Raise ``Aborted`` if the run was aborted and this is not the way to the dark."""

    def shielded(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which an abort does not interrupt waits: the way to the dark."""

    def idle(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the caller waits for something outside the lab (a person, another process)."""


class AbortFlag:
    """The part of a clock that stops waits when a run is aborted."""

    def __init__(self) -> None:
        self._aborted = threading.Event()
        self._wanted = False
        """As ``_aborted``, which takes longer to ask."""
        self._shield = threading.local()

    def abort(self) -> None:
        self._wanted = True
        self._aborted.set()

    def revive(self) -> None:
        self._wanted = False
        self._aborted.clear()

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        before = self._is_shielded()
        self._shield.on = True
        try:
            yield
        finally:
            self._shield.on = before

    def _is_shielded(self) -> bool:
        return getattr(self._shield, "on", False)

    def _is_aborted(self) -> bool:
        return self._wanted and not self._is_shielded()

    def check_aborted(self) -> None:
        if self._is_aborted():
            raise Aborted("the run was aborted")  # whoever catches it knows what became of the outputs


class _WallTicket:
    """Entered by the thread that runs the call."""

    def __init__(self, name: str, after: "_WallTicket | None") -> None:
        self.name = name
        self.after = after
        self._under_way = threading.Lock()  # an Event takes as long to make as a short call
        self._under_way.acquire()

    def wait(self, timeout_s: float = -1.0) -> bool:
        """Return whether the call has ended, waiting for it at most ``timeout_s``, or for ever."""
        ended = self._under_way.acquire(timeout=timeout_s)
        if ended:
            self._under_way.release()
        return ended

    def end(self) -> None:
        """The call has ended, or will never be carried out; said once."""
        self._under_way.release()

    def __enter__(self) -> None:
        if self.after is not None:
            self.after.wait()

    def __exit__(self, *raised: object) -> None:
        self.end()


TAI_MINUS_UTC_S = 37
"""Since 2017, and no leap second has been announced. Not asked of the operating system: hosts that were never told
answer 0, and two nodes must agree."""


class WallClock(AbortFlag):
    """Real time. Hardware time is counted from ``epoch_tai_s`` with the host's clock, good to milliseconds.

    All processes of a run count from the same second (``count_from``); 64 bits of ps last for 106 days. The time of day
    is read once, there: a later step of it, or a leap second, moves nothing.
    """

    def __init__(self, uncertainty_ps: int = 5_000_000_000) -> None:
        super().__init__()
        self.uncertainty_ps = uncertainty_ps
        self.count_from(int(time.time()) + TAI_MINUS_UTC_S)

    def count_from(self, epoch_tai_s: int) -> None:
        """Count hardware time from this TAI second."""
        self.epoch_tai_s = epoch_tai_s
        since_ns = time.time_ns() - (epoch_tai_s - TAI_MINUS_UTC_S) * 1_000_000_000
        self._zero_ns = time.monotonic_ns() - since_ns

    def now_ps(self) -> int:
        return (time.monotonic_ns() - self._zero_ns) * 1000

    monotonic_s = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        self.check_aborted()
        if self._is_shielded():
            threading.Event().wait(max(seconds, 0.0))
        elif self._aborted.wait(max(seconds, 0.0)):
            self.check_aborted()

    def opened(self, line: Line) -> None:
        pass

    def wrote(self, line: Line) -> None:
        pass

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        end, left = time.monotonic() + timeout_s, timeout_s
        while True:
            if left < 0 or (self._wanted and self._is_aborted()):
                left = 0.0
            if line.has_input(left if left < SLICE_S else SLICE_S):
                return True
            self.check_aborted()
            if left <= 0:
                return False
            left = end - time.monotonic()

    def register(self, name: str, *, host: str = "", after: Ticket | None = None) -> Ticket:
        return _WallTicket(name, after if isinstance(after, _WallTicket) else None)

    def idle(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def running(self, ticket: Ticket) -> contextlib.AbstractContextManager[None]:
        assert isinstance(ticket, _WallTicket)
        return ticket

    def forget(self, ticket: Ticket) -> None:
        assert isinstance(ticket, _WallTicket)
        ticket.end()

    def wait_for(self, tickets: Sequence[Ticket], *, meanwhile: Callable[[], object] | None = None) -> None:
        for ticket in tickets if meanwhile is None else ():
            assert isinstance(ticket, _WallTicket)
            while not ticket.wait(0.2):
                pass  # wake up now and then, so that a Ctrl-C is seen
