"""A memory link's physics from the testbed file: the bench's own reading of ways, losses and delays."""

import math
from collections.abc import Callable
from typing import Any

from ....testbed.errors import BellringerError
from ....testbed.memory_models import HeraldingStationOptic, SpinQubitModel
from ....testbed.models import AttenuatorOptic, FibreOptic
from ....testbed.testbed import Testbed
from ....testbed.wiring import Wiring, part_of
from .link_physics import Arm, LinkPhysics
from .optics import Pair

SPEED_OF_LIGHT = 299_792_458.0
Response = Callable[[str], tuple[float, float]]
"""From a detector channel, ``node.instrument.channel``, to its efficiency and dark count rate (Hz)."""


def link_physics(testbed: Testbed, wiring: Wiring, link_name: str, response: Response) -> LinkPhysics:
    """Return what a memory link of the testbed is, its detectors being as ``response`` says.

    Raises:
        BellringerError: no light can get from its memories to two detectors.
    """
    link, instruments = testbed.memory_links[link_name], testbed.instruments()
    stages = [_stage(testbed, wiring, memory) for memory in link.memories]
    splitter = part_of(stages[1][0])
    station = testbed.optics().get(splitter)
    outputs = [wiring.next(f"{splitter}.{number}") for number in (1, 2)]
    if not isinstance(station, HeraldingStationOptic) or outputs[0] is None or outputs[1] is None:
        raise BellringerError(
            f"the light of {link.memories[1]} does not get to a heralding station with two detectors",
            hint="`bellringer check` says what is missing in its wiring",
        )
    seen = [response(outputs[0]), response(outputs[1])]
    through = 10 ** (-station.loss / 10)
    # A serial photon passes the second stage too, and the station's loss lies only behind that.
    serial = link.scheme == "serial"
    flights = [sum(stage[2] for stage in stages), stages[1][2]] if serial else [stage[2] for stage in stages]
    shares = [stages[0][1] * (1.0 if serial else through), stages[1][1] * through]
    arms = [
        Arm(memory, _memory(instruments[memory].model), share, flight)
        for memory, share, flight in zip(link.memories, shares, flights)
    ]
    detectors: Pair = (seen[0][0], seen[1][0])
    return LinkPhysics(
        (arms[0], arms[1]),
        detectors,
        (seen[0][1], seen[1][1]),
        link.bright_state,
        link.mean_photons,
        station.visibility,
        math.radians(station.phase_noise),
    )


def _memory(model: Any) -> SpinQubitModel:
    assert isinstance(model, SpinQubitModel)  # the loader has checked what the link names
    return model


def _stage(testbed: Testbed, wiring: Wiring, memory: str) -> tuple[str, float, float]:
    """Return (port where it ends, transmission, delay in s) of the light's way to the next thing that is no fibre."""
    optics, port, transmission, delay = testbed.optics(), memory, 1.0, 0.0
    target = wiring.next(port)
    while target is not None:
        part = optics.get(part_of(target))
        if not isinstance(part, FibreOptic | AttenuatorOptic):
            return target, transmission, delay
        loss = part.loss
        if isinstance(part, FibreOptic):
            loss = part.loss * part.length + part.insertion_loss
            delay += part.length * part.group_index / SPEED_OF_LIGHT
        transmission *= 10 ** (-loss / 10)
        target = wiring.next(target)
    return "", transmission, delay
