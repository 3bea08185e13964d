"""What is answered to a request, given the lab as it is and the requests that are open."""

from collections.abc import Iterable

from ....testbed.errors import ProgramError
from .admission import Promise, chosen, promise, work_time
from .jobs import Job
from .lab import Lab, Unmeasured
from .links import Link
from .progress import Progress
from .replies import Accepted, Code, Rejected
from .requests import Request
from .turns import rank

HOPELESS = 1e-3
"""A request that has nothing yet ends when it would be done in time with a smaller probability than this."""


def answer(lab: Lab, open_jobs: Iterable[Job], request: Request, who: str, number: int, now_s: float) -> Job | Rejected:
    """Return the request as a job on the link that is likeliest to do it in time, or why none can.

    Args:
        lab: the lab as it is.
        open_jobs: requests that were accepted before.
        request: checked.
        who: whose it is.
        number: which it would be of those accepted.
        now_s: now.
    """
    found: list[Job] = []
    refused: list[Rejected] = []
    for link in lab.links.values():
        if set(link.nodes) == set(request.nodes):
            reply = _on(lab, tuple(open_jobs), link, request, who, number, now_s)
            if isinstance(reply, Rejected):
                refused.append(reply)
            else:
                found.append(reply)
    if found:
        return max(found, key=lambda job: job.reply.estimate.chance)
    if refused:
        return refused[0]
    ends = sorted({" - ".join(link.nodes) for link in lab.links.values()})
    what = f"no link joins {request.nodes[0]} and {request.nodes[1]}"
    return Rejected(request.id, Code.UNSUPP, what, "nodes", f"links: {', '.join(ends)}")


def hopeless(lab: Lab, job: Job, now_s: float) -> str:
    """Return why an open request that has nothing yet cannot be expected to be done any more, "" if it can.

    One that has some pairs goes on to its deadline: every further one is worth having.
    """
    progress, forecast = job.progress, lab.forecast(job.link, job.progress.request)
    if progress.delivered or forecast is None:
        return ""
    work = work_time(job.link, job.program, forecast, progress.request, progress.request.packets)
    chance = work.chance(progress.deadline_s - now_s, forecast.rate_error)
    if chance >= HOPELESS:
        return ""
    return f"{progress.request.pairs} pairs by the deadline have a probability of {chance:.1g} only by now"


def _on(
    lab: Lab, open_jobs: tuple[Job, ...], link: Link, request: Request, who: str, number: int, now_s: float
) -> Job | Rejected:
    if suspended := _suspended(lab, link, request, now_s):
        return suspended
    if failed := lab.calibrations.failed(link.name):
        what, hint = f"calibration {failed}", "see to it, and ask again when it is done"
        return Rejected(request.id, Code.UNCAL, what, link.name, hint)
    takes_s, oldest_s = lab.calibrations.takes_s(link.name), request.calibration_max_age_s
    if oldest_s is not None and takes_s >= oldest_s:
        what = f"calibrating link '{link.name}' takes {takes_s:g} s, so nothing is younger than {oldest_s:g} s"
        return Rejected(request.id, Code.UNSUPP, what, "calibration_max_age_s", f"allow more than {takes_s:g} s")
    program = chosen(link, request)
    if isinstance(program, Rejected):
        return program
    try:
        lab.check_cores(link.name, program)
    except ProgramError as error:
        return Rejected(request.id, Code.UNSUPP, error.what, link.name, error.hint)
    try:
        lab.check_timing(link.name, program, request.miss_budget)
    except Unmeasured as error:
        return Rejected(request.id, Code.UNCAL, error.what, link.name, error.hint)
    except ProgramError as error:
        return Rejected(request.id, Code.UNSUPP, error.what, "max_age_s", error.hint)
    progress = Progress(request, who, link.name, now_s)
    wants = lab.wants(link)
    names = {want.name for want in wants}
    mine = rank(request.priority, now_s, number)
    ahead = [job for job in open_jobs if job.rank < mine and not names.isdisjoint(want.name for want in job.wants)]
    wait_s = sum(_left_s(lab, job, now_s) for job in ahead) + lab.calibrations.left_s(link.name, now_s, oldest_s)
    found = promise(link, program, lab.forecast(link, request), request, wait_s, now_s, renewed=takes_s > 0)
    if not isinstance(found, Promise):
        return found
    return Job(number, progress, link, program, wants, Accepted(request.id, link.name, found.estimate))


def _suspended(lab: Lab, link: Link, request: Request, now_s: float) -> Rejected | None:
    found = lab.suspenders.blocking(link.name, now_s)
    if found is None:
        return None
    condition, why, left_s = found
    what = f"link '{link.name}' is suspended by '{condition.name}': {why}"
    well = f"it is well again; ask in {left_s:.1f} s" if left_s < float("inf") else "see to it, then ask again"
    return Rejected(request.id, condition.code, what, condition.name, well)


def _left_s(lab: Lab, job: Job, now_s: float) -> float:
    """Return the mean time that a request ahead still takes: its deadline at most."""
    most_s = max(job.progress.deadline_s - now_s, 0.0)
    forecast = lab.forecast(job.link, job.progress.request)
    if forecast is None:
        return most_s
    packets = -(-job.progress.remaining // job.progress.request.packet_pairs)
    return min(work_time(job.link, job.program, forecast, job.progress.request, packets).mean_s, most_s)
