"""The entanglement service: takes requests for pairs, and says which batch runs where and when.

Whoever holds it (the coordinator) moves messages and keeps the books of batches; nothing here has sockets, threads, a
disk or a clock. The same calls with the same times give the same answers and actions.

In: ``submit`` and ``cancel`` from clients; ``forecast``, ``room``, ``condition``, ``drifted`` and ``calibrated`` from
the lab; ``pair`` and ``batch_ended`` about batches, all pairs of a batch before its end. Out: replies, and the actions
that ``tick`` returns. Call ``tick`` after every call that tells something, and every 50 ms: it is what starts, aborts
and ends. Every batch that was started must be reported ended once, whatever became of it.

Times: ``now_s`` is one clock of the holder that only grows (s); ``now_ps`` is hardware time (ps) at the same moment.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ....testbed.errors import BellringerError, nearest
from .actions import AbortBatch, Action, Tell
from .dispatch import Dispatch
from .intake import answer, hopeless
from .jobs import Job
from .lab import Lab
from .links import Forecast, state_after
from .replies import Code, Ended, Event, Herald, Rejected, Reply, State
from .requests import Request, RequestError, checked

MOST_OPEN = 200
"""Requests at once: each costs 30 us a tick."""
ENDED_KEPT = 1000
"""Requests that ended and are still shown. Whoever holds the service remembers their ids, so that none comes again."""


def anybody(who: str, request: Request) -> str:
    """Allow every request: who may reach the service at all was decided before."""
    return ""


class EntanglementService:
    """See the module's description.

    Args:
        lab: links, resources, calibrations and conditions.
        may: returns why somebody may not have a request carried out, "" if they may.
    """

    def __init__(self, lab: Lab, may: Callable[[str, Request], str] = anybody) -> None:
        self._lab, self._may = lab, may
        self._dispatch = Dispatch(lab)
        self._jobs: dict[str, Job] = {}
        """By request id: open ones, and the last that ended."""
        self._by_order: dict[int, Job] = {}
        """By batch: those with batches under way."""
        self._ended: deque[str] = deque()
        self._actions: list[Action] = []
        self._accepted = 0

    # --- clients --------------------------------------------------------------------------------------------------

    def submit(self, asked: Request | Mapping[str, Any], who: str, now_s: float) -> Reply:
        """Answer a request of ``who`` (a key); an accepted one is queued, and asked again it is answered as before."""
        try:
            request = checked(asked)
        except RequestError as error:
            name = asked.id if isinstance(asked, Request) else asked.get("id") if isinstance(asked, Mapping) else None
            return Rejected(str(name or ""), Code.BADREQ, error.what, error.where, error.hint)
        known = self._jobs.get(request.id)
        if known is not None:
            if (known.progress.request, known.progress.who) == (request, who):
                return known.reply
            what = f"the id '{request.id}' is another request's"
            return Rejected(request.id, Code.BADREQ, what, "id", "make a new id for a new request")
        if why := self._may(who, request):
            return Rejected(request.id, Code.UNAUTH, why, who, "ask somebody who may, or for the right")
        open_jobs = [job for job in self._jobs.values() if job.open]
        if len(open_jobs) >= MOST_OPEN:
            return Rejected(request.id, Code.NORES, f"{MOST_OPEN} requests are open", "", "wait until some have ended")
        found = answer(self._lab, open_jobs, request, who, self._accepted + 1, now_s)
        if isinstance(found, Rejected):
            return found
        if not request.dry_run:
            self._accepted += 1
            self._jobs[request.id] = found
        return found.reply

    def cancel(self, request: str, who: str, now_s: float) -> Ended:
        """End a request and return its end; one that has ended stays as it is.

        Raises:
            BellringerError: there is no such request, or it is another's.
        """
        job = self._jobs.get(request)
        if job is None:
            raise BellringerError(f"there is no request '{request}'", hint=nearest(request, self._jobs))
        if job.progress.who != who:
            raise BellringerError(f"request '{request}' is another's", hint="only who asked can take it back")
        self._expire(job, now_s)
        return job.progress.end or self._finish(job, State.CANCELLED, "taken back by who asked")

    # --- the lab --------------------------------------------------------------------------------------------------

    def forecast(self, link: str, kind: str, forecast: Forecast) -> None:
        """Take what is expected of a link from now on, for requests to ``keep`` or ``measure``.

        Raises:
            BellringerError: there is no such link.
        """
        if link not in self._lab.links:
            raise BellringerError(f"there is no link '{link}'", hint=nearest(link, self._lab.links))
        self._lab.forecasts[link, kind] = forecast

    def room(self, party: str, batches: int, memories: int, over: int, boot: str = "") -> None:
        """Take how much room a party has; see ``Credits.report``."""
        self._lab.credits.report(party, batches, memories, over, boot)

    def condition(self, name: str, reason: str, trips: int, now_s: float) -> bool:
        """Take a look at a condition: what is wrong with it now, and how often it has tripped since it is watched.

        Returns:
            Whether it tripped: ``tick`` now, batches are to be ended.

        Raises:
            BellringerError: there is no such condition.
        """
        tripped = self._lab.suspenders.report(name, reason, trips, now_s)
        if tripped:
            self._tripped(name, reason or "it tripped and went well again between two looks")
        return tripped

    def drifted(self, calibration: str, why: str) -> None:
        """Take that a drift estimator tripped: no batch begins on its links until it is calibrated again.

        Raises:
            BellringerError: there is no such calibration.
        """
        self._lab.calibrations.spoil(calibration, why)

    def calibrated(self, calibration: str, problem: str, now_s: float, *, inconclusive: bool = False) -> None:
        """Take that a calibration that was asked for has ended: well, or with a problem; see ``Calibrations.ended``.

        Raises:
            BellringerError: it was not asked for.
        """
        self._lab.calibrations.ended(calibration, problem, now_s, inconclusive=inconclusive)
        self._dispatch.calibrated(calibration)

    def give_up(self, link: str, why: str) -> None:
        """End the requests on a link that nobody expects to become usable any more."""
        for job in [job for job in self._jobs.values() if job.open and job.link.name == link]:
            self._finish(job, State.PARTIAL if job.progress.delivered else State.EXPIRED, why)

    # --- batches --------------------------------------------------------------------------------------------------

    def pair(self, herald: Herald, now_s: float) -> None:
        """Take a pair that both nodes and the station confirmed; the client hears of it if it is still wanted."""
        job = self._batch_of(herald.order)
        self._expire(job, now_s)
        was_open = job.open
        self._tell(job, job.progress.herald(herald, state_after(job.program, herald.label)))
        if was_open and not job.open:
            self._leave(job)

    def batch_ended(self, order: int, attempts: int, now_s: float, batch: int) -> None:
        """Take that a batch is over, having made so many attempts, be it recorded or void.

        Args:
            order: the service's number of it.
            attempts: made in it.
            now_s: now.
            batch: the parties' number of it, 0 if it never was to be lit: then nothing was stored.

        Raises:
            BellringerError: no such batch is under way.
        """
        job = self._batch_of(order)
        program = job.batches.pop(order).program
        del self._by_order[order]
        job.progress.spent(order, attempts, attempts * program.period_ps * 1e-12)
        self._lab.credits.ended(order, batch)
        self._expire(job, now_s)
        if not job.open and not job.batches:
            self._lab.ledger.release(job.name)

    def spent(self, request: str, attempts: int, seconds: float) -> None:
        """Take what a batch that was void had cost; its end was reported before that was known."""
        job = self._jobs.get(request)
        if job is not None:
            job.progress.attempts += attempts
            job.progress.light_s += seconds

    # --- what follows ---------------------------------------------------------------------------------------------

    def tick(self, now_s: float, now_ps: int) -> list[Action]:
        """Let time pass, and return what is to be done, in order."""
        for name in self._lab.suspenders.tick(now_s):
            self._tripped(name, "it is not reported any more")
        for job in [job for job in self._jobs.values() if job.open]:
            self._expire(job, now_s)
            if job.open and (why := hopeless(self._lab, job, now_s)):
                self._finish(job, State.TIMEOUT, _because(job, why))
        working = {id(job): job for job in (*self._by_order.values(), *self._jobs.values()) if job.open or job.batches}
        begun, over = self._dispatch.run(list(working.values()), now_s, now_ps)
        self._actions += begun
        for job in working.values():
            self._by_order.update(dict.fromkeys(job.batches, job))
        for job, state, why in over:
            self._finish(job, state, why)
        actions, self._actions = self._actions, []
        return actions

    def held_up(self, request: str) -> str:
        """Return why no batch can begin for an open request just now, "" if one can."""
        job = self._jobs.get(request)
        return job.held_up if job is not None and job.open else ""

    def status(self, now_s: float) -> dict[str, Any]:
        """Return everything, in plain values."""
        requests = [
            {**job.progress.described(now_s), "held_up": job.held_up, "batches": sorted(job.batches)}
            for job in self._jobs.values()
        ]
        return {
            "requests": requests,
            "links": {name: self._lab.described(name, now_s) for name in self._lab.links},
            "conditions": self._lab.suspenders.described(now_s),
            "calibrations": self._lab.calibrations.described(now_s),
            "room": self._lab.credits.described(),
            "held": self._lab.ledger.described(),
        }

    # --- inside ---------------------------------------------------------------------------------------------------

    def _batch_of(self, order: int) -> Job:
        job = self._by_order.get(order)
        if job is None:
            raise BellringerError(
                f"no batch {order} is under way", hint="each is reported ended once, its pairs before"
            )
        return job

    def _expire(self, job: Job, now_s: float) -> None:
        over = job.progress.over(now_s) if job.open else None
        if over is not None:
            state, why = over
            self._finish(job, state, why if state is State.OK else _because(job, why))

    def _finish(self, job: Job, state: State, why: str) -> Ended:
        end = job.progress.finish(state, why)
        self._tell(job, [end])
        self._leave(job)
        return end

    def _leave(self, job: Job) -> None:
        """End what is under way for a request that has ended, and forget the oldest of those."""
        for order in job.batches:
            self._abort(job, order, f"request '{job.progress.request.id}' has ended")
        if not job.batches:
            self._lab.ledger.release(job.name)
        self._ended.append(job.progress.request.id)
        if len(self._ended) > ENDED_KEPT:
            del self._jobs[self._ended.popleft()]

    def _abort(self, job: Job, order: int, reason: str) -> None:
        batch = job.batches[order]
        if not batch.aborted:
            batch.aborted = True
            self._actions.append(AbortBatch(order, reason))

    def _tripped(self, name: str, reason: str) -> None:
        """End what is under way on the links of a condition, at once, and distrust their calibration."""
        condition = self._lab.suspenders.condition(name)
        for order, job in self._by_order.items():
            if job.link.name in condition.links:
                self._abort(job, order, f"'{name}' tripped: {reason}")
        if condition.spoils:
            for link in condition.links:
                self._lab.calibrations.spoil_link(link, f"'{name}' tripped: {reason}")

    def _tell(self, job: Job, events: list[Event]) -> None:
        self._actions += [Tell(job.progress.who, event) for event in events]


def _because(job: Job, why: str) -> str:
    """Return why a request ends, and what has held it up at last."""
    return f"{why}; it was held up: {job.held_up}" if job.held_up else why
