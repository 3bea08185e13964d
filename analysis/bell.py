"""Correlations, CHSH parameter, visibilities and fringes from raw coincidence counts; nothing is ever subtracted.

Counts of one setting are a 2x2 matrix, [first end, second end], each (transmitted, reflected) = (+1, -1). Where counts
allow no answer the value is None and the reason says why; ``ValueError`` is for input that are no counts at all.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .estimates import Estimate

SETTINGS = ("a, b", "a, b'", "a', b", "a', b'")
"""Order of the settings in ``chsh``."""
SIGNS = (1, -1, 1, 1)


def correlation(counts: npt.ArrayLike) -> Estimate:
    """Return E = (N++ + N-- - N+- - N-+) / N with its error.

    The error is the larger side of Wilson's score interval at one sigma (J. Am. Stat. Assoc. 22, 209, 1927): all
    values of E from which the counts are less than one of *their* standard deviations away. In the middle it is the
    binomial sqrt((1 - E^2) / N); near |E| = 1, where a few unlike counts decide and that formula promises too much,
    it stays honest, and after N equal results it is 2 / (N + 1).

    Args:
        counts: int[2, 2].
    """
    table = whole_counts(counts, (2, 2))
    total = int(table.sum())
    if total == 0:
        return Estimate(None, None, "", "no coincidences")
    unlike = int(table[0, 1] + table[1, 0])
    share = min(unlike, total - unlike) / total
    middle = (share + 0.5 / total) / (1 + 1 / total)
    half = math.sqrt(share * (1 - share) / total + 0.25 / total**2) / (1 + 1 / total)
    return Estimate((total - 2 * unlike) / total, 2 * (middle + half - share))


def visibility(counts: npt.ArrayLike) -> Estimate:
    """Return |E| of int[2, 2] counts in a matched basis, with E's error; see ``correlation``."""
    found = correlation(counts)
    return found if found.value is None else Estimate(abs(found.value), found.error)


def chsh(counts_by_setting: npt.ArrayLike) -> Estimate:
    """Return S = E(a,b) - E(a,b') + E(a',b) + E(a',b'); errors of the four settings add in quadrature.

    Clauser, Horne, Shimony, Holt, Phys. Rev. Lett. 23, 880 (1969); local models give |S| <= 2.

    Args:
        counts_by_setting: int[4, 2, 2], in the order of ``SETTINGS``.
    """
    found = [correlation(counts) for counts in whole_counts(counts_by_setting, (4, 2, 2))]
    empty = [name for name, estimate in zip(SETTINGS, found) if estimate.value is None]
    if empty:
        return Estimate(
            None, None, "", f"no coincidences at the settings {' and '.join(f'({name})' for name in empty)}"
        )
    value = sum(sign * (estimate.value or 0.0) for sign, estimate in zip(SIGNS, found))
    return Estimate(value, math.hypot(*(estimate.error or 0.0 for estimate in found)))


@dataclass(frozen=True)
class FringeFit:
    """offset + amplitude cos 2(x - phase), fitted.

    Attributes:
        visibility: amplitude / offset, or None; noise can take it above 1, it is not clipped.
        visibility_error: its standard deviation.
        phase_deg: polarisation angle of the maximum, 0 to 180.
        offset: mean counts.
        amplitude: counts.
        chi2: weighted sum of squared residuals.
        dof: points less 3.
        reason: why there is no visibility.
    """

    visibility: float | None
    visibility_error: float | None
    phase_deg: float | None
    offset: float
    amplitude: float
    chi2: float
    dof: int
    reason: str = ""


def fit_fringe(angles_deg: npt.ArrayLike, counts: npt.ArrayLike, errors: npt.ArrayLike | None = None) -> FringeFit:
    """Fit offset + amplitude cos 2(x - phase) by linear least squares on 1, cos 2x, sin 2x.

    Args:
        angles_deg: [n], polarisation angles (twice a half-wave plate's angle), degrees.
        counts: [n]; raw counts, or any numbers if ``errors`` are given.
        errors: [n], standard deviations. Default: Poissonian from the fitted curve, not from the counts, which would
            weigh low points too much and bias the visibility; found by repeating the fit.

    Raises:
        ValueError: shapes differ, negative counts, errors not positive, or fewer than 3 different angles.
    """
    angles = 2 * np.deg2rad(np.asarray(angles_deg, dtype=np.float64))
    values = np.asarray(counts, dtype=np.float64)
    if angles.ndim != 1 or values.shape != angles.shape or not np.isfinite(angles).all():
        raise ValueError(f"angles_deg and counts must be lists of equal length, not {angles.shape} and {values.shape}")
    basis = np.column_stack([np.ones_like(angles), np.cos(angles), np.sin(angles)])
    if np.linalg.matrix_rank(basis, tol=1e-6) < 3:
        raise ValueError("a fringe needs at least 3 angles that differ (180 degrees is 0 again)")
    if errors is None:
        values = whole_counts(counts, angles.shape).astype(np.float64)
        if not values.any():
            return FringeFit(None, None, None, 0.0, 0.0, 0.0, len(values) - 3, "no counts")
        parameters, covariance, variances = _poisson_fit(basis, values)
    else:
        variances = np.square(np.asarray(errors, dtype=np.float64))
        if (
            variances.shape != values.shape
            or not ((variances > 0) & np.isfinite(variances) & np.isfinite(values)).all()
        ):
            raise ValueError("errors must be positive numbers, one a point, and counts finite")
        parameters, covariance = _weighted_fit(basis, values, variances)
    chi2 = float((np.square(values - basis @ parameters) / variances).sum())
    return _fringe(parameters, covariance, chi2, len(values) - 3)


def _weighted_fit(
    basis: npt.NDArray[np.float64], values: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    weighted = basis / variances[:, None]
    covariance: npt.NDArray[np.float64] = np.linalg.inv(weighted.T @ basis).astype(np.float64)
    return covariance @ (weighted.T @ values), covariance


def _poisson_fit(
    basis: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Repeat the fit with the variances of its own curve (Poisson maximum likelihood where the curve is positive).

    Variances are kept above 1 % of the mean: a curve that touches zero must not get infinite weight there.
    """
    floor = values.mean() / 100
    variances = np.full_like(values, values.mean())
    for _ in range(10):
        parameters, covariance = _weighted_fit(basis, values, variances)
        variances = np.maximum(basis @ parameters, floor)
    return parameters, covariance, variances


def _fringe(
    parameters: npt.NDArray[np.float64], covariance: npt.NDArray[np.float64], chi2: float, dof: int
) -> FringeFit:
    offset, cosine, sine = map(float, parameters)
    amplitude = math.hypot(cosine, sine)
    if offset <= 0:
        return FringeFit(None, None, None, offset, amplitude, chi2, dof, "the mean of the fringe is not positive")
    if amplitude > 0:
        slope = np.array([-amplitude / offset, cosine / amplitude, sine / amplitude]) / offset
        error = math.sqrt(slope @ covariance @ slope)
    else:  # no direction is special: the mean of both components' variances
        error = math.sqrt((covariance[1, 1] + covariance[2, 2]) / 2) / offset
    phase = math.degrees(math.atan2(sine, cosine)) / 2 % 180.0
    return FringeFit(amplitude / offset, error, phase, offset, amplitude, chi2, dof)


def whole_counts(counts: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return counts as int64 of this shape; ``ValueError`` if they are no whole numbers, zero or more."""
    table = np.asarray(counts)
    if table.shape != shape:
        raise ValueError(f"counts have shape {table.shape}; expected {shape}")
    if (
        table.dtype.kind not in "iuf"
        or not np.isfinite(table).all()
        or (table < 0).any()
        or (table != np.rint(table)).any()
    ):
        raise ValueError("counts must be whole numbers, zero or more (raw: nothing subtracted)")
    return table.astype(np.int64)
