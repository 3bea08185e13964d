"""Ctrl-C during a run: the first pauses, the second aborts; SIGTERM and a lost terminal abort at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from ..sequences.control import RunControl
from ..testbed.signal_safe import beside

_PAUSING = b"\nCtrl-C: the run pauses at its next checkpoint; once more aborts it\n"


@contextlib.contextmanager
def interrupts(control: RunControl) -> Iterator[None]:
    """Obey them as long as the context lasts. Enter resumes a paused run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def obey(number: int) -> None:
        if control.paused or number != signal.SIGINT:
            control.abort()
        else:
            control.pause()
            os.write(2, _PAUSING)  # not through rich, which this may have interrupted
            if sys.stdin.isatty():
                threading.Thread(target=_resume_on_enter, args=(control,), daemon=True).start()

    def interrupt(number: int, frame: object) -> None:
        beside(obey, number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _resume_on_enter(control: RunControl) -> None:
    if os.read(sys.stdin.fileno(), 1):
        control.resume()
