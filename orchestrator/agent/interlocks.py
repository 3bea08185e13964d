"""The interlocks of a node: what must be closed while anything there may emit light. Unreadable is open.

Each is a reading of an instrument and the one value that says that it is closed. It is read ten times a second while
something may emit, and twice a second else, so that it is known before light is asked for. Another value, an object,
an error, or no answer within its patience is open: nothing that could light is carried out then, and what may be lit
goes dark and the node is latched. An acknowledgement counts only once it was seen closed again.

These readings overtake what waits for the instrument; an order to go dark overtakes them and interrupts the one in
flight. In a dry run in lockstep nothing is read
by itself.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...drivers.interfaces import is_exactly
from ...testbed.errors import BellringerError, InstrumentError
from ...testbed.testbed import Interlock
from ..wire.messages import Get, Refusal, Reply
from .children import Child

LIT_S, UNLIT_S = 0.1, 0.5
"""How often an interlock is read while something may emit, and while nothing may."""


@dataclass
class _Watched:
    """One interlock; ``why_open`` is "" while it is known to be closed."""

    name: str
    rule: Interlock
    instrument: str
    child: Child
    why_open: str = "it was not read yet"
    known_s: float = float("-inf")
    """When the reading that says so was asked for."""
    asked_s: float = float("-inf")
    waiting: bool = False
    tripped: bool = False
    """Whether it made the node dark, and that was not acknowledged while it was closed."""
    looked: bool = False
    """Whether it was read at all; it cannot be while its instrument is made dark at the start."""
    openings: int = 0
    """How often it was found open after it was closed, or for the first time."""

    def found(self, why_open: str, known_s: float, looked: bool = True) -> None:
        """Take in how it was found, "" for closed, by a reading that was asked for at ``known_s``."""
        if looked:
            self.openings += bool(why_open) and not (self.looked and self.why_open)
            self.looked = True
        self.why_open, self.known_s = why_open, known_s


@dataclass
class _Applicant:
    """A request that could light; decided by readings asked for after ``since_s``."""

    instrument: str
    since_s: float
    proceed: Callable[[], object]
    refuse: Callable[[BellringerError], object]


class Interlocks:
    """All interlocks of one node.

    Args:
        rules: by name, as in the testbed file.
        trip: called with what is open; makes dark and latches a fault.
    """

    def __init__(
        self,
        node: str,
        rules: Mapping[str, Interlock],
        children: Mapping[str, Child],
        trip: Callable[[str], object],
        lockstep: bool,
    ) -> None:
        self._trip = trip
        self._applicants: deque[_Applicant] = deque()
        self._watched: list[_Watched] = []
        for name, rule in () if lockstep else rules.items():
            instrument = f"{node}.{rule.reading.partition('.')[0]}"
            self._watched.append(_Watched(name, rule, instrument, children[instrument]))

    def admit(
        self,
        instrument: str,
        now_s: float,
        lit: bool,
        proceed: Callable[[], object],
        refuse: Callable[[BellringerError], object],
    ) -> None:
        """Call ``proceed`` if all are closed, else ``refuse``: ``instrument`` is asked for what could light it.

        While something may emit, what is known is at most a tenth of a second old. Else all are read first.
        """
        self._applicants.append(_Applicant(instrument, float("-inf") if lit else now_s, proceed, refuse))
        for each in self._watched:
            if not (lit or each.waiting or each.child.darkening):
                self._read(each, now_s)
        self._decide()

    def _decide(self) -> None:
        """Tell those who can be told, in the order in which they came."""
        while self._applicants:
            first = self._applicants[0]
            known = [each for each in self._watched if each.known_s >= first.since_s]
            is_open = [each for each in known if each.why_open]
            if not is_open and len(known) < len(self._watched):
                return
            self._applicants.popleft()
            if is_open:
                first.refuse(_refusal(is_open[0], first.instrument))
            else:
                first.proceed()

    def turn(self, now_s: float, lit: bool, latched: bool) -> None:
        """Read what is due and trip on what is open; call it often.

        Args:
            lit: whether something may emit and is not being made dark already.
            latched: whether the node is latched by a fault.
        """
        for each in self._watched:
            period_s = LIT_S if lit or each.tripped else UNLIT_S
            if (now_s >= each.asked_s + period_s or self._applicants) and not (each.waiting or each.child.darkening):
                self._read(each, now_s)
            if now_s - (each.asked_s if each.waiting else each.known_s + period_s) > each.rule.patience:
                silence = f"{each.rule.reading} was not answered within {each.rule.patience:g} s"
                each.found(silence, now_s, looked=each.waiting)
        self.look(lit, latched)
        self._decide()

    def look(self, lit: bool, latched: bool) -> None:
        """Trip on what is open as far as is known; arguments as in ``turn``."""
        for each in self._watched:
            if each.why_open and lit and not latched:
                each.tripped = latched = True
                self._trip(f"interlock '{each.name}' is open: {each.why_open}")

    def closed(self) -> bool | None:
        """Return whether all are closed as far as is known, None if one was not read yet."""
        if any(each.why_open and each.known_s > float("-inf") for each in self._watched):
            return False
        return None if any(each.why_open for each in self._watched) else True

    @property
    def openings(self) -> int:
        """Return how often one was found open."""
        return sum(each.openings for each in self._watched)

    def why_open(self) -> str:
        """Return which one was seen open, and why; "" if none is."""
        for each in self._watched:
            if each.why_open and each.looked:
                return f"interlock '{each.name}' is open: {each.why_open}"
        return ""

    def acknowledged(self) -> None:
        """Trip once more on what tripped and is still open: a person has acknowledged too early."""
        for each in self._watched:
            if each.tripped and each.why_open:
                self._trip(f"interlock '{each.name}' is still open: {each.why_open}")
            else:
                each.tripped = False

    def _read(self, each: _Watched, now_s: float) -> None:
        each.waiting, each.asked_s = True, now_s

        def take(answer: Reply | Refusal) -> None:
            each.waiting = False
            if isinstance(answer, Refusal) and each.child.darkening:
                return  # an order to go dark interrupted the reading: it is read again
            if isinstance(answer, Refusal):
                each.found(answer.what, each.asked_s)
            else:
                closed = is_exactly(answer.value, each.rule.closed)
                each.found("" if closed else f"{each.rule.reading} is {answer.value!r}", each.asked_s)
            self._decide()

        each.child.submit(Get(0, each.instrument, each.rule.reading.partition(".")[2], 0), take, ahead=True)


def _refusal(each: _Watched, instrument: str) -> InstrumentError:
    return InstrumentError(
        f"interlock '{each.name}' is open: {each.why_open}",
        where=instrument,
        hint=f"close it; it is {each.rule.reading} of its node, and {each.rule.closed!r} when it is closed",
    )
