"""What guards the light of a node's emitters while it may be on: their own interlocks and measured outputs.

Drivers declare both (``Reading``'s ``closed`` and ``within``). An emitter may have light on from the first thing that
is asked of it besides reading, until it was confirmed dark again. Meanwhile its guards are read every ``PERIOD_S``, one
at a time and ahead of the calls that are waiting: an instrument's own interlock acts in its hardware, and this reading
makes a fault of it. An answer that is an error, of whatever kind, makes the node dark. In a dry run in lockstep nothing
is read by itself.
"""

import multiprocessing.connection
from collections.abc import Callable, Mapping

from ...drivers.registry import driver_class
from ...testbed.testbed import InstrumentEntry
from ..wire.messages import Call, Do, Message, Refusal, Reply, Set
from ..wire.nonces import elapsed_s
from .children import DARK_S, Child

PERIOD_S = 1.0
WAIT_S = 0.05
"""How long a look for a confirmation takes at most."""


class Guards:
    """The emitters of a node.

    Args:
        entries: the node's instruments.
        children: who has each.
        trip: called with what is wrong; makes dark and latches a fault.
        tell: publishes which may be lit from now on (``light_on``), and which are dark again (``light_off``).
    """

    def __init__(
        self,
        entries: Mapping[str, InstrumentEntry],
        children: Mapping[str, Child],
        trip: Callable[[str], object],
        lockstep: bool,
        tell: Callable[[str, dict[str, list[str]]], object],
    ) -> None:
        self.emitters = {name: entry for name, entry in entries.items() if driver_class(entry.driver).emits()}
        self._children, self._trip, self._lockstep, self._tell = children, trip, lockstep, tell
        self._through = {name: {name, *_composed_of(name, entries)} for name in self.emitters}
        """Emitter -> by which instruments its light can be switched on."""
        self._next_s = dict.fromkeys(self.emitters, 0.0)
        self._asked: set[str] = set()
        self._told_lit = {*self.emitters}
        """What was told to be lit. Everything may be, when an agent starts."""

    def lit(self) -> list[str]:
        """Return the emitters that may have light on."""
        return [name for name in self.emitters if self._through[name] & {*self._children[name].touched}]

    def unattended(self) -> list[str]:
        """Return those of ``lit`` that are not being made dark already."""
        return [name for name in self.lit() if not self._children[name].darkening]

    def notice(self) -> None:
        """Tell what changed since the last call; around what lights, for a dark that ends before the next turn."""
        lit = {*self.lit()}
        if begun := sorted(lit - self._told_lit):
            self._tell("light_on", {"instruments": begun})
        if ended := sorted(self._told_lit - lit):
            self._tell("light_off", {"instruments": ended})
        self._told_lit = lit

    def may_light(self, message: Message) -> bool:
        """Return whether this request could switch light on, or change it."""
        if not (isinstance(message, (Set, Call)) or (isinstance(message, Do) and message.verb == "apply")):
            return False
        return any(message.instrument in names for names in self._through.values())

    def turn(self, now_s: float) -> None:
        """Read what is due; call it often."""
        self.notice()
        for name in [] if self._lockstep else self.unattended():
            child = self._children[name]
            if name in self._asked or now_s < self._next_s[name] or child.failures:
                continue
            self._next_s[name] = now_s + PERIOD_S
            self._asked.add(name)
            self._ask(name, child)

    def end_dark(self) -> bool:
        """Order dark what may be lit, and wait; return whether it was confirmed. Else the watchdog goes on with it."""
        for child in {self._children[name] for name in self.lit()}:
            child.dark("the agent ends")
        end_s = elapsed_s() + DARK_S
        while (lit := self.lit()) and elapsed_s() < end_s:
            waiting = {child.connection: child for child in (self._children[name] for name in lit)}
            for connection in multiprocessing.connection.wait(list(waiting), WAIT_S):
                waiting[connection].take_in()
        return not self.lit()

    def _ask(self, name: str, child: Child) -> None:
        restarts = child.restarts

        def take(answer: Reply | Refusal) -> None:
            self._asked.discard(name)
            replaced = child.restarts != restarts  # its process died: what follows it makes dark
            if isinstance(answer, Refusal) and name in self.unattended() and not replaced:
                self._trip(f"{name}: {answer.what}")

        child.submit(Do(0, name, "guard", 0), take, ahead=True)


def _composed_of(name: str, entries: Mapping[str, InstrumentEntry]) -> list[str]:
    node, _, short = name.partition(".")
    return [f"{node}.{other.partition('.')[2]}" for other, entry in entries.items() if short in entry.parts.values()]
