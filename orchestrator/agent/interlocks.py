"""The interlocks of a node: what must be closed while anything there may emit light. Unreadable is open.

Each is a reading of an instrument and the one value that says that it is closed. It is read ten times a second while
something may emit, and twice a second else, so that it is known before light is asked for. Another value, an object,
an error, or no answer within its patience is open: nothing that could light is carried out then, and what may be lit
goes dark and the node is latched. An acknowledgement counts only once it was seen closed again.

An order to go dark overtakes these readings and interrupts the one in flight. In a dry run in lockstep nothing is read
by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...drivers.interfaces import is_exactly
from ...testbed.errors import InstrumentError
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
    closed_s: float = float("-inf")
    """When the last reading that came back closed was asked for."""
    asked_s: float = float("-inf")
    waiting: bool = False
    tripped: bool = False
    """Whether it made the node dark and was not seen closed since that was acknowledged."""


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
        self._watched: list[_Watched] = []
        for name, rule in () if lockstep else rules.items():
            instrument = f"{node}.{rule.reading.partition('.')[0]}"
            self._watched.append(_Watched(name, rule, instrument, children[instrument]))

    def check(self, instrument: str) -> None:
        """Return if all are known to be closed; else raise InstrumentError: ``instrument`` may not be lit."""
        for each in self._watched:
            if each.why_open:
                raise InstrumentError(
                    f"interlock '{each.name}' is open: {each.why_open}",
                    where=instrument,
                    hint=f"close it; it is {each.rule.reading} of its node, and {each.rule.closed!r} when it is closed",
                )

    def turn(self, now_s: float, lit: bool, latched: bool) -> None:
        """Read what is due and trip on what is open; call it often.

        Args:
            lit: whether something may emit.
            latched: whether the node is latched by a fault.
        """
        for each in self._watched:
            if not (each.waiting or each.child.darkening) and now_s >= each.asked_s + (LIT_S if lit else UNLIT_S):
                self._read(each, now_s)
            silent_s = now_s - (each.asked_s if each.waiting else each.closed_s + UNLIT_S)
            if not each.why_open and silent_s > each.rule.patience:
                each.why_open = f"{each.rule.reading} was not answered within {each.rule.patience:g} s"
            if latched:
                continue
            if each.why_open and (lit or each.tripped):
                latched = True
                self._trip(f"interlock '{each.name}' is {'still ' if each.tripped else ''}open: {each.why_open}")
            each.tripped = latched

    def _read(self, each: _Watched, now_s: float) -> None:
        each.waiting, each.asked_s = True, now_s

        def take(answer: Reply | Refusal) -> None:
            each.waiting = False
            if isinstance(answer, Reply) and is_exactly(answer.value, each.rule.closed):
                each.why_open, each.closed_s = "", each.asked_s
            elif isinstance(answer, Reply):
                each.why_open = f"{each.rule.reading} is {answer.value!r}"
            elif not each.child.darkening:  # else an order to go dark interrupted the reading: it is read again
                each.why_open = answer.what

        each.child.submit(lambda number: Get(number, each.instrument, each.rule.reading.partition(".")[2], 0), take)
