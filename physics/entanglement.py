"""Named formulas of what is done with pairs: teleportation, gates, swapping, distillation, storage.

Closed forms for Werner or Bell-diagonal states where they say so; other states are to be propagated as density
matrices (``channels``). Plain floats, SI units; a value that is no physical quantity raises ``ValueError``.
"""

import math

from ._checks import fraction, not_negative, positive

BellWeights = tuple[float, float, float, float]
"""Shares of (phi+, psi-, psi+, phi-), the order of Deutsch et al. 1996."""


def teleportation_fidelity(fidelity: float) -> float:
    """Return (2 F + 1) / 3, the mean fidelity of teleportation through a pair of fidelity F, over all input states.

    Horodecki, Phys. Rev. A 60, 1888 (1999); standard protocol, perfect Bell measurement and corrections. Without a pair
    2/3 is reached (Massar, Popescu, Phys. Rev. Lett. 74, 1259, 1995). F 0.8: 0.8667.
    """
    return (2 * fraction("fidelity", fidelity) + 1) / 3


def average_gate_fidelity(process_fidelity: float, dimension: int = 4) -> float:
    """Return (d F_p + 1) / (d + 1). Nielsen, Phys. Lett. A 303, 249 (2002). d 4, F_p 0.9689: 0.9751."""
    return (_dimension(dimension) * fraction("process_fidelity", process_fidelity) + 1) / (dimension + 1)


def process_fidelity(average_fidelity: float, dimension: int = 4) -> float:
    """Return ((d + 1) F - 1) / d, the inverse of ``average_gate_fidelity``. d 4, F 0.862: 0.8275."""
    size = _dimension(dimension)
    if not 1 / (size + 1) <= average_fidelity <= 1:
        raise ValueError(
            f"average_fidelity is {average_fidelity}; a gate of dimension {size} has {1 / (size + 1):g} to 1"
        )
    return ((size + 1) * average_fidelity - 1) / size


def swap_fidelity(first: float, second: float) -> float:
    """Return F1 F2 + (1 - F1)(1 - F2) / 3, the fidelity after swapping two Werner states.

    Briegel, Duer, Cirac, Zoller, Phys. Rev. Lett. 81, 5932 (1998), perfect Bell measurement and correction. For Werner
    states only. 0.9, 0.9: 0.8133.
    """
    return fraction("first", first) * fraction("second", second) + (1 - first) * (1 - second) / 3


def distil_bbpssw(fidelity: float) -> tuple[float, float]:
    """Return (fidelity, success probability) after one round with two Werner pairs of equal fidelity F.

    F' = (F^2 + a^2) / (F^2 + 2 F a + 5 a^2), a = (1 - F) / 3; the denominator is the success probability.
    Bennett et al., Phys. Rev. Lett. 76, 722 (1996); perfect gates, depolarised to a Werner state between rounds.
    0.75: 0.788462 with probability 0.722222.
    """
    noise = (1 - fraction("fidelity", fidelity)) / 3
    success = fidelity**2 + 2 * fidelity * noise + 5 * noise**2
    return (fidelity**2 + noise**2) / success, success


def distil_dejmps(weights: BellWeights) -> tuple[BellWeights, float]:
    """Return (weights, success probability) after one round with two equal Bell-diagonal pairs.

    N = (A + B)^2 + (C + D)^2, A' = (A^2 + B^2) / N, B' = 2 C D / N, C' = (C^2 + D^2) / N, D' = 2 A B / N. Deutsch et
    al., Phys. Rev. Lett. 77, 2818 (1996); perfect gates. Werner 0.75, fidelity after rounds: 0.788462, 0.902361.
    """
    if any(weight < 0 for weight in weights) or abs(sum(weights) - 1) > 1e-9:
        raise ValueError(f"weights are {weights}; shares of the four Bell states are not negative and add up to 1")
    a, b, c, d = weights
    success = (a + b) ** 2 + (c + d) ** 2
    return ((a * a + b * b) / success, 2 * c * d / success, (c * c + d * d) / success, 2 * a * b / success), success


def coherence(time_s: float, t2_s: float, stretch: float = 1.0) -> float:
    """Return exp(-(t / T2)^n), what is left of a qubit's coherence; phase damping. 0.5 ms, 7 ms, n 2: 0.99491."""
    not_negative(time_s=time_s)
    positive(t2_s=t2_s, stretch=stretch)
    return math.exp(-((time_s / t2_s) ** stretch))


def coherence_after_attempts(attempts: float, per_e: float, stretch: float = 1.0) -> float:
    """Return exp(-(N / N_e)^n), a stored qubit's coherence after N attempts with its neighbour; N_e of them leave 1/e.

    Kalb et al., Phys. Rev. A 97, 062330 (2018). 450 attempts, 1800: 0.7788.
    """
    not_negative(attempts=attempts)
    positive(per_e=per_e, stretch=stretch)
    return math.exp(-((attempts / per_e) ** stretch))


def dephased_fidelity(fidelity: float, coherence_a: float, coherence_b: float = 1.0) -> float:
    """Return (1 + (2 F0 - 1) C_A C_B) / 2 for a pair with all its weight in the two levels of its Bell state.

    Pure dephasing. It does not hold for a single-click state, whose limit is (1 - alpha) / 2, not 1/2.
    F0 0.9, both e^-0.1 (10 ms of T2 100 ms): 0.8275.
    """
    both = fraction("coherence_a", coherence_a) * fraction("coherence_b", coherence_b)
    return (1 + (2 * fraction("fidelity", fidelity) - 1) * both) / 2


def depolarised_fidelity(fidelity: float, time_s: float, time_constant_s: float) -> float:
    """Return 1/4 + (F0 - 1/4) e^(-t / T), a Werner state under depolarising noise; T is that of the pair.

    Elementary. F0 0.9, t = T: 0.4891.
    """
    not_negative(time_s=time_s)
    positive(time_constant_s=time_constant_s)
    return 0.25 + (fraction("fidelity", fidelity) - 0.25) * math.exp(-time_s / time_constant_s)


def _dimension(dimension: int) -> int:
    if dimension < 2:
        raise ValueError(f"dimension is {dimension}; a gate acts on two states at least")
    return dimension
