"""Every error a user can meet: what happened, where, and what to do next.

Raise the narrowest class; the console prints ``what`` in red, ``where`` and ``hint`` below it, and no traceback.
"""

import difflib
from collections.abc import Iterable


class BellringerError(Exception):
    """What happened (``what``), where (``where``: file, instrument or port) and what to do next (``hint``)."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(
            "\n".join(line for line in (what, where and f"  where: {where}", hint and f"  next:  {hint}") if line)
        )


class TestbedFileError(BellringerError):
    """The testbed file is wrong; nothing was opened. ``where`` is ``file:line:column``."""

    __test__ = False  # the name starts with "Test"; it is no test class


class QuantityError(BellringerError, ValueError):
    """A quantity without a unit, with the wrong one, or that is no finite number."""


class LimitError(BellringerError, ValueError):
    """A setpoint outside the instrument's or the testbed file's limits; nothing was sent."""


class ProgramError(BellringerError, ValueError):
    """An attempt program is wrong, or a back-end cannot run it; nothing was loaded."""


class InstrumentError(BellringerError):
    """An instrument refused a command or reports a fault."""


class IdentityError(InstrumentError):
    """Something else than the expected instrument answers on this port."""


class TransportError(InstrumentError):
    """The port is closed, gone or refused the connection."""


class TransportTimeout(TransportError):
    """Nothing, or only part of a reply, came within the time allowed."""


class ProtocolError(InstrumentError):
    """A reply that cannot be understood (garbage, wrong checksum, the reply to something else)."""


class OverflowDetected(InstrumentError):
    """A time tagger lost tags; the recording is not whole."""


class TooLate(InstrumentError):
    """What was to begin at a time of the clock was not ready by then; it has not begun."""


class Aborted(BellringerError):
    """The run was aborted by a person."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` or the list of valid names, for the ``hint`` of an error."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "valid names: " + (", ".join(names) or "none")
