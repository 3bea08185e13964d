"""All the service knows of the lab: links, what they share, how well they are, and what is expected of them."""

from collections.abc import Callable, Iterable
from typing import Any

from ....testbed.attempts.program import AttemptProgram
from ....testbed.errors import BellringerError, nearest
from .admission import oldest_forecast_s
from .calibration import Calibration, Calibrations
from .credits import Credits
from .links import Forecast, Link
from .requests import Request
from .resources import Ledger, Resource, Want, in_order
from .suspenders import Condition, Suspenders

CheckTiming = Callable[[str, AttemptProgram, float | None], object]
"""Called with the name of a link, a program and the share of corrections that may be late; raises ``Unmeasured`` if
nothing is known of how long corrections take, ``ProgramError`` if they take too long."""
CheckCores = Callable[[str, AttemptProgram], object]
"""Called with the name of a link and a program; raises ``ProgramError`` if a core cannot run it."""


class Unmeasured(BellringerError):
    """Nobody has measured how long corrections take."""


def _in_time(link: str, program: AttemptProgram, miss_budget: float | None) -> None:
    """Take every program: whoever holds the service did not say how to judge."""


def _able(link: str, program: AttemptProgram) -> None:
    """Take every program: whoever holds the service did not say what its cores can do."""


def _idle_means_free(link: str) -> bool:
    """Let every link be calibrated that nobody has asked for."""
    return True


class Lab:
    """The lab as the service sees it.

    A link takes what it needs, itself, and every party of its batches: a party runs one batch at a time unless it is
    among the resources with a greater capacity.

    Raises:
        BellringerError: a name twice, or something that depends on what there is not.
    """

    def __init__(
        self,
        links: Iterable[Link],
        resources: Iterable[Resource] = (),
        calibrations: Iterable[Calibration] = (),
        conditions: Iterable[Condition] = (),
        now_s: float = 0.0,
    ) -> None:
        given = tuple(links)
        self.links = {each.name: each for each in given}
        if len(self.links) < len(given):
            raise BellringerError("two links have the same name", hint="give each its own name")
        tasks, watched, shared = tuple(calibrations), tuple(conditions), tuple(resources)
        parties = {name for link in given for name in link.parties} - {each.name for each in shared}
        own = (*(Resource(name) for name in sorted(parties)), *(Resource(_itself(name)) for name in self.links))
        self.ledger = Ledger((*shared, *own))
        about = [(each.name, each.links) for each in tasks] + [(each.name, each.links) for each in watched]
        for holder, names in about:
            for name in set(names) - set(self.links):
                raise BellringerError(f"'{holder}' is about no link '{name}'", hint=nearest(name, self.links))
        self.calibrations, self.suspenders = Calibrations(tasks), Suspenders(watched, now_s)
        self.credits = Credits()
        self.check_timing: CheckTiming = _in_time
        self.check_cores: CheckCores = _able
        self.at_leisure: Callable[[str], bool] = _idle_means_free
        """Whether a link that nobody has asked for may be calibrated now: attempts would disturb nobody."""
        self.forecasts: dict[tuple[str, str], Forecast] = {}
        for wants in (*map(self.wants, given), *map(self.wants_of_calibration, tasks)):
            self.ledger.check(wants)

    @staticmethod
    def wants(link: Link) -> tuple[Want, ...]:
        """Return all that a turn on a link takes, in the order in which everybody takes it."""
        named = {each.name for each in link.needs}
        parties = (Want(name) for name in link.parties if name not in named)
        return in_order((*link.needs, *parties, Want(_itself(link.name))))

    @staticmethod
    def wants_of_calibration(task: Calibration) -> tuple[Want, ...]:
        """Return all that a calibration takes: what it needs, and the links themselves."""
        return in_order((*task.needs, *(Want(_itself(name)) for name in task.links)))

    def forecast(self, link: Link, request: Request) -> Forecast | None:
        """Return what is expected of a link for this kind of request, None if nothing is known."""
        return self.forecasts.get((link.name, request.kind))

    def suspended(self, link: str, now_s: float, *, calibrating: bool = False) -> str:
        """Return why a link is suspended, "" if it is not."""
        found = self.suspenders.blocking(link, now_s, calibrating=calibrating)
        return f"'{found[0].name}': {found[1]}" if found else ""

    def _suspended_s(self, link: str, now_s: float) -> float | None:
        """Return for how long a link is suspended yet, s; None as long as something is wrong."""
        found = self.suspenders.blocking(link, now_s)
        left_s = 0.0 if found is None else found[2]
        return left_s if left_s < float("inf") else None

    def barred(self, task: Calibration, now_s: float) -> str:
        """Return why a calibration cannot be made now, "" if it can."""
        for name in task.links:
            if why := self.suspended(name, now_s, calibrating=True):
                return f"link '{name}' is suspended by {why}"
            if unheard := self.credits.unheard(self.links[name].parties):
                return f"nothing was heard of {' and '.join(unheard)} yet"
        return ""

    def unfit(self, link: Link, request: Request, now_s: float) -> str:
        """Return why no batch may begin for a request on its link, "" if one may."""
        if why := self.suspended(link.name, now_s):
            return f"suspended by {why}"
        if why := self.calibrations.out_of_spec(link.name, now_s, request.calibration_max_age_s):
            return why
        forecast = self.forecast(link, request)
        if forecast is None or now_s - forecast.made_s > oldest_forecast_s(link, request):
            return "its forecast is missing or too old"
        if forecast.fidelity < request.min_fidelity:
            return f"the fidelity fell to {forecast.fidelity:.4f} +- {forecast.fidelity_error:.4f}"
        return ""

    def described(self, link: str, now_s: float) -> dict[str, Any]:
        """Return how a link is, for people."""
        found = {kind: each for (name, kind), each in self.forecasts.items() if name == link}
        return {
            "nodes": list(self.links[link].nodes),
            "suspended": self.suspended(link, now_s),
            "suspended_s": self._suspended_s(link, now_s),
            "out_of_spec": self.calibrations.out_of_spec(link, now_s),
            "forecasts": {
                kind: {
                    "probability": sum(each.probabilities.values()),
                    "rate_error": each.rate_error,
                    "fidelity": each.fidelity,
                    "fidelity_error": each.fidelity_error,
                    "age_s": now_s - each.made_s,
                }
                for kind, each in found.items()
            },
        }

    def room(self, link: Link, program: AttemptProgram) -> tuple[int, int]:
        """Return for how many more batches, and kept pairs, there is room."""
        return self.credits.batches(link.parties), self.credits.memories(link.memories or program.nodes)


def _itself(link: str) -> str:
    return f"link {link}"
