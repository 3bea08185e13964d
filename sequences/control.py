"""Pause, resume and abort of a run, asked for by a signal handler or another thread, obeyed at a checkpoint."""

import threading

from ..testbed.clock import Clock
from ..testbed.errors import Aborted, BellringerError


class RunControl:
    """The switch between a person and a running sequence.

    Pausing takes effect at a checkpoint and leaves light as it is; aborting interrupts every wait and ends in the dark.
    """

    def __init__(self) -> None:
        self._resumed = threading.Event()
        self._resumed.set()
        self._aborted = threading.Event()
        self.reason: BellringerError | None = None
        """Why the run cannot go on, if it was no person who ended it."""
        self._clock: Clock | None = None

    def attach(self, clock: Clock) -> None:
        """Tell which clock to stop on abort."""
        self._clock = clock
        if self._aborted.is_set():
            clock.abort()

    def pause(self) -> None:
        self._resumed.clear()

    def resume(self) -> None:
        self._resumed.set()

    def abort(self, reason: BellringerError | None = None) -> None:
        """End the run, because a person wants it so or for ``reason``."""
        if not self._aborted.is_set():
            self.reason = reason
        self._aborted.set()
        self._resumed.set()
        if self._clock is not None:
            self._clock.abort()

    @property
    def paused(self) -> bool:
        return not self._resumed.is_set()

    @property
    def aborted(self) -> bool:
        return self._aborted.is_set()

    @property
    def wanted(self) -> str:
        """What people want of the run: ``pause``, ``resume``, ``abort``; "" if it was no person who ended it."""
        if self.aborted:
            return "" if self.reason else "abort"
        return "pause" if self.paused else "resume"

    def wait_resumed(self) -> None:
        """Wait while paused; an abort ends the wait too."""
        while not self._resumed.wait(0.2):
            pass  # wake up now and then, so that a Ctrl-C is seen

    def checkpoint(self) -> None:
        """Return unless the run is to end.

        Raises:
            BellringerError: the run is to end; ``Aborted`` if a person wants it so.
        """
        if self.aborted:
            raise self.reason or Aborted("aborted by a person")
