"""When links must be calibrated, in which order, and whether they may be used meanwhile.

A calibration goes stale with age, with a drift estimator's trip, with a trip of a condition that spoils it, and when
one it builds on was made anew. While one of a link's calibrations is stale the link is out of spec: no batch begins on
it. What builds on no stale one is due first. One that was begun for nobody and shows nothing (the link may be switched
off) is no failure: it is put off until somebody asks for the link, or for 5 s, 10 s, ... 300 s. No I/O; times are
seconds on the service's clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ....testbed.errors import BellringerError, nearest
from .resources import Want

SHORTEST_RETRY_S = 5.0
LONGEST_RETRY_S = 300.0


@dataclass(frozen=True)
class Calibration:
    """One thing to calibrate.

    Attributes:
        links: those that depend on it.
        duration_s: how long it takes, about; admission counts it.
        max_age_s: how long it holds.
        early_s: an idle link is calibrated so long before that.
        builds_on: names of calibrations that must be in spec first.
        needs: resources it occupies.
    """

    name: str
    links: tuple[str, ...]
    duration_s: float
    max_age_s: float
    early_s: float = 0.0
    builds_on: tuple[str, ...] = ()
    needs: tuple[Want, ...] = ()


@dataclass
class _Record:
    task: Calibration
    made_s: float | None = None
    why: str = "it was never made"
    running: bool = False
    spoilt_meanwhile: str = ""
    failures: int = 0
    retry_s: float = 0.0
    for_nobody: bool = False
    """Whether it was begun while its links were idle."""
    put_offs: int = 0
    put_off_s: float = 0.0
    """Until when it is not made for nobody."""


class Calibrations:
    """All calibrations and how old they are.

    Raises:
        BellringerError: a name twice, one that builds on nothing there is, or a circle.
    """

    def __init__(self, tasks: Iterable[Calibration]) -> None:
        tasks = tuple(tasks)
        given = {each.name: each for each in tasks}
        for each in tasks:
            if not 0 < each.duration_s < each.max_age_s - each.early_s:
                what = f"calibration '{each.name}' takes {each.duration_s:g} s and holds for {each.max_age_s:g} s"
                raise BellringerError(what, hint="it must hold for longer than it takes, and than early_s")
            for name in each.builds_on:
                if name not in given:
                    raise BellringerError(f"'{each.name}' builds on '{name}', which is none", hint=nearest(name, given))
        try:
            order = tuple(TopologicalSorter({each.name: each.builds_on for each in tasks}).static_order())
        except CycleError as error:
            raise BellringerError(
                f"calibrations build on each other in a circle: {' -> '.join(error.args[1])}", hint="cut it somewhere"
            ) from None
        if len(order) < len(tasks):
            raise BellringerError("two calibrations have the same name", hint="give each its own name")
        self._records = {name: _Record(given[name]) for name in order}

    # --- what happens -------------------------------------------------------------------------------------------------

    def spoil(self, name: str, why: str) -> None:
        """Note that a calibration holds no more: its drift estimator tripped, say.

        Raises:
            BellringerError: there is no such calibration.
        """
        record = self._find(name)
        record.made_s, record.why = None, why
        if record.running:  # what it measures now may be from before
            record.spoilt_meanwhile = why

    def spoil_link(self, link: str, why: str) -> None:
        """Note that no calibration of a link holds any more."""
        for name, record in self._records.items():
            if link in record.task.links:
                self.spoil(name, why)

    def began(self, name: str, for_nobody: bool = False) -> None:
        """Note that it is being made; ``for_nobody``: while its links are idle."""
        record = self._find(name)
        record.running, record.spoilt_meanwhile, record.for_nobody = True, "", for_nobody

    def ended(self, name: str, problem: str, now_s: float, *, inconclusive: bool = False) -> None:
        """Note that it was made, or why it failed; after a failure it is due again after 5 s, 10 s, ... 300 s.

        Args:
            name: which.
            problem: why it was not made, "" if it was.
            now_s: now.
            inconclusive: whether the problem says nothing of the links: they may just be switched off.

        Raises:
            BellringerError: it was not being made.
        """
        record = self._find(name)
        if not record.running:
            raise BellringerError(f"calibration '{name}' is not being made", hint="it was not asked for")
        record.running = False
        if problem and inconclusive and record.for_nobody:
            record.made_s, record.why = None, f"it was put off: {problem}"
            record.failures, record.retry_s = 0, 0.0
            record.put_off_s, record.put_offs = now_s + _pause_s(record.put_offs), record.put_offs + 1
            return
        record.put_offs, record.put_off_s = 0, 0.0
        if problem:
            record.made_s, record.why = None, f"it failed: {problem}"
            record.retry_s = now_s + _pause_s(record.failures)
            record.failures += 1
            return
        record.failures = 0
        if record.spoilt_meanwhile:
            record.made_s, record.why = None, record.spoilt_meanwhile
            return
        record.made_s, record.why = now_s, ""
        for other in self._records.values():
            if name in other.task.builds_on:
                self.spoil(other.task.name, f"'{name}', which it builds on, was made anew")

    # --- what follows -------------------------------------------------------------------------------------------------

    def out_of_spec(self, link: str, now_s: float, oldest_s: float | None = None) -> str:
        """Return why a link may not be used, "" if it may; ``oldest_s`` is an age limit besides the tasks' own."""
        for name, record in self._records.items():
            if link in record.task.links and (why := self._stale(record, now_s, oldest_s)):
                return f"calibration '{name}' is needed: {why}"
        return ""

    def failed(self, link: str) -> str:
        """Return which calibration of a link failed when it was last made, and why; "" if none did."""
        return next((f"'{n}': {r.why}" for n, r in self._records.items() if link in r.task.links and r.failures), "")

    def due(self, now_s: float, oldest_s: Mapping[str, float], idle: Iterable[str] = ()) -> list[Calibration]:
        """Return what should be made now, in order: stale or (for links in ``idle``) nearly, and built on none that is.

        Args:
            now_s: now.
            oldest_s: by link, an age limit besides the tasks' own.
            idle: links that have nothing else to do.
        """
        spare, found, wanting = set(idle), list[Calibration](), set[str]()
        for name, record in self._records.items():  # what others build on comes first
            task = record.task
            limits = [oldest_s[link] for link in task.links if link in oldest_s]
            stale = bool(self._stale(record, now_s, min(limits, default=None)))
            if stale or record.running:
                wanting.add(name)
            ready = wanting.isdisjoint(task.builds_on) and not record.running and now_s >= record.retry_s
            age_s = now_s - (record.made_s or 0.0)
            for_nobody = spare.issuperset(task.links)
            ready = ready and not (for_nobody and now_s < record.put_off_s)
            early = for_nobody and age_s >= task.max_age_s - task.early_s
            if ready and (stale or early):
                found.append(task)
        return found

    def takes_s(self, link: str) -> float:
        """Return how long all calibrations of a link take, one after another (s)."""
        return sum(each.task.duration_s for each in self._records.values() if link in each.task.links)

    def left_s(self, link: str, now_s: float, oldest_s: float | None = None) -> float:
        """Return how long the stale calibrations of a link take, all after one another (s); see ``out_of_spec``."""
        records = [each for each in self._records.values() if link in each.task.links]
        return sum(each.task.duration_s for each in records if each.running or self._stale(each, now_s, oldest_s))

    def described(self, now_s: float) -> dict[str, dict[str, Any]]:
        """Return every calibration, for people."""
        return {
            name: {
                "in_spec": not self._stale(record, now_s, None),
                "why": self._stale(record, now_s, None),
                "age_s": None if record.made_s is None else now_s - record.made_s,
                "running": record.running,
                "failures": record.failures,
            }
            for name, record in self._records.items()
        }

    def _stale(self, record: _Record, now_s: float, oldest_s: float | None) -> str:
        if record.made_s is None:
            return record.why
        limit_s = record.task.max_age_s if oldest_s is None else min(record.task.max_age_s, oldest_s)
        age_s = now_s - record.made_s
        return "" if age_s <= limit_s else f"it is {age_s:.0f} s old, more than {limit_s:g} s"

    def _find(self, name: str) -> _Record:
        if name not in self._records:
            raise BellringerError(f"there is no calibration '{name}'", hint=nearest(name, self._records))
        return self._records[name]


def _pause_s(times: int) -> float:
    """Return how long it is left alone after it came to nothing, ``times`` before not counted."""
    pause_s: float = min(SHORTEST_RETRY_S * 2**times, LONGEST_RETRY_S)
    return pause_s
