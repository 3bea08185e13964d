"""A request for pairs in a dry run in lockstep: the coordinator's part in lab time.

The run registers the request with the simulated lab as a call in flight, and waits for it. The coordinator carries it
out under that ticket: while it is at work lab time stands still, and it moves only in a step, until all calls that
driver processes carry out for it have ended. A thread waits, so that the coordinator's loop never does.
"""

import contextlib
import os
import queue
import threading

from ...testbed.clock import Ticket
from ...testbed.errors import BellringerError
from ...testbed.lockstep import LockstepClock

Step = float | tuple[Ticket, ...] | None
"""Sleep so many seconds, wait for these calls, or the end."""


class LabTime:
    """One coordinator's; serves one request at a time.

    Args:
        endpoint: the simulated lab's clock socket.
    """

    def __init__(self, endpoint: str) -> None:
        self._clock = LockstepClock(endpoint)
        self._requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self._over = threading.Event()
        self._fresh: list[Ticket] = []
        """Registered since the last step."""
        self._awaited: tuple[Ticket, ...] = ()
        self.serving = False
        """Whether a request is served."""
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)
        """Can be read when a step is over."""
        self.problem: BellringerError | None = None
        """Why there is no lab time any more, None as long as there is."""
        self._closed = False
        threading.Thread(target=self._run, name="lab time", daemon=True).start()

    def close(self) -> None:
        """Leave the lab; what was served counts as ended."""
        self._closed = True
        self._clock.close()

    def now_ps(self) -> int:
        """Return lab time, ps."""
        return self._clock.look_ps()

    @property
    def at_work(self) -> bool:
        """Return whether a request is served and no step is being made: lab time stands still."""
        return self.serving and self._over.is_set()

    @property
    def step_due(self) -> bool:
        """Return whether calls were registered that cannot be carried out before the next step has begun."""
        return self.at_work and bool(self._fresh)

    def begin(self, ticket: str) -> None:
        """Serve the request with this ticket."""
        self.serving = True
        self._over.clear()
        self._requests.put(ticket)

    def register(self, name: str, host: str) -> str:
        """Register a call before ``host`` is asked for it, and return the number of its ticket."""
        ticket = self._clock.register(name, host=host)
        self._fresh.append(ticket)
        return str(getattr(ticket, "number", ""))

    def wait(self) -> bool:
        """Begin a step until all calls that were registered have ended; return whether there were any."""
        self._awaited, self._fresh = tuple(self._fresh), []
        if self._awaited:
            self._step(self._awaited)
        return bool(self._awaited)

    def sleep(self, seconds: float) -> None:
        """Begin a step of ``seconds`` at most."""
        self._step(seconds)

    def cancel(self, number: str) -> None:
        """The call with the ticket of this number will not be carried out any more, if it has not begun."""
        self._clock.cancel(self._clock.adopt(number, "", ""))

    def give_up(self) -> None:
        """Wait no more for the calls of the present step: they will never be carried out, or lab time has to move."""
        for ticket in self._awaited:
            self._clock.forget(ticket)
        self._awaited = ()

    def end(self) -> None:
        """The request has ended; the run goes on."""
        self.serving = False
        self._steps.put(None)

    def heard(self) -> None:
        """Take in that ``wake`` could be read."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wake)

    def _step(self, step: Step) -> None:
        self._over.clear()
        self._steps.put(step)

    def _tell(self) -> None:
        self._over.set()
        os.eventfd_write(self.wake, 1)

    def _run(self) -> None:
        try:
            while True:
                with self._clock.running(self._clock.adopt(self._requests.get(), "a request for pairs", "")):
                    self._tell()
                    while (step := self._steps.get()) is not None:
                        if isinstance(step, float):
                            self._clock.sleep(step)
                        else:
                            self._clock.wait_for(step)
                        self._tell()
        except Exception as error:
            if self._closed:  # in the middle of a word to the lab
                return
            if not isinstance(error, BellringerError):
                raise
            self.problem = error  # the simulated lab has gone
            self._tell()
