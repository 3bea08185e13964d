"""Whether a link can do what a request asks, and how long it will take, by the link's forecast.

Refused: what no program of the link does or its fidelity does not reach (UNSUPP), a forecast that is missing or too old
(UNCAL), and what would be done by its deadline with a probability below ``LEAST_CHANCE`` (NOTIME).
"""

import math
from dataclasses import dataclass

from ....testbed.attempts.program import AttemptProgram
from ....testbed.errors import ProgramError
from ..waiting import Waiting, packet_waiting, pair_waiting
from .batches import duty, tailored
from .links import Forecast, Link, state_after
from .replies import Code, Estimate, Rejected
from .requests import Request

LEAST_CHANCE = 0.5
"""A request is refused when it would rather be late than not."""


@dataclass(frozen=True)
class Promise:
    """How a request would be done: the link's program, made to fit, what it gives, and how long that takes."""

    program: AttemptProgram
    forecast: Forecast
    estimate: Estimate


def chosen(link: Link, request: Request) -> AttemptProgram | Rejected:
    """Return the link's first program of the request's kind and Bell state, with the request's cut-off."""
    of_kind = [each for each in link.programs if each.keep == request.kind]
    if not of_kind:
        kinds = ", ".join(sorted({each.keep for each in link.programs}))
        what = f"link '{link.name}' has no program to {request.kind} pairs"
        return Rejected(request.id, Code.UNSUPP, what, "kind", f"it can: {kinds}")
    states = [{state_after(each, herald.label) for herald in each.heralds} for each in of_kind]
    fitting = [each for each, made in zip(of_kind, states) if request.target == "any" or request.target in made]
    # A program that makes nothing but the target loses no herald.
    fitting.sort(key=lambda each: {state_after(each, herald.label) for herald in each.heralds} != {request.target})
    if not fitting:
        made = ", ".join(sorted(set().union(*states)))
        what = f"link '{link.name}' does not make {request.target}"
        return Rejected(request.id, Code.UNSUPP, what, "target", f"it makes: {made}")
    least_s = fitting[0].round_trip_ps * 1e-12
    if request.kind == "keep" and 0 < request.max_age_s < least_s:
        what = f"max_age_s is {request.max_age_s:g} s, but a node knows the outcome only after {least_s:.6g} s"
        return Rejected(request.id, Code.UNSUPP, what, "max_age_s", f"allow more than {least_s:.6g} s")
    try:
        return tailored(fitting[0], request)
    except ProgramError as error:
        return Rejected(request.id, Code.UNSUPP, error.what, "max_age_s", error.hint)


def oldest_forecast_s(link: Link, request: Request) -> float:
    """Return how old a forecast may be (s): by the link, and by the request if it says so."""
    asked_s = request.calibration_max_age_s
    return link.forecast_max_age_s if asked_s is None else min(link.forecast_max_age_s, asked_s)


def promise(
    link: Link,
    program: AttemptProgram,
    forecast: Forecast | None,
    request: Request,
    wait_s: float,
    now_s: float,
    *,
    renewed: bool = False,
) -> Promise | Rejected:
    """Return how the link would do it after ``wait_s`` of other work, or why it cannot.

    ``renewed``: whether the link is calibrated before it is used if its forecast is too old; then the old one serves to
    estimate, and what the new one says is looked at before each batch.
    """
    if forecast is None:
        what = f"nothing is known yet about how good link '{link.name}' is"
        return Rejected(request.id, Code.UNCAL, what, link.name, "calibrate the link, or measure its rate and fidelity")
    oldest_s = oldest_forecast_s(link, request)
    if now_s - forecast.made_s > oldest_s and not renewed:
        what = f"the forecast of link '{link.name}' is {now_s - forecast.made_s:.0f} s old, more than {oldest_s:g} s"
        return Rejected(request.id, Code.UNCAL, what, link.name, "calibrate the link, then ask again")
    if forecast.fidelity < request.min_fidelity:
        short = request.min_fidelity - forecast.fidelity
        what = (
            f"link '{link.name}' gives a fidelity of {forecast.fidelity:.4f} +- {forecast.fidelity_error:.4f}, "
            f"{short:.4f} less than {request.min_fidelity:g}"
        )
        return Rejected(request.id, Code.UNSUPP, what, "min_fidelity", _advice(forecast, program, request.min_fidelity))
    work = work_time(link, program, forecast, request, request.packets)
    chance = work.chance(request.deadline_s - wait_s - link.lead_s, forecast.rate_error)
    estimate = Estimate(wait_s, work.mean_s, work.sigma_s(forecast.rate_error), chance)
    if chance < LEAST_CHANCE:
        what = (
            f"{request.pairs} pairs take {work.mean_s:.3g} +- {estimate.sigma_s:.2g} s after {wait_s:.3g} s of other "
            f"work: done within {request.deadline_s:g} s with a probability of {chance:.2g} only"
        )
        enough_s = wait_s + link.lead_s + work.mean_s + 2 * estimate.sigma_s
        hint = (
            f"ask for fewer, or give it about {enough_s:.2g} s"
            if enough_s < math.inf
            else "the link makes none of them"
        )
        return Rejected(request.id, Code.NOTIME, what, "deadline_s", hint)
    return Promise(program, forecast, estimate)


def work_time(link: Link, program: AttemptProgram, forecast: Forecast, request: Request, packets: int) -> Waiting:
    """Return the time for so many packets once the link turns to it.

    Pairs that are kept pause the node after each batch that filled its memory: until then the next batch cannot be
    ordered, which is counted as one lead of the link a memory filling.
    """
    chance = forecast.probability(program, request.target)
    single = pair_waiting(chance, program.period_ps * 1e-12 / duty(program))
    if request.kind == "keep":
        pause_s = link.lead_s / program.memory_modes
        single = Waiting(single.mean_s + pause_s, single.variance)
    if request.packet_pairs > 1:
        rate_hz = 1 / single.mean_s
        return packet_waiting(rate_hz, request.packet_pairs, request.packet_window_s).times(packets)
    return single.times(packets)


def _advice(forecast: Forecast, program: AttemptProgram, wanted: float) -> str:
    """Return what would reach the fidelity.

    Single-click pairs have F proportional to 1 - alpha, at a rate proportional to alpha (Hermans et al., New J. Phys.
    25, 013011, 2023; dark counts, whose share grows as alpha falls, left out).
    """
    most = f"ask for at most {forecast.fidelity:.4f}, or improve the link and calibrate it"
    if program.scheme != "single_click" or forecast.bright is None or not 0 < forecast.bright < 1:
        return most
    bright = 1 - (1 - forecast.bright) * wanted / forecast.fidelity if forecast.fidelity > 0 else 0.0
    if bright <= 0:
        best = forecast.fidelity / (1 - forecast.bright)
        return f"no bright-state alpha reaches it (at most {best:.4f}); {most}"
    share = bright / forecast.bright
    change = f"an alpha of {bright:.3g} instead of {forecast.bright:.3g}"
    return f"{change} would reach it, at {share:.2g} of the rate; or {most}"
