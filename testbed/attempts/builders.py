"""Attempt programs of the known schemes from what a lab knows: ways, pulses and windows in seconds.

Each scheme lays out one attempt; ``timeline`` makes the program of it, ``tables`` says what its clicks mean.
"""

from collections.abc import Sequence

from ..errors import ProgramError
from .program import AttemptProgram
from .seconds import Grid
from .terms import Arm, Terms
from .timeline import Layout, build

__all__ = ["Arm", "Terms", "serial", "single_click", "spdc_bsm", "two_click"]


def single_click(
    arms: Sequence[Arm],
    station: str,
    terms: Terms,
    *,
    prepare_s: float,
    pulse_s: float,
    window_s: float,
    detectors: Sequence[str] = ("d0", "d1"),
) -> AttemptProgram:
    """Return a program in which each node emits once, ``prepare_s`` (s) after the beginning, and one click heralds.

    Raises:
        ProgramError: a time that is none, or a program that breaks a rule.
    """

    def layout(grid: Grid) -> Layout:
        prepare, pulse = grid.length("prepare_s", prepare_s), grid.length("pulse_s", pulse_s)
        pulses = ((None, "prepare", 0, prepare), (None, "excite", prepare, pulse))
        return Layout(pulses, (prepare,), grid.length("window_s", window_s))

    return build("single_click", arms, station, terms, detectors, layout)


def two_click(
    arms: Sequence[Arm],
    station: str,
    terms: Terms,
    *,
    prepare_s: float,
    pulse_s: float,
    separation_s: float,
    flip_s: float,
    window_s: float,
    detectors: Sequence[str] = ("d0", "d1"),
) -> AttemptProgram:
    """Return a program in which each node emits, flips its spin, and emits again ``separation_s`` (s) later.

    ``flip_s`` (s) is the length of the flip, which ends right before the second emission.

    Raises:
        ProgramError: a time that is none, or a program that breaks a rule.
    """

    def layout(grid: Grid) -> Layout:
        prepare, pulse = grid.length("prepare_s", prepare_s), grid.length("pulse_s", pulse_s)
        apart, flip = grid.length("separation_s", separation_s), grid.length("flip_s", flip_s)
        if flip + pulse > apart:
            what = f"separation_s: pulse and flip take {(flip + pulse) * 1e-12:g} s of {separation_s:g} s"
            raise ProgramError(what, hint="make separation_s longer than pulse_s + flip_s")
        second = prepare + apart
        pulses = (
            (None, "prepare", 0, prepare),
            (None, "excite", prepare, pulse),
            (None, "flip", second - flip, flip),
            (None, "excite", second, pulse),
        )
        return Layout(pulses, (prepare, second), grid.length("window_s", window_s))

    return build("two_click", arms, station, terms, detectors, layout)


def spdc_bsm(
    arms: Sequence[Arm],
    station: str,
    terms: Terms,
    *,
    pulse_s: float,
    separation_s: float,
    window_s: float,
    prepare_s: float = 0.0,
    detectors: Sequence[str] = ("d0", "d1"),
) -> AttemptProgram:
    """Return a program in which each node pumps its pair source twice, early and late, ``separation_s`` (s) apart.

    Raises:
        ProgramError: a time that is none, or a program that breaks a rule.
    """

    def layout(grid: Grid) -> Layout:
        prepare, pulse = grid.span("prepare_s", prepare_s), grid.length("pulse_s", pulse_s)
        second = prepare + grid.length("separation_s", separation_s)
        pulses = ((None, "pump", prepare, pulse), (None, "pump", second, pulse))
        prepared = ((None, "prepare", 0, prepare),) if prepare else ()
        return Layout((*prepared, *pulses), (prepare, second), grid.length("window_s", window_s))

    return build("spdc_bsm", arms, station, terms, detectors, layout)


def serial(
    arms: Sequence[Arm],
    station: str,
    terms: Terms,
    *,
    prepare_s: float,
    pulse_s: float,
    separation_s: float,
    flip_s: float,
    window_s: float,
    detectors: Sequence[str] = ("d0", "d1"),
) -> AttemptProgram:
    """Return a program in which the first arm's node sends a time-bin photon through all others to the station.

    ``photon_s`` of an arm is the way from its node to the station, so the first one's is the longest. Every node flips
    its spin between the bins, as they pass. The click that heralds is where the early bin, delayed by ``separation_s``
    (s), meets the late one.

    Raises:
        ProgramError: a time that is none, arms in another order than the photon's, or a program that breaks a rule.
    """
    ways = [arm.photon_s for arm in arms]
    if ways != sorted(ways, reverse=True):
        hint = "list them in the order in which the photon visits them; photon_s counts from the node to the station"
        raise ProgramError(f"arms: their ways to the station are {ways} s, not falling", hint=hint)

    def layout(grid: Grid) -> Layout:
        prepare, pulse = grid.length("prepare_s", prepare_s), grid.length("pulse_s", pulse_s)
        apart, flip = grid.length("separation_s", separation_s), grid.length("flip_s", flip_s)
        if flip + pulse > apart:
            what = f"separation_s: pulse and flip take {(flip + pulse) * 1e-12:g} s of {separation_s:g} s"
            raise ProgramError(what, hint="make separation_s longer than pulse_s + flip_s")
        second = prepare + apart
        pulses = (
            (None, "prepare", 0, prepare),
            (0, "photon", prepare, pulse),
            (None, "flip", second - flip, flip),
            (0, "photon", second, pulse),
        )
        return Layout(pulses, (second,), grid.length("window_s", window_s))

    return build("serial", arms, station, terms, detectors, layout)
