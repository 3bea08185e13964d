"""From the layout of one attempt and the ways of its photons to a program.

The timeline is that of the node farthest from the station: ``prepare`` from the beginning, then the emissions. Every
other node begins later by the difference of the ways, so that photons of one attempt meet. Windows are laid where the
photons arrive, in the station's own period. If no period is given, the shortest lawful one is taken; in a given one
the whole attempt begins later where a window would run over the period's end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...physics.states import correction
from ..errors import ProgramError
from .program import AttemptProgram, Correction, Pulse, Scheme, Window
from .reading import program
from .seconds import Grid
from .tables import WINDOWS, herald_table
from .terms import Arm, Terms

_TRIES = 64


@dataclass(frozen=True)
class Layout:
    """An attempt of one scheme: pulses (node number or None for all, channel, begin, length) and windows, ps."""

    pulses: tuple[tuple[int | None, str, int, int], ...]
    arrivals: tuple[int, ...]
    """When each window begins, without the flight."""
    window_ps: int


def build(
    scheme: Scheme,
    arms: Sequence[Arm],
    station: str,
    terms: Terms,
    detectors: Sequence[str],
    lay_out: Callable[[Grid], Layout],
) -> AttemptProgram:
    if not arms:
        raise ProgramError("arms: there is none", hint="give one Arm per node")
    if len(detectors) != 2:
        raise ProgramError(f"detectors: {len(detectors)} are given", hint="name the two behind the beam splitter")
    grid = Grid(terms.grid_s)
    layout = lay_out(grid)
    photon = [grid.span(f"photon_s of {arm.node}", arm.photon_s) for arm in arms]
    herald = [grid.span(f"herald_s of {arm.node}", arm.herald_s) for arm in arms]
    late = [max(photon) - each for each in photon]
    ends = [begin + length + max(late) for _, _, begin, length in layout.pulses]
    known = layout.arrivals[-1] + layout.window_ps + max(photon) + max(herald)
    known += grid.span("decision_s", terms.decision_s)
    period, pad = _period(terms, grid, layout, max(photon), max(ends), known)
    pulses = tuple(
        Pulse(node=arm.node, channel=channel, begin_ps=begin + late[number] + pad, length_ps=length)
        for number, arm in enumerate(arms)
        for who, channel, begin, length in layout.pulses
        if who in (None, number)
    )
    first = layout.arrivals[0] + max(photon) + pad
    windows = tuple(
        Window(name=name, begin_ps=arrival + max(photon) + pad - first // period * period, length_ps=layout.window_ps)
        for name, arrival in zip(WINDOWS[scheme], layout.arrivals, strict=True)
    )
    heralds = herald_table(scheme, detectors)
    max_age = grid.span("max_age_s", terms.max_age_s)
    deadline = max_age - first if terms.deadline_s is None else grid.length("deadline_s", terms.deadline_s)
    owed = () if terms.target is None else sorted({each.label for each in heralds})
    if owed and deadline < 1:
        raise ProgramError(
            "max_age_s: the memory cut-off is reached before a herald can come",
            hint="make max_age_s longer, or state deadline_s; target=None makes a program that corrects nothing",
        )
    return program(
        scheme=scheme,
        keep=terms.keep,
        nodes=tuple(arm.node for arm in arms),
        station=station,
        period_ps=period,
        round_trip_ps=known + pad,
        shift=first // period,
        memory_modes=terms.memory_modes,
        pulses=pulses,
        windows=windows,
        detectors=tuple(detectors),
        heralds=heralds,
        feedforward=tuple(
            Correction(
                label=label,
                node=terms.corrects or arms[0].node,
                operation=correction(label, terms.target or label),
                deadline_ps=deadline,
            )
            for label in owed
        ),
        stop=terms.stop,
        most_attempts=terms.most_attempts,
        most_ps=grid.length("most_s", terms.most_s),
        max_age_ps=max_age,
        calibration=terms.calibration,
    )


def _period(terms: Terms, grid: Grid, layout: Layout, flight: int, end: int, known: int) -> tuple[int, int]:
    """Return the period and how much later the attempt begins so that its windows lie within one, in ps."""
    first = layout.arrivals[0] + flight
    span = layout.arrivals[-1] + layout.window_ps - layout.arrivals[0]
    if terms.period_s is not None:
        period = grid.length("period_s", terms.period_s)
        return period, grid.up(period - first % period) if first % period + span > period else 0
    least = max(end, span)
    if terms.keep == "keep":
        least = max(least, -(-known // terms.memory_modes))
    period = grid.up(least)
    for _ in range(_TRIES):
        if first % period + span <= period:
            return period, 0
        period = grid.up(-(-(first + span) // (first // period + 1)))  # the windows end where the period ends
    raise ProgramError("no period fits the windows by itself", hint="state period_s")
