"""Calibration windows of memory links: batches of pairs that both nodes measure, and what follows from them.

A window runs under the resources that the service has reserved, by the same batches as requests. It is over when it
has its pairs, or cannot get them. Then the service is told, in this order: what the link is expected to give from now
on; whether its visibility reaches the limit of the testbed file (the condition that suspends the link); and how the
calibration ended.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ...testbed.attempts import AttemptProgram
from ...testbed.memory_forecast import forecast_pairs
from ...testbed.memory_models import LinkCalibration, SpinQubitModel
from ...testbed.testbed import Testbed
from ..heralding.conditions import visibility_low
from ..heralding.delivery import Pair
from ..heralding.service import Code, EntanglementService, Forecast, Lab, Link, Request
from ..heralding.service.actions import AbortBatch, Calibrate, StartBatch
from ..heralding.service.batches import Left, duty, next_batch, tailored
from ..heralding.service.calibration import Calibration
from ..heralding.service.links import LONGEST_BATCH_S
from ..heralding.service.resources import Want
from ..heralding.service.suspenders import Condition
from ..heralding.terms import PS_PER_S
from .window_figures import PERFECT, Figures, figures, storage_factor

EARLY = 0.1
"""An idle link is calibrated this share of its time before it must be."""
AROUND_S = 0.2
"""What a batch takes besides its attempts, s: preparing and collecting."""
PATIENCE = 10.0
"""A window makes so many times the attempts that its pairs should take by the testbed file, and no more."""
BLIND = 20.0
"""Without a single pair where so many were expected, the link sees nothing: detectors are off, or a fibre is out."""
MOST_LOST = 5
"""Void batches in a row after which a window is given up."""


def calibrations(
    testbed: Testbed, links: Sequence[Link], forecasts: Mapping[tuple[str, str], Forecast]
) -> list[Calibration]:
    """Return the calibration of every link whose testbed file asks for one; it is called after its link."""
    found = []
    for link in links:
        plan = testbed.memory_links[link.name].calibration
        if plan is not None:
            program = _measuring(link)
            work_s = _attempts(plan, program, forecasts[link.name, "measure"]) * program.period_ps / PS_PER_S
            takes_s = work_s + AROUND_S * math.ceil(work_s / LONGEST_BATCH_S)
            wants = tuple(Want(party) for party in link.parties)
            name = link.name
            found.append(Calibration(name, (name,), takes_s, plan.every, EARLY * plan.every, needs=wants))
    return found


def visibilities(testbed: Testbed) -> list[Condition]:
    """Return the condition that the visibility of each calibrated link is good; only windows tell anything of it."""
    return [
        Condition(
            visibility_of(name),
            (name,),
            code=Code.UNCAL,
            hold_off_s=0.0,
            silent_s=math.inf,
            trusted=True,
            spoils=True,
        )
        for name, link in testbed.memory_links.items()
        if link.calibration is not None
    ]


def visibility_of(link: str) -> str:
    """Return the name of the condition that a link's visibility is good."""
    return f"visibility of {link}"


@dataclass
class _Window:
    """A window that is under way.

    Attributes:
        request: its pairs, as somebody would ask for them.
        program: of its batches, but for their length.
        most: attempts that it may make.
        order: its batch under way, 0 for none.
        fresh: pairs of that batch.
        pairs, attempts: of batches that were recorded.
        heralds: what became of their heralds.
        lost, why: void batches in a row, and why the last one was.
        barred: why it must end.
    """

    task: Calibration
    link: Link
    request: Request
    program: AttemptProgram
    most: float
    order: int = 0
    fresh: list[Pair] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    attempts: int = 0
    heralds: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    why: str = ""
    barred: str = ""
    aborted: bool = False


class Calibrating:
    """All windows of one coordinator.

    Args:
        testbed: says how links are calibrated.
        lab: as the service has it.
        service: is told what was found.
    """

    def __init__(self, testbed: Testbed, lab: Lab, service: EntanglementService) -> None:
        self._testbed, self._lab, self._service = testbed, lab, service
        links = tuple(lab.links.values())
        self._nominal = {link.name: lab.forecasts[link.name, "measure"] for link in links}
        """What the testbed file predicts."""
        self._tasks = {task.name: task for task in calibrations(testbed, links, lab.forecasts)}
        self._windows: dict[str, _Window] = {}
        self._found: dict[str, Figures] = {}
        self._orders = count(-1, -1)
        """Negative, so that no order of the service is meant."""

    @property
    def busy(self) -> bool:
        """Return whether a window is under way."""
        return bool(self._windows)

    def at_leisure(self, link: str) -> bool:
        """Return whether attempts on a link disturb no qubit, for none is kept there."""
        for name in self._testbed.memory_links[link].memories:
            model = self._testbed.instruments()[name].model
            if isinstance(model, SpinQubitModel) and self._lab.credits.memories((name,)) < model.slots:
                return False
        return True

    def begin(self, action: Calibrate) -> None:
        """Open a window; its first batch comes with ``turn``."""
        task, (name,) = self._tasks[action.calibration], action.links
        link, plan = self._lab.links[name], self._plan(name)
        request = Request(id=_run(name), nodes=link.nodes, kind="measure", pairs=plan.pairs, deadline_s=1.0)
        program = _measuring(link)
        shortest = link.shortest_batch_s * PS_PER_S / program.period_ps
        most = math.ceil(max(PATIENCE * _attempts(plan, program, self._nominal[name]), 2 * shortest))
        self._windows[name] = _Window(task, link, request, program, most)

    def turn(self, now_s: float) -> list[StartBatch | AbortBatch]:
        """Return the batches that begin or end now; ``now_s`` is the service's clock."""
        actions: list[StartBatch | AbortBatch] = []
        for window in list(self._windows.values()):
            barred = window.barred or self._lab.barred(window.task, now_s)
            if window.order and barred and not window.aborted:
                window.aborted = True
                actions.append(AbortBatch(window.order, barred))
            if window.order:
                continue
            program = None if barred else self._next(window)
            if program is None:
                self._end(window, barred, now_s)
                continue
            window.order, window.aborted = next(self._orders), False
            names = tuple(want.name for want in self._lab.wants_of_calibration(window.task))
            about = (window.request.id, window.link.name, program, window.link.parties, 0, names)
            actions.append(StartBatch(window.order, *about))
        return actions

    def tripped(self, links: Iterable[str], why: str) -> None:
        """Take that a condition of some links tripped: their windows end at once, with the next ``turn``."""
        for name in self._windows.keys() & set(links):
            self._windows[name].barred = why

    def pair(self, order: int, pair: Pair) -> None:
        """Take a pair of a window's batch."""
        for window in self._windows.values():
            if window.order == order:
                window.fresh.append(pair)

    def ended(self, order: int, problem: str, attempts: int, heralds: Mapping[str, int]) -> None:
        """Take that a window's batch is over, or why it counts for nothing.

        Args:
            order: of the batch.
            problem: "" if it was recorded.
            attempts: made in it.
            heralds: how many became what, ``Concluded.counts``.
        """
        for window in self._windows.values():
            if window.order != order:
                continue
            if not problem:
                window.pairs += window.fresh
                window.attempts += attempts
                window.heralds.update(heralds)
            window.lost, window.why = (window.lost + 1 if problem else 0), problem
            window.order, window.fresh = 0, []

    def described(self) -> dict[str, dict[str, Any]]:
        """Return by link what was found last, for people."""
        return {name: found.described() for name, found in self._found.items()}

    # --- one window -----------------------------------------------------------------------------------------------

    def _plan(self, link: str) -> LinkCalibration:
        plan = self._testbed.memory_links[link].calibration
        assert plan is not None  # else it had no calibration
        return plan

    def _next(self, window: _Window) -> AttemptProgram | None:
        """Return the program of the next batch, None if there is none."""
        if window.lost >= MOST_LOST or self._blind(window):
            return None
        nominal, wanted = self._nominal[window.link.name], window.request.pairs - len(window.pairs)
        left = Left(wanted, 0, window.most - window.attempts, math.inf)
        return next_batch(window.link, window.program, nominal, window.request, left)

    def _expected(self, window: _Window) -> float:
        """Return how many pairs its attempts should have brought."""
        chance = self._nominal[window.link.name].probability(window.program, "any")
        return window.attempts * duty(window.program) * chance

    def _blind(self, window: _Window) -> bool:
        return not window.pairs and self._expected(window) >= BLIND

    def _end(self, window: _Window, barred: str, now_s: float) -> None:
        """Tell the service what was found."""
        name, wanted = window.link.name, window.request.pairs
        del self._windows[name]
        problem = barred
        if not problem and window.lost >= MOST_LOST:
            problem = f"{window.lost} batches in a row came to nothing: {window.why}"
        elif not problem and len(window.pairs) < wanted:
            heralds = ", ".join(f"{number} {what}" for what, number in window.heralds.items() if number)
            problem = (
                f"{len(window.pairs)} of {wanted} pairs came in {window.attempts} attempts, where "
                f"{self._expected(window):.0f} were expected (heralds: {heralds or 'none, are the detectors on?'})"
            )
        if not problem:
            found = self._figures(window)
            problem = found.fidelity.reason
        if problem:
            self._service.calibrated(window.task.name, problem, now_s, inconclusive=True)
            return
        self._found[name] = found
        pairs = forecast_pairs(self._testbed, name)
        self._service.forecast(name, "measure", found.forecast(now_s))
        self._service.forecast(name, "keep", found.forecast(now_s, storage_factor(pairs) if pairs else 1.0))
        low = visibility_low(found.visibility.value, found.visibility.error, self._plan(name).visibility)
        self._service.condition(visibility_of(name), low, 0, now_s)
        self._service.calibrated(window.task.name, low, now_s)

    def _figures(self, window: _Window) -> Figures:
        pairs, link = forecast_pairs(self._testbed, window.link.name), window.link
        labels = [herald.label for herald in window.program.heralds]
        attempts = round(window.attempts * duty(window.program))
        return figures(window.pairs, link.nodes, labels, attempts, pairs.readout if pairs else PERFECT)


def _measuring(link: Link) -> AttemptProgram:
    """Return the program of a window's batches: qubits are read in XX, YY and ZZ in turn."""
    base = next(program for program in link.programs if program.keep == "measure")
    asked = Request(id="", nodes=link.nodes, kind="measure", pairs=1, deadline_s=1.0, bases=("XYZ", "XYZ"))
    return tailored(base, asked)


def _attempts(plan: LinkCalibration, program: AttemptProgram, nominal: Forecast) -> float:
    """Return how many attempts the pairs should take."""
    return plan.pairs / nominal.probability(program, "any") / duty(program)


def _run(link: str) -> str:
    return f"calibration of {link}"
