"""Named formulas of photonic links: fibre, dead time, accidentals, visibility, Bell values, timing, phase matching.

Each docstring gives formula, source, units and one number to check by. Arguments are plain floats in SI units unless
the name says otherwise; a value that is no physical quantity raises ``ValueError``. These are closed forms: nothing
here draws photons, and a simulated bench uses none of the predictions (visibility, Bell value).
"""

import math

import numpy as np

from ._checks import fraction, not_negative

SPEED_OF_LIGHT = 299_792_458.0
"""m/s, exact."""

_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
_SINC2_HALF = 1.3915573782515103
"""Where (sin x / x)^2 = 1/2."""


def fibre_transmission(length_m: float, loss_db_per_m: float) -> float:
    """Return eta = 10^(-alpha L / 10), between 0 and 1. Textbook. 15.05 km at 0.2 dB/km: 0.500."""
    not_negative(length_m=length_m, loss_db_per_m=loss_db_per_m)
    return 10 ** (-loss_db_per_m * length_m / 10)


def fibre_delay(length_m: float, group_index: float = 1.468) -> float:
    """Return the group delay n L / c in seconds. Textbook. 1 km: 4.897 us."""
    not_negative(length_m=length_m, group_index=group_index)
    return group_index * length_m / SPEED_OF_LIGHT


def rate_non_paralysable(rate_hz: float, dead_time_s: float) -> float:
    """Return the counted rate r / (1 + r tau) in Hz: clicks in the dead time are lost and do not prolong it.

    Knoll, Radiation Detection and Measurement, "dead time models". 1 MHz, 50 ns: 952 381 Hz.
    """
    not_negative(rate_hz=rate_hz, dead_time_s=dead_time_s)
    return rate_hz / (1 + rate_hz * dead_time_s)


def rate_paralysable(rate_hz: float, dead_time_s: float) -> float:
    """Return the counted rate r exp(-r tau) in Hz: clicks in the dead time are lost and prolong it.

    Knoll, Radiation Detection and Measurement, "dead time models". 1 MHz, 50 ns: 951 229 Hz.
    """
    not_negative(rate_hz=rate_hz, dead_time_s=dead_time_s)
    return rate_hz * math.exp(-rate_hz * dead_time_s)


def accidental_rate(rate_a_hz: float, rate_b_hz: float, window_s: float) -> float:
    """Return the rate R_A R_B tau_c in Hz of unrelated clicks with |dt| <= window: the full width is tau_c = 2 window.

    Elementary, for independent Poisson streams. 100 kHz, 100 kHz, window 0.5 ns (tau_c 1 ns): 10 Hz.
    """
    not_negative(rate_a_hz=rate_a_hz, rate_b_hz=rate_b_hz, window_s=window_s)
    return rate_a_hz * rate_b_hz * 2 * window_s


def visibility_from_car(car: float) -> float:
    """Return (CAR - 1) / (CAR + 1), with CAR = (C + A) / A of the brighter port. Elementary. CAR 101.72: 0.9805."""
    if not (math.isfinite(car) and car >= 1):
        raise ValueError(f"car is {car}; a coincidence-to-accidental ratio (C + A) / A is at least 1")
    return (car - 1) / (car + 1)


def visibility_from_accidentals(coincidences: float, accidentals: float) -> float:
    """Return the raw visibility C / (C + 2 A), nothing subtracted.

    ``coincidences`` are the true ones of one detector pair in the matched basis, ``accidentals`` the unrelated ones of
    one detector pair (every pair has them, so maximum C + A, minimum A), both in the same unit. Elementary.
    C = 100.72, A = 1: 0.9805.
    """
    not_negative(coincidences=coincidences, accidentals=accidentals)
    if coincidences == accidentals == 0:
        raise ValueError("coincidences and accidentals are both 0: there is no fringe, so no visibility")
    return coincidences / (coincidences + 2 * accidentals)


def werner_fidelity(visibility: float) -> float:
    """Return F = (1 + 3 V) / 4 to the Bell state of the Werner state V |Bell><Bell| + (1 - V) 1/4.

    Werner, Phys. Rev. A 40, 4277 (1989). V 0.9585: 0.9689.
    """
    return (1 + 3 * fraction("visibility", visibility)) / 4


def werner_visibility(fidelity: float) -> float:
    """Return V = (4 F - 1) / 3, the inverse of ``werner_fidelity``; F from 1/4 (white noise) to 1. F 0.9689: 0.9585."""
    if not 0.25 <= fidelity <= 1:
        raise ValueError(f"fidelity is {fidelity}; a Werner state of visibility 0 to 1 has 0.25 to 1")
    return (4 * fidelity - 1) / 3


def werner_chsh(visibility: float) -> float:
    """Return S = 2 sqrt(2) V at the best settings. Clauser et al., Phys. Rev. Lett. 23, 880 (1969). V 0.9585: 2.711."""
    return 2 * math.sqrt(2) * fraction("visibility", visibility)


def qber(visibility: float) -> float:
    """Return the error rate (1 - V) / 2 of matched bases. Elementary. V 0.958: 2.1 %."""
    return (1 - fraction("visibility", visibility)) / 2


def visibility_from_qber(error_rate: float) -> float:
    """Return V = 1 - 2 Q, the inverse of ``qber``; Q from 0 to 0.5. Q 0.021: 0.958."""
    if not 0 <= error_rate <= 0.5:
        raise ValueError(f"error_rate is {error_rate}; matched bases give 0 to 0.5")
    return 1 - 2 * error_rate


def visibility_diagonal(visibility: float, pump_plate_deg: float) -> float:
    """Return the fringe visibility V |sin 4 theta| in the +-45 degree basis.

    The pump's half-wave plate at physical angle theta makes cos 2 theta |HH> + sin 2 theta |VV>, whose coherence is
    sin 4 theta; V is the visibility in the H/V basis. From the state; Werner noise assumed. V 1, 11.25 degrees: 0.7071.
    """
    return fraction("visibility", visibility) * abs(math.sin(math.radians(4 * pump_plate_deg)))


def chsh_at_pump_plate(visibility: float, pump_plate_deg: float) -> float:
    """Return S = sqrt(2) V (1 + sin 4 theta), pump plate at theta, polarisation angles 0, 45 and 22.5, 67.5 degrees.

    S = E(a,b) - E(a,b') + E(a',b) + E(a',b') with E(a,b) = V (cos 2a cos 2b + sin 4 theta sin 2a sin 2b); CHSH 1969.
    V 1, 22.5 degrees: 2.8284; 0 degrees: 1.4142.
    """
    return math.sqrt(2) * fraction("visibility", visibility) * (1 + math.sin(math.radians(4 * pump_plate_deg)))


def clock_offset_error(jitter_s: float, pairs: float, background_per_s: float = 0.0) -> float:
    """Return the smallest error in seconds of an offset from N pairs: sigma / sqrt(N) without background.

    ``jitter_s`` is the standard deviation of the pairs' time difference, both detectors included;
    ``background_per_s`` the accidental counts per second of time difference. Cramer-Rao bound: the error is
    1 / sqrt(integral of peak'(t)^2 / (peak(t) + background)). Lee et al., Appl. Phys. Lett. 114, 101102 (2019).
    50 ps, 10 000 pairs: 0.50 ps; with 10 000 counts per ns of background: 0.629 ps.
    """
    not_negative(jitter_s=jitter_s, background_per_s=background_per_s)
    if not pairs > 0:
        raise ValueError(f"pairs is {pairs}; an offset needs at least one")
    if background_per_s == 0 or jitter_s == 0:
        return jitter_s / math.sqrt(pairs)
    step = 0.01
    x = np.arange(-8, 8 + step, step)  # in units of sigma; the integrand is smooth and vanishes at the ends
    peak = np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)
    information = float((np.square(x * peak) / (peak + background_per_s * jitter_s / pairs)).sum()) * step
    return jitter_s / math.sqrt(pairs * information)


def dispersion_spread(dispersion_s_per_m2: float, length_a_m: float, length_b_m: float, bandwidth_m: float) -> float:
    """Return |D| (L_A + L_B) dlambda in seconds, the spread of the arrival-time difference of a pair.

    The photons of a narrow-pumped pair are anticorrelated in frequency, so both arms add linearly, not in quadrature.
    Nonlocal dispersion (Franson, Phys. Rev. A 45, 3126, 1992). 17 ps/nm/km, 5 + 10 km, 1 nm: 255 ps. ``bandwidth_m``
    and the result are the same kind of width (both FWHM or both standard deviations).
    """
    not_negative(length_a_m=length_a_m, length_b_m=length_b_m, bandwidth_m=bandwidth_m)
    return abs(dispersion_s_per_m2) * (length_a_m + length_b_m) * bandwidth_m


def window_fraction(window_s: float, sigma_s: float, offset_s: float = 0.0) -> float:
    """Return the fraction of pairs with |dt| <= window, for a Gaussian dt of standard deviation sigma about offset.

    [erf((w - o) / sqrt2 sigma) + erf((w + o) / sqrt2 sigma)] / 2. Elementary. w = sigma, o = 0: 0.6827.
    """
    not_negative(window_s=window_s, sigma_s=sigma_s)
    if sigma_s == 0:
        return 1.0 if abs(offset_s) <= window_s else 0.0
    scale = math.sqrt(2) * sigma_s
    return (math.erf((window_s - offset_s) / scale) + math.erf((window_s + offset_s) / scale)) / 2


def phase_matching(temperature_degc: float, best_degc: float, fwhm_k: float) -> float:
    """Return sinc^2 of the phase mismatch, 1 at ``best_degc`` and 1/2 at half of ``fwhm_k`` from it.

    Boyd, Nonlinear Optics, "phase matching"; the mismatch is taken as linear in temperature.
    Half of the FWHM away: 0.5; a full FWHM away: 0.0159.
    """
    if not fwhm_k > 0:
        raise ValueError(f"fwhm_k is {fwhm_k}; the acceptance of a crystal is a positive number of kelvin")
    x = 2 * _SINC2_HALF * (temperature_degc - best_degc) / fwhm_k
    return (math.sin(x) / x) ** 2 if x else 1.0


def bandwidth_in_metres(bandwidth_hz: float, wavelength_m: float) -> float:
    """Return lambda^2 dnu / c in metres, for bandwidths much below the frequency. 100 GHz at 1550 nm: 0.8014 nm."""
    not_negative(bandwidth_hz=bandwidth_hz, wavelength_m=wavelength_m)
    return wavelength_m**2 * bandwidth_hz / SPEED_OF_LIGHT


def sigma_from_fwhm(fwhm: float) -> float:
    """Return the standard deviation FWHM / (2 sqrt(2 ln 2)) of a Gaussian, in the unit given. FWHM 2.3548: 1."""
    not_negative(fwhm=fwhm)
    return fwhm / _FWHM_PER_SIGMA


def fwhm_from_sigma(sigma: float) -> float:
    """Return the full width at half maximum 2 sqrt(2 ln 2) sigma of a Gaussian, in the unit given. sigma 1: 2.3548."""
    not_negative(sigma=sigma)
    return sigma * _FWHM_PER_SIGMA
