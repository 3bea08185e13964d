"""Calls to instruments by name and verb, whoever carries them out: this process or the agents of several nodes.

This is all a running sequence knows of instruments. ``submit`` hands a call over and returns at once; ``gather`` waits
for several and returns their values. Errors of several calls become one that lists them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...testbed.clock import Clock, Ticket
from ...testbed.errors import BellringerError, InstrumentError
from ...testbed.testbed import InstrumentEntry


class Call:
    """One call in flight; ``value`` or ``error`` is there when it has ended."""

    def __init__(self, name: str, ticket: Ticket) -> None:
        self.name, self.ticket = name, ticket
        self.value: Any = None
        self.error: BaseException | None = None


class Instruments(ABC):
    """Instruments of a testbed, reached by full name.

    Attributes:
        clock: the run's clock.
        entries: the testbed's instruments.
        about: what drives them, for the record of a run: by node, empty if it is this process.
        closing: the verb that ``close`` ends with: ``close``, or ``rest`` where they belong to an agent.
    """

    clock: Clock
    entries: Mapping[str, InstrumentEntry]
    about: Mapping[str, Any] = MappingProxyType({})
    closing = "close"

    def ask_coordinator(self, message: Any) -> Any:
        """Ask the coordinator whose agents carry the calls out, and return the value of its answer.

        Raises:
            BellringerError: it refuses, or the instruments belong to this process and there is none.
        """
        raise BellringerError(
            "there is no coordinator to ask",
            hint="run the sequence with `bellringer run`",
        )

    def measure_link(self, link: str) -> bool:
        """Measure how long corrections take on a memory link, if they may be measured now and never were.

        Returns:
            Whether they were; without a coordinator, or on a testbed that others use too, nobody measures unasked.
        """
        return False

    def by_hand(self) -> list[dict[str, Any]]:
        """Return what people set in the run's name, beside it, since this was asked last; oldest first.

        Each has ``utc``, ``run``, ``who``, ``instrument``, and ``setting`` and ``value`` or ``method`` and ``args``;
        ``error`` if it failed. Without agents nobody can.
        """
        return []

    @abstractmethod
    def submit(self, name: str, verb: str, *args: Any, **keywords: Any) -> Call:
        """Hand a call over and return at once."""

    @abstractmethod
    def _wait(self, calls: Sequence[Call]) -> None:
        """Wait until all calls have ended."""

    @abstractmethod
    def _release(self) -> None:
        """Give up what was needed for calls; none follows."""

    def gather(self, calls: Sequence[Call]) -> list[Any]:
        """Wait for calls and return their values.

        Raises:
            BellringerError: a call failed; if several did, one error that lists them all.
        """
        self._wait(calls)
        errors = [(call, call.error) for call in calls if call.error is not None]
        if len(errors) == 1:
            raise errors[0][1]
        if errors:
            hints = dict.fromkeys(filter(None, (getattr(error, "hint", "") for _, error in errors)))
            raise InstrumentError(
                f"{len(errors)} of {len(calls)} calls failed",
                where="\n         ".join(f"{call.name}: {_in_a_line(error)}" for call, error in errors),
                hint="\n         ".join(hints) or "see each one above; the first is usually the cause",
            ) from errors[0][1]
        return [call.value for call in calls]

    def do(self, name: str, verb: str, *args: Any, **keywords: Any) -> Any:
        """Submit one call and wait for it."""
        return self.gather([self.submit(name, verb, *args, **keywords)])[0]

    # --- life -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open and identify every instrument side by side, composed ones last; ``close`` also after a failure."""
        simple = [name for name, entry in self.entries.items() if not entry.parts]
        composed = [name for name, entry in self.entries.items() if entry.parts]
        self.gather([self.submit(name, "open") for name in simple])
        self.gather([self.submit(name, "open") for name in composed])

    def apply_settings(self) -> None:
        """Write the testbed file's settings to every instrument."""
        self.gather([self.submit(name, "apply") for name in self.entries])

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return every declared value of every instrument."""
        calls = [self.submit(name, "snapshot") for name in self.entries]
        return dict(zip(self.entries, self.gather(calls)))

    def dark(self) -> list[BaseException]:
        """Bring every instrument to its safe state; return what failed instead of raising, so that all are tried."""
        return self._try_all("safe_state", self._composed_last())

    def close(self) -> list[BaseException]:
        """Close every instrument: dark, at rest, port released; return what failed."""
        try:
            return self._try_all(self.closing, self._composed_last()[::-1])
        finally:
            self._release()

    def _composed_last(self) -> list[str]:
        return sorted(self.entries, key=lambda name: bool(self.entries[name].parts))

    def _try_all(self, verb: str, names: Sequence[str]) -> list[BaseException]:
        """Call all of them and return what failed; nothing is raised, not even that a simulated lab has gone."""
        calls: list[Call] = []
        failures: list[BaseException] = []
        for name in names:
            try:
                calls.append(self.submit(name, verb))
            except BellringerError as error:
                failures.append(error)
        try:
            self._wait(calls)
        except BellringerError as error:
            failures.append(error)
        return failures + [call.error for call in calls if call.error is not None]


def _in_a_line(error: BaseException) -> str:
    """Return what happened and where, without the advice."""
    if not isinstance(error, BellringerError):
        return str(error)
    return " ".join(f"{error.what} ({error.where})".split()) if error.where else error.what
