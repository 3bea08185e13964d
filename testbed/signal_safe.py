"""``beside``: what a signal handler may safely do about an event."""

import _thread
from collections.abc import Callable


def beside(act: Callable[..., object], *arguments: object) -> None:
    """Call ``act`` in a thread of its own, from a signal handler.

    A handler runs in the middle of whatever its thread does. If that is about to wait for an event, it holds the
    event's lock for some microseconds, and setting it from the handler would wait for that lock for ever.
    """
    _thread.start_new_thread(act, arguments)  # threading's own takes locks, too
