"""What one attempt can lead to, as a table: click pattern, probability, state of the two qubits."""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....physics.channels import depolarise, spin_photon_probability
from .landing import Effects, Matrix, window_effects
from .optics import WINDOWS, HeraldOptics
from .serial import serial_effects
from .sources import pattern_probabilities

CONFIGURATIONS = {
    "single_click": ((0, 1, 2, 3),),
    "two_click": ((3, 2, 1, 0), (0, 1, 2, 3)),
    "spdc_bsm": ((3, 2, 1, 0), (0, 1, 2, 3)),
}
"""[window][qubits 00, 01, 10, 11]: photons sent to the station, 2 n_A + n_B; early belongs to |0>, late to |1>."""


@dataclass(frozen=True, eq=False)
class HeraldTable:
    """Every outcome of one attempt with a click; the rest is silence.

    Attributes:
        pattern: int64[n], bit = detector * windows + window.
        doubled: bool[n], two counts were seen in one detector and window.
        probability: float64[n], per attempt.
        state: complex128[n, 4, 4], the two qubits afterwards, trace 1.
        silent: complex128[4, 4], the two qubits after an attempt without any click.
    """

    pattern: npt.NDArray[np.int64]
    doubled: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float64]
    state: Matrix
    silent: Matrix

    @property
    def click_probability(self) -> float:
        """Return the probability per attempt that there is a click at all."""
        return float(min(1.0, self.probability.sum()))

    def chance(self, patterns: list[int]) -> float:
        """Return the probability per attempt of one of ``patterns``, no detector having counted twice."""
        return float(self.probability[np.isin(self.pattern, patterns) & ~self.doubled].sum())

    def conditional(self, pattern: int) -> Matrix:
        """Return complex128[4, 4] after ``pattern``; ``KeyError`` if it never occurs."""
        rows = np.flatnonzero((self.pattern == pattern) & ~self.doubled)
        if rows.size == 0:
            raise KeyError(f"pattern {pattern} never occurs")
        found: Matrix = self.state[rows[0]]
        return found


@functools.lru_cache(maxsize=256)
def herald_table(optics: HeraldOptics) -> HeraldTable:
    """Return the table of a scheme, worked out from amplitudes; the optics decide everything.

    Not in it: double excitation of one emitter (pair sources have their exact number statistics), afterpulsing, and
    tails of a photon that reach into the next window.
    """
    if optics.scheme == "serial":
        outcomes = serial_effects(optics)
        amplitudes = np.full(4, 0.5)
    else:
        outcomes = _over_windows(optics)
        amplitudes = _amplitudes(optics)
    weights = np.outer(amplitudes, amplitudes)
    found = {seen: weights * effect.T for seen, effect in outcomes.items()}
    if optics.scheme == "spdc_bsm":
        for seen, total in pattern_probabilities(optics).items():
            # Memories with no or several excitations read as white noise.
            qubits = found[seen, False]
            found[seen, False] = qubits + max(0.0, total - np.trace(qubits).real) / 4 * np.eye(4)
    return _as_table(found, optics)


def _amplitudes(optics: HeraldOptics) -> npt.NDArray[np.float64]:
    if optics.scheme == "two_click":
        return np.full(4, 0.5)
    if optics.scheme == "single_click":
        first, second = ([math.sqrt(1 - share), math.sqrt(share)] for share in optics.bright)
        return np.array([a * b for a in first for b in second])
    # Both bins of both sources: no pair has the amplitude 1 - x^2 per source, one pair x times that.
    x = [math.sqrt(pairs / (2 + pairs)) for pairs in optics.mean_photons]
    return np.full(4, math.prod(each * (1 - each * each) for each in x))


def _over_windows(optics: HeraldOptics) -> dict[tuple[int, bool], Matrix]:
    """Return for every pattern the factor of each coherence [s', s] of the qubits: Schur multipliers."""
    windows = WINDOWS[optics.scheme]
    effects: list[Effects] = [
        window_effects(efficiency, dark, optics) for efficiency, dark in zip(optics.efficiency, optics.dark)
    ]
    configurations = [np.array(row) for row in CONFIGURATIONS[optics.scheme]]
    photons_b = np.sum([configuration & 1 for configuration in configurations], axis=0)
    turns = photons_b[:, None] - photons_b
    phase = np.exp(-(turns**2) * optics.phase_noise_rad**2 / 2)
    found: dict[tuple[int, bool], Matrix] = {}
    for seen in itertools.product(*effects):
        factor = phase.astype(np.complex128)
        for each, configuration, key in zip(effects, configurations, seen):
            factor = factor * each[key][np.ix_(configuration, configuration)]
        bits = sum(1 << (d * windows + w) for w, (clicks, _) in enumerate(seen) for d in (0, 1) if clicks >> d & 1)
        key_found = bits, any(doubled for _, doubled in seen)
        found[key_found] = found.get(key_found, np.zeros((4, 4), np.complex128)) + factor
    return found


def _as_table(found: dict[tuple[int, bool], Matrix], optics: HeraldOptics) -> HeraldTable:
    silent = found.pop((0, False))
    rows = [(seen, rho, float(np.trace(rho).real)) for seen, rho in sorted(found.items())]
    rows = [row for row in rows if row[2] > 0]
    chance = float(np.trace(silent).real)
    # Where every attempt clicks, silence has no state; white noise stands for it.
    last = silent / chance if chance > 1e-15 else np.eye(4) / 4
    states = np.array([*(rho / chance for _, rho, chance in rows), last])
    for qubit, fidelity in enumerate(optics.spin_photon_fidelity):
        states = depolarise(states, qubit, spin_photon_probability(fidelity))
    return HeraldTable(
        np.array([seen[0] for seen, _, _ in rows], np.int64),
        np.array([seen[1] for seen, _, _ in rows], np.bool_),
        np.array([chance for _, _, chance in rows]),
        states[:-1],
        states[-1],
    )
