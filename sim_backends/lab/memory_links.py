"""Puts the memory links of a testbed on the bench: the physics behind the cores that are already in the lab."""

from functools import partial

from ...testbed.memory_models import SpinQubitModel
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring
from ..bench.light_path import Detectors
from ..bench.memories.from_testbed import link_physics
from ..bench.memories.link import MemoryLink
from ..bench.memories.link_physics import LinkPhysics
from ..bench.memories.memories import Memories
from ..twins.timing.attempt_core import AttemptCoreTwin
from ..twins.timing.herald_link import HeraldLink
from .lab import Lab


def join_memory_links(lab: Lab, testbed: Testbed, seed: int) -> Memories:
    """Join the cores of every memory link, and return the memories of the lab.

    Detectors are what their twins are at the start of each batch; a link whose cores are not all in the lab has none.
    """
    wiring, detectors = Wiring(testbed), Detectors(lab, testbed)
    models = {
        name: entry.model for name, entry in testbed.instruments().items() if isinstance(entry.model, SpinQubitModel)
    }
    memories = Memories(models, lab.rng("measurements of memories"))
    for name, link in testbed.memory_links.items():
        cores = [lab.twins.get(core) for core in (*link.memories, link.station)]
        physics_at = partial(_physics_at, testbed, wiring, name, detectors)
        physics = physics_at(0)
        lines = {arm.node: round(arm.delay_s * 1e12) for arm in physics.arms} if link.herald_line == "fibre" else {}
        joint = HeraldLink(MemoryLink(name, seed, physics_at, memories), lines)
        for core in cores:
            if isinstance(core, AttemptCoreTwin):
                joint.join(core)
    return memories


def _physics_at(testbed: Testbed, wiring: Wiring, name: str, detectors: Detectors, now_ps: int) -> LinkPhysics:
    return link_physics(testbed, wiring, name, lambda port: detectors.response(port, now_ps))
