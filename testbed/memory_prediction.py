"""What a memory link should give, from the numbers in its testbed file: herald probability, fidelity, rate.

By propagating density matrices through an attempt (``physics.herald_propagation``) and through storage until the
herald is known, by other code than the bench that makes the heralds of a dry run. The pulses and windows are those of
the link's program, on the clock of its cores: photons that arrive apart overlap less. Holds for equal detectors; double
excitation of one emitter, afterpulsing, dead time and drifts are left out.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..physics import channels, heralding
from ..physics import herald_propagation as propagation
from ..physics.states import PAULI, Matrix, correction, fidelity
from .attempts import AttemptProgram
from .attempts.terms import Terms
from .memory_links import Paths, find_paths
from .memory_models import HeraldingStationOptic, MemoryLink, SpinQubitModel
from .memory_programs import attempt_program, photon_arms
from .models import DetectorModel
from .testbed import Testbed
from .wiring import Wiring, part_of

HERALDS: dict[str, dict[str, tuple[int, ...]]] = {
    "single_click": {"psi+": (1,), "psi-": (2,)},
    "two_click": {"psi+": (0b0011, 0b1100), "psi-": (0b0110, 0b1001)},
    "spdc_bsm": {"psi+": (0b0011, 0b1100), "psi-": (0b0110, 0b1001)},
    "serial": {"phi+": (1,), "phi-": (2,)},
}
"""The patterns of each label, bit = detector * windows + window."""
EMISSION = ("excite", "pump", "photon")
"""Channels whose pulses make photons."""


@dataclass(frozen=True)
class MemoryPrediction:
    """Predicted figures of a memory link.

    Attributes:
        probability: of a herald per attempt, by label.
        fidelity: to the target, by label, when both nodes know the herald and the correction is done.
        state: complex128[4, 4] by label at that time.
        heralded: complex128[4, 4] by label as the herald leaves it, before storage and correction.
        period_s: shortest period of attempts that keep their qubits.
        age_s: age of the qubits when the herald is known.
        efficiency: of both nodes, from emission to click inside the window.
    """

    probability: dict[str, float]
    fidelity: dict[str, float]
    state: dict[str, Matrix]
    heralded: dict[str, Matrix]
    period_s: float
    age_s: float
    efficiency: tuple[float, float]

    @property
    def herald_probability(self) -> float:
        """Return the probability per attempt of a herald of any label."""
        return sum(self.probability.values())

    @property
    def rate_hz(self) -> float:
        """Return heralds per second of attempts that keep their qubits."""
        return heralding.herald_rate(self.herald_probability, self.period_s)

    @property
    def mean_fidelity(self) -> float:
        """Return the fidelity of a delivered pair, labels weighted by how often they come."""
        if self.herald_probability == 0:
            raise ValueError("this link never heralds, so its pairs have no fidelity")
        return sum(self.probability[label] * self.fidelity[label] for label in self.fidelity) / self.herald_probability


def predict_memory_link(testbed: Testbed, wiring: Wiring, link_name: str, wait_s: float = 0.0) -> MemoryPrediction:
    """Return the prediction for a memory link whose pairs wait ``wait_s`` (s) more after the herald is known.

    Raises:
        BellringerError: its wiring leads nowhere.
    """
    link = testbed.memory_links[link_name]
    paths = find_paths(testbed, wiring, link)
    memories = [
        model for memory in link.memories if isinstance(model := testbed.instruments()[memory].model, SpinQubitModel)
    ]
    terms = Terms(most_attempts=1, most_s=1e3, max_age_s=1e3, target=link.target)
    program = attempt_program(testbed, wiring, link_name, terms)
    prepared_s = min(pulse.begin_ps for pulse in program.pulses if pulse.channel != "prepare") * 1e-12
    age_s = program.round_trip_ps * 1e-12 - prepared_s
    efficiency, instrument = _attempt(testbed, link, paths, memories, program)
    probability, fidelities, states, heralded = {}, {}, {}, {}
    for label, patterns in HERALDS[link.scheme].items():
        rho: Matrix = np.sum([instrument[pattern] for pattern in patterns], axis=0)
        probability[label] = float(np.trace(rho).real)
        if probability[label] > 0:
            heralded[label] = _heralded(rho / probability[label], memories)
            states[label] = _delivered(heralded[label], label, link, memories, age_s + wait_s)
            fidelities[label] = float(fidelity(states[label], link.target))
    return MemoryPrediction(probability, fidelities, states, heralded, program.period_ps * 1e-12, age_s, efficiency)


def _attempt(
    testbed: Testbed, link: MemoryLink, paths: Paths, memories: list[SpinQubitModel], program: AttemptProgram
) -> tuple[tuple[float, float], propagation.Instrument]:
    station = testbed.optics()[paths.splitter]
    detector = testbed.instruments()[part_of(paths.detectors[0])].model
    assert isinstance(station, HeraldingStationOptic)
    assert isinstance(detector, DetectorModel)
    at_station = 10 ** (-station.loss / 10) * detector.efficiency
    noise = math.radians(station.phase_noise)
    shares = [memory.emission * way.transmission for memory, way in zip(memories, paths.ways)]
    heads = _heads_s(link, paths, program)
    caught = [_caught(head, program, memory) for head, memory in zip(heads, memories)]
    one_dark = -math.expm1(-detector.dark_rate * link.window)
    if link.scheme == "serial":
        ways = (shares[0], shares[1] * at_station * caught[0])
        return ways, propagation.serial(ways, link.mean_photons, station.visibility, noise, [[one_dark] * 2])
    efficiency = (shares[0] * at_station * caught[0], shares[1] * at_station * caught[1])
    alike = station.visibility * math.exp(-abs(heads[0] - heads[1]) / max(memory.lifetime for memory in memories))
    if link.scheme == "single_click":
        bright = (link.bright_state, link.bright_state)
        found = propagation.single_click(efficiency, bright, alike, noise, [[one_dark] * 2])
    elif link.scheme == "two_click":
        found = propagation.two_click(efficiency, alike, noise, [[one_dark] * 2] * 2)
    else:
        pairs = (link.mean_photons, link.mean_photons)
        found = propagation.photon_pairs(efficiency, pairs, alike, noise, [[one_dark] * 2] * 2, photons=3)
    return efficiency, found


def _heads_s(link: MemoryLink, paths: Paths, program: AttemptProgram) -> list[float]:
    """Return for each node how long after the arrival of its photon's head the first window opens, s."""
    arms, serial = photon_arms(link, paths), link.scheme == "serial"
    found = []
    for arm in [arms[0], arms[0]] if serial else arms:
        pulses = [pulse.begin_ps for pulse in program.pulses if pulse.node == arm.node and pulse.channel in EMISSION]
        # Of a serial photon the late bin comes when the window opens, where it meets the delayed early one.
        arrival_s = (max(pulses) if serial else min(pulses)) * 1e-12 + arm.photon_s
        found.append((program.windows[0].begin_ps + program.shift * program.period_ps) * 1e-12 - arrival_s)
    return found


def _caught(head_s: float, program: AttemptProgram, memory: SpinQubitModel) -> float:
    """Return the share of an exponential photon inside a window that opens ``head_s`` after its head."""
    tail_s = head_s + program.windows[0].length_ps * 1e-12
    return math.exp(-max(0.0, head_s) / memory.lifetime) - math.exp(-max(0.0, tail_s) / memory.lifetime)


def _heralded(rho: Matrix, memories: list[SpinQubitModel]) -> Matrix:
    for qubit, memory in enumerate(memories):
        rho = channels.depolarise(rho, qubit, channels.spin_photon_probability(memory.spin_photon_fidelity))
    return rho


def _delivered(rho: Matrix, label: str, link: MemoryLink, memories: list[SpinQubitModel], age_s: float) -> Matrix:
    for qubit, memory in enumerate(memories):
        rho = channels.stored(rho, qubit, 0.0, age_s, memory.t1, memory.t2, memory.stretch)
    operation = correction(label, link.target)
    if operation != "I":  # done by the first node
        rho = channels.unitary(rho, PAULI[operation], 0)
        rho = channels.depolarise(rho, 0, channels.depolarising_probability(memories[0].gate_fidelity))
    return rho
