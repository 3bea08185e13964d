"""Fidelity of heralded pairs from correlations in XX, YY and ZZ, and what share of all heralds it was measured on.

Counts of one setting are a 2x2 matrix, [first qubit, second qubit], each (bit 0, bit 1) = (+1, -1). Bell states go by
their labels: phi+- = (|00> +- |11>)/sqrt 2, psi+- = (|01> +- |10>)/sqrt 2. Nothing is subtracted; readout errors are
corrected only if they are given. Where counts allow no answer the value is None with a reason; ``ValueError`` is for
input that are no counts.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .bell import correlation, whole_counts
from .estimates import Estimate

BASES = ("XX", "YY", "ZZ")
SIGNS = {"phi+": (1, -1, 1), "phi-": (-1, 1, 1), "psi+": (1, 1, -1), "psi-": (-1, -1, -1)}
"""Correlations of the Bell states in ``BASES``."""

Floats = npt.NDArray[np.float64]
Readout = tuple[float, float]
"""Probabilities to read 0 where it is 0, and 1 where it is 1."""


def outcome_values(readout: Readout) -> Floats:
    """Return float64[2], values for bits 0 and 1 whose mean is <Z> in spite of readout errors.

    They solve R v = (1, -1), R the confusion matrix; (1, -1) for perfect readout.

    Raises:
        ValueError: readout that tells nothing.
    """
    right_0, right_1 = readout
    if not (0 <= right_0 <= 1 and 0 <= right_1 <= 1 and right_0 + right_1 > 1):
        raise ValueError(f"readout fidelities are {readout}; they lie between 0 and 1 and add up to more than 1")
    confusion = np.array([[right_0, 1 - right_0], [1 - right_1, right_1]])
    return np.asarray(np.linalg.solve(confusion, np.array([1.0, -1.0])), dtype=np.float64)


def corrected_correlation(counts: npt.ArrayLike, readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)) -> Estimate:
    """Return E of int[2, 2] counts, readout errors of both qubits undone.

    Every pair counts with the product of its ``outcome_values``; the error is their spread over sqrt(N), one pair of
    each kind added for it, so that few counts do not claim certainty. Perfect readout: ``bell.correlation``.
    """
    if tuple(readout_a) == tuple(readout_b) == (1, 1):
        return correlation(counts)
    table = whole_counts(counts, (2, 2))
    total = int(table.sum())
    if total == 0:
        return Estimate(None, None, "", "no pairs")
    values = np.outer(outcome_values(readout_a), outcome_values(readout_b))
    smooth = (table + 1) / (total + 4)
    variance = float((smooth * values**2).sum() - (smooth * values).sum() ** 2)
    return Estimate(float((table * values).sum()) / total, math.sqrt(variance / total))


def fidelity_from_correlators(
    counts: npt.ArrayLike, label: str, readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)
) -> Estimate:
    """Return F = (1 + s_X E_XX + s_Y E_YY + s_Z E_ZZ) / 4 to the Bell state ``label``, exact for any state.

    Guehne, Toth, Phys. Rep. 474, 1 (2009). Errors of the settings add in quadrature; F is not clipped to 0..1.

    Args:
        counts: int[3, 2, 2], in the order of ``BASES``.

    Raises:
        ValueError: no counts, or an unknown label.
    """
    signs = _signs(label)
    found = [corrected_correlation(each, readout_a, readout_b) for each in whole_counts(counts, (3, 2, 2))]
    empty = [name for name, estimate in zip(BASES, found) if estimate.value is None]
    if empty:
        return Estimate(None, None, "", f"no pairs measured in {' and '.join(empty)}")
    value = 1 + sum(sign * (estimate.value or 0.0) for sign, estimate in zip(signs, found))
    return Estimate(value / 4, math.hypot(*(estimate.error or 0.0 for estimate in found)) / 4)


def visibility_from_correlators(
    counts: npt.ArrayLike, label: str, readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)
) -> Estimate:
    """Return V = (s_X E_XX + s_Y E_YY) / 2 of pairs heralded as ``label``; see ``fidelity_from_correlators``.

    It is twice the real part of the coherence between the two terms of the Bell state, 2 Re <01|rho|10> for psi+ and
    -2 Re <01|rho|10> for psi-: 1 for the state itself, 0 for any mixture of its terms. What dephases (an unstable
    phase, photons that can be told apart) shows here and not in E_ZZ: F = (1 + s_Z E_ZZ) / 4 + V / 2.
    """
    signs, tables = _signs(label), whole_counts(counts, (3, 2, 2))
    found = [corrected_correlation(each, readout_a, readout_b) for each in tables[:2]]
    empty = [name for name, estimate in zip(BASES, found) if estimate.value is None]
    if empty:
        return Estimate(None, None, "", f"no pairs measured in {' and '.join(empty)}")
    value = sum(sign * (estimate.value or 0.0) for sign, estimate in zip(signs, found))
    return Estimate(value / 2, math.hypot(*(estimate.error or 0.0 for estimate in found)) / 2)


def conditional_visibility(
    counts: Mapping[str, npt.ArrayLike], readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)
) -> Estimate:
    """Return ``visibility_from_correlators`` of all labels, weighed by their pairs; see ``conditional_fidelity``."""
    return _mean_over_labels(visibility_from_correlators, counts, readout_a, readout_b)


def conditional_fidelity(
    counts: Mapping[str, npt.ArrayLike], readout_a: Readout = (1, 1), readout_b: Readout = (1, 1)
) -> Estimate:
    """Return the fidelity of pairs to the label each was heralded with, labels weighed by their pairs.

    Conditional: on heralds, and on whatever else was selected; say ``selected_fraction`` beside it.

    Args:
        counts: int[3, 2, 2] by label, in the order of ``BASES``. Labels without any pair are left out.
    """
    return _mean_over_labels(fidelity_from_correlators, counts, readout_a, readout_b)


def _mean_over_labels(
    estimate_of: Callable[[npt.ArrayLike, str, Readout, Readout], Estimate],
    counts: Mapping[str, npt.ArrayLike],
    readout_a: Readout,
    readout_b: Readout,
) -> Estimate:
    tables = {label: whole_counts(each, (3, 2, 2)) for label, each in counts.items()}
    weights = {label: int(table.sum()) for label, table in tables.items() if table.any()}
    found = {label: estimate_of(tables[label], label, readout_a, readout_b) for label in weights}
    for label, estimate in found.items():
        if estimate.value is None:
            return Estimate(None, None, "", f"{label}: {estimate.reason}")
    total = sum(weights.values())
    if not total:
        return Estimate(None, None, "", "no pairs")
    value = sum(weights[label] * (found[label].value or 0.0) for label in found) / total
    return Estimate(value, math.hypot(*(weights[label] * (found[label].error or 0.0) for label in found)) / total)


def selected_fraction(selected: int, total: int) -> Estimate:
    """Return selected / total, its error the larger side of Wilson's score interval at one sigma.

    Raises:
        ValueError: not 0 <= selected <= total.
    """
    if not 0 <= selected <= total:
        raise ValueError(f"{selected} of {total} selected; the part cannot be larger than the whole, or negative")
    # The correlation of "selected" with +1 is 2 p - 1.
    found = correlation([[selected, total - selected], [0, 0]])
    if found.value is None or found.error is None:
        return Estimate(None, None, "", "nothing to select from")
    return Estimate((1 + found.value) / 2, found.error / 2)


def _signs(label: str) -> tuple[int, int, int]:
    if label not in SIGNS:
        raise ValueError(f"'{label}' is no Bell state; valid: {', '.join(SIGNS)}")
    return SIGNS[label]
