"""What a memory link physically is, and what it is for one program: from pulses and windows to one attempt's optics."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....testbed.attempts import AttemptProgram, Pulse, Window
from ....testbed.memory_models import SpinQubitModel
from .optics import WINDOWS, HeraldOptics, Pair

EMITS = {"single_click": "excite", "two_click": "excite", "spdc_bsm": "pump", "serial": "photon"}
"""The pulse channel whose pulses make photons."""


@dataclass(frozen=True)
class Arm:
    """One node's side of a link.

    Attributes:
        name: of the memory, ``node.instrument``.
        memory: what it is; ``emission`` is the efficiency from there into the fibre.
        transmission: from the fibre to the splitter; of a ``serial`` photon, on the stage behind this node.
        delay_s: from the beginning of the emission pulse to the detectors, for the whole way.
    """

    name: str
    memory: SpinQubitModel
    transmission: float
    delay_s: float

    @property
    def node(self) -> str:
        """Return the name of its node, as programs have it."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class LinkPhysics:
    """Two arms and the station between them.

    Attributes:
        arms: in the order of the testbed's link.
        detectors: efficiency of the detectors behind outputs 1 and 2.
        dark_rate_hz: their dark counts.
        bright: population of the bright state of both spins (single-click).
        mean_photons: mean pairs of each source per attempt, or photons of a serial pulse.
        visibility: of two-photon interference, photons arriving together.
        phase_noise_rad: standard deviation of the optical phase.
        resolving: whether the detectors tell two photons in a window from one (not for the light of sources).
    """

    arms: tuple[Arm, Arm]
    detectors: Pair
    dark_rate_hz: Pair
    bright: float = 0.05
    mean_photons: float = 0.01
    visibility: float = 1.0
    phase_noise_rad: float = 0.0
    resolving: bool = False


def attempt_optics(physics: LinkPhysics, program: AttemptProgram, emitting: tuple[str, ...]) -> HeraldOptics:
    """Return what one attempt of ``program`` is if the nodes ``emitting`` run and the others are dark.

    A photon decays exponentially from its arrival on; what comes inside the window counts, so a wrong ``shift`` or
    window leaves only dark counts. Photons that arrive at different times overlap by e^(-dt / lifetime). The tail of an
    early photon in the late window is left out.
    """
    windows, period = program.windows, program.period_ps
    if len(windows) != WINDOWS[program.scheme] or len(program.detectors) != 2:
        raise ValueError(f"{program.scheme}: {WINDOWS[program.scheme]} windows and 2 detectors make a herald")
    arrivals = [_arrivals(arm, program) if arm.node in emitting else [] for arm in physics.arms]
    caught = np.zeros((len(windows), 2))
    for side, (arm, times) in enumerate(zip(physics.arms, arrivals)):
        for row, (window, time) in enumerate(zip(windows, times)):
            caught[row, side] = _caught(time - program.shift * period, window, arm.memory.lifetime)
    dark = [_dark(physics, window) for window in windows]
    losses = np.array([arm.memory.emission * arm.transmission for arm in physics.arms])
    efficiency: tuple[Pair, ...] = tuple((float(a), float(b)) for a, b in caught * losses)
    if program.scheme == "serial":  # one photon on both stages; a node that does not run reflects nothing
        efficiency = ((float(losses[0]), float(losses[1] * caught[0, 0]) if len(emitting) == 2 else 0.0),)
    overlap = 1.0
    if all(arrivals):
        apart = abs(arrivals[0][0] - arrivals[1][0]) * 1e-12
        overlap = math.exp(-apart / max(arm.memory.lifetime for arm in physics.arms))
    fidelities = [arm.memory.spin_photon_fidelity for arm in physics.arms]
    return HeraldOptics(
        program.scheme,
        efficiency,
        tuple(dark),
        physics.detectors,
        (physics.bright, physics.bright),
        (physics.mean_photons, physics.mean_photons),
        physics.visibility * overlap,
        physics.phase_noise_rad,
        (fidelities[0], fidelities[1]),
        physics.resolving,
    )


def click_times(
    physics: LinkPhysics, program: AttemptProgram, rng: np.random.Generator, pattern: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return int64[n], when after the beginning of the station's period the last click of each pattern came, ps.

    Drawn from the shape of node A's photon in the last window with a click; a dark count is taken to come like a
    photon (no state depends on it).
    """
    windows = len(program.windows)
    clicked = [((pattern >> w) | (pattern >> (windows + w))) & 1 for w in range(windows)]
    last = np.max([w * clicked[w] for w in range(windows)], axis=0)
    times, lifetime = _arrivals(physics.arms[0], program), physics.arms[0].memory.lifetime * 1e12
    found = np.zeros(pattern.size, np.int64)
    for row, window in enumerate(program.windows):
        arrival = times[row] - program.shift * program.period_ps if row < len(times) else window.begin_ps
        begin = min(max(0.0, arrival - window.begin_ps), float(window.length_ps - 1))
        room = -math.expm1(-(window.length_ps - begin) / lifetime)
        drawn = begin - lifetime * np.log1p(-rng.random(pattern.size) * room)
        at = window.begin_ps + np.minimum(drawn.astype(np.int64), window.length_ps - 1)
        found = np.where(last == row, at, found)
    return found


def _arrivals(arm: Arm, program: AttemptProgram) -> list[int]:
    """Return when the photons of an attempt reach the detectors, after its beginning, ps; serial: both bins as one."""
    pulses = [pulse for pulse in program.pulses if _is_emission(pulse, arm, program)]
    delay = round(arm.delay_s * 1e12)
    times = [pulse.begin_ps + delay for pulse in sorted(pulses, key=lambda pulse: pulse.begin_ps)]
    return times[1:] if program.scheme == "serial" else times


def _is_emission(pulse: Pulse, arm: Arm, program: AttemptProgram) -> bool:
    return pulse.node == arm.node and pulse.channel == EMITS[program.scheme]


def _caught(arrival_ps: int, window: Window, lifetime_s: float) -> float:
    """Return the share of a photon that arrives inside the window."""
    begin, lifetime = window.begin_ps - arrival_ps, lifetime_s * 1e12
    end = begin + window.length_ps
    return math.exp(-max(0.0, begin) / lifetime) - math.exp(-max(0.0, end) / lifetime)


def _dark(physics: LinkPhysics, window: Window) -> Pair:
    first, second = (-math.expm1(-rate * window.length_ps * 1e-12) for rate in physics.dark_rate_hz)
    return first, second
