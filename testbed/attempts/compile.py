"""From a program to a plan that the back-ends of a testbed can keep, or a refusal that says what is missing.

Two questions, both answered before anything is loaded: has every core the traits that the program needs of it; and
does every correction reach its node in time, on the testbed as it was measured? Each correction goes into the slowest
latency class that meets its deadline, because faster ones are scarcer. A class that was not measured is not used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import ProgramError
from ..problems import Problem
from .latency import CLASSES, RUNS_IN, SOFTWARE, LatencyClass, MeasuredLatency
from .program import AttemptProgram, Correction
from .rules import error_of
from .traits import Traits

SOFTWARE_FLOOR_PS = 20_000_000_000
"""Below 20 ms software is used only with a stated miss budget: its tail is the operating system's."""
DEFAULT_BUDGET = 1e-3


@dataclass(frozen=True)
class Placement:
    """Where one correction is made.

    Attributes:
        correction: what is owed.
        latency_class: H0 to S2; None for operation ``I``, which nobody needs to bring.
        margin_ps: how much earlier than its deadline it is, at the percentile that was asked for, ps.
        miss_budget: the share of corrections that may come later than that.
    """

    correction: Correction
    latency_class: LatencyClass | None
    margin_ps: int
    miss_budget: float


@dataclass(frozen=True)
class Plan:
    """A program that the testbed can run.

    Attributes:
        program: the program.
        digest: its digest, which every core must confirm.
        externally_triggered: cores that cannot start at a time and wait for a trigger at it.
        placements: one per correction, in the order of the program's table.
    """

    program: AttemptProgram
    digest: str
    externally_triggered: tuple[str, ...]
    placements: tuple[Placement, ...]


def compile_program(
    program: AttemptProgram,
    traits: Mapping[str, Traits],
    latency: MeasuredLatency | None = None,
    miss_budget: float | None = None,
) -> Plan:
    """Return the plan for a program.

    Args:
        traits: of every node's core and the station's, by name.
        latency: what was measured on this testbed; needed if anything but ``I`` is owed.
        miss_budget: the share of corrections that may miss their deadline; None for 0.1 %, hardware or 20 ms and more.

    Raises:
        ProgramError: lists every trait that is missing where, or by how much a deadline is missed by each class.
    """
    found = list(_lacking(program, traits))
    placements, missed = _placed(program, latency, miss_budget)
    found += missed
    if found:
        raise error_of(found)
    triggered = tuple(name for name, each in traits.items() if not each.absolute_start and name in _cores(program))
    return Plan(program, program.digest, triggered, placements)


def check_cores(program: AttemptProgram, traits: Mapping[str, Traits]) -> None:
    """Return if every core has the traits that a program needs of it.

    Raises:
        ProgramError: lists every trait that is missing where.
    """
    if found := list(_lacking(program, traits)):
        raise error_of(found)


def place_corrections(
    program: AttemptProgram, latency: MeasuredLatency | None, miss_budget: float | None = None
) -> tuple[Placement, ...]:
    """Return where each correction of a program is made; arguments as for ``compile_program``.

    Raises:
        ProgramError: says for every one that is not made in time by how much each class misses it.
    """
    placements, missed = _placed(program, latency, miss_budget)
    if missed:
        raise error_of(missed)
    return placements


def unmeasured(program: AttemptProgram, latency: MeasuredLatency | None) -> tuple[str, ...]:
    """Return the nodes that owe a correction and whose way from the station was never measured, in any class."""
    owing = dict.fromkeys(each.node for each in program.feedforward if each.operation != "I")
    known = () if latency is None else latency.measurements
    measured = {each.node for each in known if each.station == program.station}
    return tuple(node for node in owing if node not in measured)


def _placed(
    program: AttemptProgram, latency: MeasuredLatency | None, miss_budget: float | None
) -> tuple[tuple[Placement, ...], list[Problem]]:
    """Return the placements, and what is wrong with those corrections that have none."""
    if miss_budget is not None and not 0 < miss_budget < 1:
        raise ProgramError(f"miss_budget is {miss_budget!r}", hint="it is a share of corrections, between 0 and 1")
    placements, missed = [], []
    for index, correction in enumerate(program.feedforward):
        placed = _place(program, correction, latency, miss_budget)
        if isinstance(placed, Placement):
            placements.append(placed)
        else:
            missed.append(Problem(("feedforward", index), *placed))
    return tuple(placements), missed


def _cores(program: AttemptProgram) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*program.nodes, program.station)))


def _lacking(program: AttemptProgram, traits: Mapping[str, Traits]) -> Iterator[Problem]:
    """Yield what the cores lack for this program."""
    full_measure = program.keep == "measure" and program.stop.kind == "full"
    for name in _cores(program):
        if name not in traits:
            yield Problem((name,), "has no core that could run this program", "add one to the testbed file")
            continue
        has, node = traits[name], name in program.nodes
        if not has.absolute_start and not full_measure:
            yield _lack(name, "absolute_start", "can only run full batches of measured qubits, externally triggered")
        if node and not full_measure and not has.herald_in_loop:
            why = "the qubit would be overwritten" if program.keep == "keep" else "it cannot stop at a herald"
            yield _lack(name, "herald_in_loop", why)
        if node and program.keep == "keep" and not has.branching:
            yield _lack(name, "branching", "it cannot keep the heralded qubit out of the attempt loop")
        if node and any(each.node == name for each in program.readout) and not has.herald_in_loop:
            yield _lack(name, "herald_in_loop", "it cannot tell which outcomes belong to heralds: leave out readout")
        if name == program.station and not has.records_heralds:
            yield _lack(name, "records_heralds", "nobody would find the heralds: use another core at the station")
        if _owes(program, name) and not has.feedforward_in:
            hint = f"owe the correction at another node, or aim at the label that {name} need not correct"
            yield _lack(name, "feedforward_in", "no correction can reach it while it runs", hint)
        step, times = has.resolution_ps, [program.period_ps]
        times += [time for p in program.pulses if p.node == name for time in (p.begin_ps, p.length_ps)]
        if any(time % step for time in times):
            hint = f"build the program with grid_s={step * 1e-12:g}"
            yield Problem((name,), f"period or pulses do not lie on its clock of {step} ps", hint)


def _lack(name: str, trait: str, why: str, hint: str = "") -> Problem:
    return Problem((name,), f"lacks {trait}: {why}", hint or "use a back-end that has it, or a full `measure` program")


def _owes(program: AttemptProgram, node: str) -> bool:
    return any(each.node == node and each.operation != "I" for each in program.feedforward)


def _place(
    program: AttemptProgram,
    correction: Correction,
    latency: MeasuredLatency | None,
    miss_budget: float | None,
) -> Placement | tuple[str, str]:
    """Return where a correction goes, or what and hint if no class can make it."""
    budget = DEFAULT_BUDGET if miss_budget is None else miss_budget
    if correction.operation == "I":
        return Placement(correction, None, correction.deadline_ps, budget)
    tried = []
    for name in CLASSES:
        why, margin_ps = _attempt(name, program, correction, latency, budget)
        risky = name in SOFTWARE and correction.deadline_ps < SOFTWARE_FLOOR_PS and miss_budget is None
        if margin_ps >= 0 and not why and risky:
            why = f"{name} needs a stated miss_budget below {SOFTWARE_FLOOR_PS} ps"
        if not why and margin_ps >= 0:
            return Placement(correction, name, margin_ps, budget)
        tried.append(why or f"{name} misses it by {-margin_ps} ps")
    what = (
        f"{correction.operation} at {correction.node} for {correction.label} is due {correction.deadline_ps} ps after "
        f"the herald, and nothing makes it: {'; '.join(tried)}"
    )
    return what, _what_to_do(tried)


def _attempt(
    name: LatencyClass,
    program: AttemptProgram,
    correction: Correction,
    latency: MeasuredLatency | None,
    budget: float,
) -> tuple[str, int]:
    """Return why a class cannot be judged, or nothing, and its margin in ps."""
    found = latency.find(name, program.station, correction.node) if latency is not None else None
    if found is None:
        return f"{name} was not measured", -1
    tail_ps = found.tail_ps(budget)
    if tail_ps is None:
        return f"{name} was measured too coarsely for a miss budget of {budget:g} ({found.samples} samples)", -1
    return "", correction.deadline_ps - tail_ps


def _what_to_do(tried: list[str]) -> str:
    if all(each.endswith("was not measured") for each in tried):
        return "measure this link's latencies first"
    if any("needs a stated miss_budget" in each for each in tried):
        return "state miss_budget, the share of pairs that may be lost to late corrections, or use faster lines"
    faster = ", ".join(f"{name} ({RUNS_IN[name]})" for name in ("H2", "H1") if f"{name} was not measured" in tried)
    return f"give it more time, or a faster way: {faster}" if faster else "give it more time (deadline_s, max_age_s)"
