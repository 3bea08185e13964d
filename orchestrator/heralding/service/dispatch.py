"""What begins now: calibrations that are due, and the next batches of those whose turn it is."""

from collections.abc import Iterable

from .actions import Action, Calibrate, StartBatch
from .batches import PS_PER_S, Left, most_kept, next_batch
from .calibration import Calibration
from .jobs import Batch, Job
from .lab import Lab
from .links import Forecast
from .replies import State
from .turns import Wanter, take_turns

MOST_UNDER_WAY = 2
"""Batches of one request at once: one runs, the next is armed."""


class Dispatch:
    """Starts what can be started; what it starts is in the ledger, the credits and the jobs afterwards."""

    def __init__(self, lab: Lab, most_under_way: int = MOST_UNDER_WAY) -> None:
        self._lab, self._most = lab, most_under_way
        self._order = 0
        self._calibrating: dict[str, Calibration] = {}

    def run(self, jobs: list[Job], now_s: float, now_ps: int) -> tuple[list[Action], list[tuple[Job, State, str]]]:
        """Return what begins now, and the requests that end because no further batch of theirs can.

        Args:
            jobs: open ones and those with batches under way.
            now_s, now_ps: now, on both clocks.
        """
        tasks = {_owner(each): each for each in self._due(jobs, now_s)}
        wanters = [*self._calibrations(tasks, now_s), *self._requests(jobs, now_s)]
        turns = take_turns(self._lab.ledger, wanters, now_s)
        actions: list[Action] = []
        used = {job.link.name for job in jobs}
        for owner, task in tasks.items():
            if owner in turns.granted:
                actions.append(self._calibrate(task, for_nobody=used.isdisjoint(task.links)))
        over: list[tuple[Job, State, str]] = []
        for job in sorted(jobs, key=lambda each: each.rank):
            job.settled_s = turns.granted.get(job.name, job.settled_s)
            if not job.open or job.held_up:
                continue
            if job.name in turns.giving_way:
                job.held_up = "it gives way to one that comes first"
            elif not self._lab.ledger.holds(job.name):
                lacking = ", ".join(self._lab.ledger.lacking(job.wants))
                job.held_up = f"in use by others: {lacking}" if lacking else "others come first"
            else:
                actions += self._batches(job, now_s, now_ps, over)
        return actions, over

    def calibrated(self, name: str) -> None:
        """Give back what a calibration that ended held."""
        task = self._calibrating.pop(name)
        self._lab.ledger.release(_owner(task))

    # --- calibrations ---------------------------------------------------------------------------------------------

    def _due(self, jobs: Iterable[Job], now_s: float) -> list[Calibration]:
        oldest_s: dict[str, float] = {}
        for job in jobs:
            limit_s = job.progress.request.calibration_max_age_s
            if job.open and limit_s is not None:
                oldest_s[job.link.name] = min(limit_s, oldest_s.get(job.link.name, limit_s))
        used = {job.link.name for job in jobs}
        idle = {name for name in set(self._lab.links) - used if self._lab.at_leisure(name)}
        due = self._lab.calibrations.due(now_s, oldest_s, idle)
        return [task for task in due if (used | idle).issuperset(task.links)]

    def _calibrations(self, tasks: dict[str, Calibration], now_s: float) -> list[Wanter]:
        running = [
            Wanter(_owner(each), self._lab.wants_of_calibration(each), True, True)
            for each in self._calibrating.values()
        ]
        return running + [
            Wanter(owner, self._lab.wants_of_calibration(task), not self._lab.barred(task, now_s), False)
            for owner, task in tasks.items()
        ]

    def _calibrate(self, task: Calibration, for_nobody: bool) -> Calibrate:
        self._lab.calibrations.began(task.name, for_nobody)
        self._calibrating[task.name] = task
        resources = tuple(want.name for want in self._lab.wants_of_calibration(task))
        return Calibrate(task.name, task.links, resources)

    # --- batches --------------------------------------------------------------------------------------------------

    def _requests(self, jobs: Iterable[Job], now_s: float) -> list[Wanter]:
        found = []
        for job in sorted(jobs, key=lambda each: (not each.open, each.rank)):
            job.held_up = self._held_up(job, now_s) if job.open else "ended"
            found.append(Wanter(job.name, job.wants, not job.held_up, bool(job.batches)))
        return found

    def _held_up(self, job: Job, now_s: float) -> str:
        request = job.progress.request
        if why := self._lab.unfit(job.link, request, now_s):
            return why
        batches, memories = self._lab.room(job.link, job.program)
        if not batches and not job.batches:
            return "a party has no room for another batch"
        if request.kind == "keep" and not memories and not job.batches:
            return "no memory is free: measure or reset kept qubits; a node frees them a second after their max_age_s"
        return ""

    def _batches(self, job: Job, now_s: float, now_ps: int, over: list[tuple[Job, State, str]]) -> list[Action]:
        """Order batches until as many are under way as may be; note in ``over`` if none ever can."""
        request, actions = job.progress.request, list[Action]()
        forecast = self._lab.forecasts[job.link.name, request.kind]
        while len(job.batches) < self._most:
            batches, memories = self._lab.room(job.link, job.program)
            start_ps = self._start_ps(job, now_s, now_ps)
            left = job.left(now_s + (start_ps - now_ps) / PS_PER_S, memories)
            program = next_batch(job.link, job.program, forecast, request, left) if batches else None
            if program is None:
                if batches and not job.batches and left.pairs and (request.kind == "measure" or memories):
                    over.append((job, *_why(job, left, forecast)))
                break
            self._order += 1
            batch = Batch(self._order, program, start_ps + program.most_ps, job.expected(program, forecast))
            job.batches[batch.order] = batch
            job.progress.began(batch.order)
            memories_at = dict.fromkeys(job.link.memories or program.nodes, most_kept(program))
            self._lab.credits.take(batch.order, dict.fromkeys(job.link.parties, 0) | memories_at)
            names = tuple(want.name for want in job.wants)
            actions.append(
                StartBatch(batch.order, request.id, job.link.name, program, job.link.parties, start_ps, names)
            )
        return actions

    @staticmethod
    def _start_ps(job: Job, now_s: float, now_ps: int) -> int:
        """Return when the next batch can start: not before it can be prepared, all is settled, and the last is over."""
        wait_s = max(job.link.lead_s, job.settled_s - now_s)
        return max([now_ps + round(wait_s * PS_PER_S), *(each.end_ps for each in job.batches.values())])


def _why(job: Job, left: Left, forecast: Forecast) -> tuple[State, str]:
    """Return how a request ends for which no further batch can be ordered."""
    some = job.progress.delivered > 0
    if forecast.probability(job.program, job.progress.request.target) <= 0:
        return (State.PARTIAL if some else State.TIMEOUT), "by the newest forecast the link makes no such pairs"
    if left.seconds < job.link.shortest_batch_s and left.seconds < job.progress.light_left_s():
        return (State.PARTIAL if some else State.TIMEOUT), "no batch ends before the deadline any more"
    return (State.PARTIAL if some else State.EXPIRED), "the rest of the budget is not enough for the shortest batch"


def _owner(task: Calibration) -> str:
    return f"calibration {task.name}"
