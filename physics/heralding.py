"""Named formulas of heralded entanglement: success probabilities, fidelities at the herald, rates, waiting.

Closed forms with the conditions they hold under; the density-matrix propagation of ``herald_propagation`` holds
without them. Plain floats, SI units; a value that is no physical quantity raises ``ValueError``.
"""

import math

from ._checks import fraction, not_negative, positive


def bell_measurement_efficiency(identified: int) -> float:
    """Return identified / 4, the success probability of a Bell measurement that tells so many of the four states.

    Linear optics without ancillas tells at most 2, so 0.5 (Luetkenhaus, Calsamiglia, Suominen, Phys. Rev. A 59, 3295,
    1999). Holds for input qubits that are completely mixed, as halves of Bell pairs are. psi- alone: 0.25.
    """
    if identified not in (0, 1, 2):
        raise ValueError(f"identified is {identified}; linear optics tells 0, 1 or 2 of the Bell states for sure")
    return identified / 4


def two_click_probability(efficiency_a: float, efficiency_b: float) -> float:
    """Return eta_A eta_B / 2 per attempt, both psi states counted. Barrett, Kok, Phys. Rev. A 71, 060310 (2005).

    ``efficiency``: from excitation to click. Exact without dark counts for photons of any indistinguishability;
    a click that tells the time bin only. 4e-4 both: 8e-8.
    """
    return fraction("efficiency_a", efficiency_a) * fraction("efficiency_b", efficiency_b) / 2


def two_click_fidelity(visibility: float, local: float = 1.0) -> float:
    """Return (1 + V) / 2 times ``local``, the product of factors of both nodes. Barrett, Kok 2005.

    V is the two-photon interference visibility, the squared overlap of the photons' shapes. Exact without dark counts
    and with ``local`` 1; independent of the optical phase. V 0.94: 0.97.
    """
    return (1 + fraction("visibility", visibility)) / 2 * fraction("local", local)


def single_click_probability(bright: float, efficiency: float) -> float:
    """Return 1 - (1 - alpha eta)^2, about 2 alpha eta: at least one click of two equal nodes.

    Cabrillo et al., Phys. Rev. A 59, 1025 (1999). Exact without dark counts if every click counts as a herald.
    alpha 0.05, eta 3.6e-4: 3.600e-5.
    """
    return 1 - (1 - fraction("bright", bright) * fraction("efficiency", efficiency)) ** 2


def single_click_fidelity(bright: float, visibility: float = 1.0, phase_noise_rad: float = 0.0) -> float:
    """Return (1 - alpha)(1 + sqrt(V) exp(-sigma^2 / 2)) / 2 to the psi state the herald names.

    Hermans et al., New J. Phys. 25, 013011 (2023). For equal nodes and eta much below 1 (to order alpha eta), Gaussian
    phase noise of standard deviation sigma, no dark counts and no double excitation. alpha 0.05, V 0.9, 15 degrees:
    0.9104.
    """
    not_negative(phase_noise_rad=phase_noise_rad)
    contrast = math.sqrt(fraction("visibility", visibility)) * math.exp(-(phase_noise_rad**2) / 2)
    return (1 - fraction("bright", bright)) * (1 + contrast) / 2


def single_click_noise_fidelity(bright: float) -> float:
    """Return alpha (1 - alpha), the fidelity to either psi state after a single-click herald by a dark count.

    It leaves each spin in (1 - alpha)|0><0| + alpha|1><1| without coherence, for eta much below 1 (photons that were
    emitted and lost). alpha 0.05: 0.0475; 1/4, which holds for two-click and photon-pair schemes, would be wrong.
    """
    return fraction("bright", bright) * (1 - bright)


def mixed_fidelity(fidelity: float, signal: float, noise: float, noise_fidelity: float = 0.25) -> float:
    """Return (F p_s + F_n p_n) / (p_s + p_n): true heralds of probability p_s, false ones (dark counts) of p_n.

    Elementary. F_n: 1/4 where a false herald leaves both qubits completely mixed (two-click, photon pairs),
    ``single_click_noise_fidelity`` for single-click. Holds to first order in p_n. F 0.9, p_n = p_s / 9: 0.835.
    """
    not_negative(signal=signal, noise=noise)
    if signal + noise == 0:
        raise ValueError("signal and noise are both 0: there are no heralds, so no fidelity")
    true, false = fraction("fidelity", fidelity), fraction("noise_fidelity", noise_fidelity)
    return (true * signal + false * noise) / (signal + noise)


def herald_rate(probability: float, cycle_s: float, round_trip_s: float = 0.0, modes: int = 1) -> float:
    """Return N p / (t_cycle + t_round_trip) in Hz: N modes are tried in each wait for the herald.

    Elementary; for N p much below 1, and N modes that fit into the storage time. 6.7e-4, 453 us: 1.479 Hz.
    """
    positive(cycle_s=cycle_s)
    not_negative(round_trip_s=round_trip_s)
    if modes < 1:
        raise ValueError(f"modes is {modes}; at least one is tried")
    return modes * fraction("probability", probability) / (cycle_s + round_trip_s)


def herald_rate_with_readout(probability: float, cycle_s: float, readout_s: float) -> float:
    """Return 1 / (t_cycle / p + t_readout) in Hz: every success is followed by a readout during which nothing is tried.

    Renewal argument, exact. 6.7e-4, 453 us, 49 ms: 1.379 Hz.
    """
    positive(cycle_s=cycle_s)
    not_negative(readout_s=readout_s)
    if fraction("probability", probability) == 0:
        return 0.0
    return 1 / (cycle_s / probability + readout_s)


def attempts_until_both(probability: float) -> float:
    """Return (3 - 2p) / (p (2 - p)), the mean number of attempts until two parallel links have both succeeded.

    Mean of the larger of two geometric waiting times (Collins et al., Phys. Rev. Lett. 98, 060502, 2007); the link
    that is first waits with its pair. p 0.01: 149.75.
    """
    if fraction("probability", probability) == 0:
        return math.inf
    return (3 - 2 * probability) / (probability * (2 - probability))


def delivery_probability(rate_hz: float, time_s: float) -> float:
    """Return 1 - e^(-r t), the probability of at least one herald in ``time_s``; Poisson. 39 Hz, 0.1 s: 0.980."""
    not_negative(rate_hz=rate_hz, time_s=time_s)
    return -math.expm1(-rate_hz * time_s)
