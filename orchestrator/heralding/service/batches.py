"""How long the next batch of a request is, and when it stops: from what is left to do, to spend and to keep in.

50 ms to 1 s (or what the link says), and at least ten control round trips: shorter ones would be all overhead, longer
ones would keep others waiting and make one lost message dear.
"""

import math
from dataclasses import dataclass

from ....testbed.attempts.program import AttemptProgram
from ....testbed.attempts.reading import program
from .links import Forecast, Link
from .requests import Request

PS_PER_S = 10**12
SURE_SIGMAS = 2.0
"""A batch has attempts for the pairs it is to make and so many standard deviations more."""


@dataclass(frozen=True)
class Left:
    """What is left for the next batch, batches under way taken off.

    Attributes:
        pairs: to be delivered.
        memories: pairs that the nodes can keep; only for ``keep``.
        attempts: of the budget; infinite without one.
        seconds: of the budget of light and until the deadline, whichever ends first.
    """

    pairs: int
    memories: int
    attempts: float
    seconds: float


def tailored(base: AttemptProgram, request: Request) -> AttemptProgram:
    """Return the link's program with the request's memory cut-off, or its bases.

    Raises:
        ProgramError: nothing could be delivered within that cut-off.
    """
    if request.kind == "measure":
        if request.bases is None:
            return base
        readout = tuple({"node": node, "bases": tuple(text)} for node, text in zip(request.nodes, request.bases))
        return _changed(base, readout=readout)
    age_ps = min(base.max_age_ps, round(request.max_age_s * PS_PER_S))
    owed = tuple({**each.model_dump(), "deadline_ps": min(each.deadline_ps, age_ps)} for each in base.feedforward)
    return _changed(base, max_age_ps=age_ps, feedforward=owed)


def next_batch(
    link: Link, base: AttemptProgram, forecast: Forecast, request: Request, left: Left
) -> AttemptProgram | None:
    """Return the program of the next batch, None if what is left is not enough for the shortest one.

    It stops at the herald that completes what is left, or (``keep``) fills the memories. Attempts of interleaved
    calibration come on top of those that herald.
    """
    wanted = left.pairs if request.kind == "measure" else min(left.pairs, left.memories, base.memory_modes)
    chance = forecast.probability(base, "any")
    useful = forecast.probability(base, request.target)
    if wanted < 1 or useful <= 0:
        return None
    periods = (wanted + SURE_SIGMAS * math.sqrt(wanted)) / useful / duty(base)
    shortest = -(-round(link.shortest_batch_s * PS_PER_S) // base.period_ps)
    longest = link.longest_batch_s * PS_PER_S // base.period_ps
    most = min(longest, left.attempts, left.seconds * PS_PER_S // base.period_ps)
    if most < shortest:
        return None
    attempts = max(int(min(math.ceil(periods), most)), shortest)
    # Heralds of other Bell states stop a batch too, so a request for one state counts them in.
    heralds = wanted if request.kind == "keep" else max(round(wanted * chance / useful), wanted)
    stop = {"kind": "first"} if heralds == 1 else {"kind": "count", "count": heralds}
    return _changed(base, stop=stop, most_attempts=attempts, most_ps=attempts * base.period_ps)


def most_kept(program: AttemptProgram) -> int:
    """Return how many pairs a batch of a program that ``next_batch`` made may keep."""
    return max(program.stop.count, 1) if program.keep == "keep" else 0


def duty(base: AttemptProgram) -> float:
    """Return the share of periods that herald; the others calibrate."""
    each = base.calibration
    return 1.0 if each is None else each.every / (each.every + each.length)


def _changed(base: AttemptProgram, **fields: object) -> AttemptProgram:
    return program(**{**base.model_dump(), **fields})
