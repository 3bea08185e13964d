"""The attempt program of a memory link of the testbed file, from its ways, its pulses and what a caller asks for."""

from dataclasses import replace

from ..physics.formulas import fibre_delay
from .attempts import AttemptProgram, builders
from .attempts.program import Calibration
from .attempts.terms import Arm, Terms
from .memory_links import Paths, find_paths
from .memory_models import MemoryLink
from .model_base import CoreModel
from .testbed import Testbed
from .wiring import Wiring


def attempt_program(testbed: Testbed, wiring: Wiring, link_name: str, terms: Terms) -> AttemptProgram:
    """Return the program of one batch on a memory link.

    Nodes are called as in the testbed file, detectors ``d0`` and ``d1`` behind the splitter's outputs 1 and 2. Heralds
    come back along fibres as long as the photons'. Times lie on the clock of the coarsest core, or on ``terms.grid_s``
    if that is coarser still.

    Raises:
        BellringerError: the wiring leads nowhere, or a program like that breaks a rule.
    """
    link, instruments = testbed.memory_links[link_name], testbed.instruments()
    cores = [instruments[core].model for core in (*link.memories, link.station)]
    grid_s = max(core.resolution for core in cores if isinstance(core, CoreModel))
    between = link.interleaved
    interleaved = None if between is None else Calibration(every=between.every, length=between.length)
    terms = replace(terms, grid_s=max(terms.grid_s, grid_s), calibration=terms.calibration or interleaved)
    arms = photon_arms(link, find_paths(testbed, wiring, link))
    station = link.station.partition(".")[0]
    if link.scheme == "single_click":
        return builders.single_click(
            arms, station, terms, prepare_s=link.prepare, pulse_s=link.pulse, window_s=link.window
        )
    if link.scheme == "spdc_bsm":
        return builders.spdc_bsm(
            arms,
            station,
            terms,
            prepare_s=link.prepare,
            pulse_s=link.pulse,
            separation_s=link.separation,
            window_s=link.window,
        )
    build = builders.two_click if link.scheme == "two_click" else builders.serial
    return build(
        arms,
        station,
        terms,
        prepare_s=link.prepare,
        pulse_s=link.pulse,
        separation_s=link.separation,
        flip_s=link.flip,
        window_s=link.window,
    )


def photon_arms(link: MemoryLink, paths: Paths) -> list[Arm]:
    """Return how long photons and heralds of each node are under way; a serial photon passes all ways from its node."""
    found = []
    for number, way in enumerate(paths.ways):
        rest = paths.ways[number:] if link.scheme == "serial" else (way,)
        photon_s = sum(each.delay_s for each in rest)
        found.append(Arm(way.memory.partition(".")[0], photon_s, fibre_delay(sum(each.length_m for each in rest))))
    return found
