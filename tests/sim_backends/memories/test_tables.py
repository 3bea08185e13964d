"""Herald tables from amplitudes: equal to the propagation in Fock space on a grid, and what limits must give."""

import itertools
import math

import numpy as np
import pytest
from bellringer.physics import herald_propagation as propagation
from bellringer.physics import states
from bellringer.sim_backends.bench.memories.optics import HeraldOptics
from bellringer.sim_backends.bench.memories.table import HeraldTable, herald_table

ROUGH = ((0.2, 0.3), (0.8, 0.5, (1e-3, 2e-3)))
FINE = ((4e-3, 1e-3), (0.95, 0.2, (1e-7, 3e-7)))
EVEN = ((0.05, 0.05), (1.0, 0.0, (0.0, 0.0)))
SCHEMES = pytest.mark.parametrize("scheme", ["single_click", "two_click", "spdc_bsm", "serial"])
QUIET = ((0.0, 0.0),)


def pair_of(scheme: str, efficiency: tuple[float, float], quality: tuple) -> tuple[HeraldTable, propagation.Instrument]:
    """Return the bench's table and the propagated instrument of the same attempt."""
    visibility, noise, dark = quality
    one, two = (dark,), (dark, dark[::-1])
    light, bright = (0.02, 0.01), (0.05, 0.2)
    given = {"visibility": visibility, "phase_noise_rad": noise, "bright": bright, "mean_photons": light}
    if scheme in ("single_click", "serial"):
        table = herald_table(HeraldOptics(scheme, (efficiency,), one, **given))
    else:
        table = herald_table(HeraldOptics(scheme, (efficiency,) * 2, two, **given))
    match scheme:
        case "single_click":
            return table, propagation.single_click(efficiency, bright, visibility, noise, one)
        case "two_click":
            return table, propagation.two_click(efficiency, visibility, noise, two)
        case "spdc_bsm":
            return table, propagation.photon_pairs(efficiency, light, visibility, noise, two, photons=3)
    return table, propagation.serial(efficiency, light[0], visibility, noise, one, photons=3)


@SCHEMES
@pytest.mark.parametrize("case", [ROUGH, FINE, EVEN], ids=["rough", "fine", "even"])
def test_amplitudes_and_propagation_in_fock_space_agree_on_every_pattern(scheme, case):
    """Twelve sets. Relative to each pattern's probability, 1e-3 for the cut-off at three pairs or photons, else 1e-6.

    Above 1e-9; below, differences in Fock space lose digits.
    """
    near = 1e-3 if scheme in ("spdc_bsm", "serial") else 1e-6
    table, instrument = pair_of(scheme, *case)
    assert table.probability.sum() == pytest.approx(
        sum(np.trace(rho).real for pattern, rho in instrument.items() if pattern), rel=1e-5
    )
    seen = 0
    for pattern, probability, state in zip(table.pattern.tolist(), table.probability, table.state):
        if probability > 1e-9:
            assert probability * state == pytest.approx(instrument[pattern], rel=near, abs=near * probability)
            seen += 1
    assert seen >= (2 if scheme in ("single_click", "serial") else 4)


@SCHEMES
def test_every_state_is_one(scheme):
    table, _ = pair_of(scheme, *ROUGH)
    assert np.trace(table.state, axis1=1, axis2=2) == pytest.approx(np.ones(table.pattern.size))
    assert table.state == pytest.approx(table.state.conj().transpose(0, 2, 1))
    assert np.linalg.eigvalsh(table.state).min() > -1e-10


def test_small_probabilities_keep_their_digits():
    """Two dark counts at the same detector and none of light: d^2 exactly, 1e-24 of the whole."""
    optics = HeraldOptics("two_click", ((0.0, 0.0),) * 2, ((1e-12, 0.0),) * 2)
    assert herald_table(optics).chance([0b0011]) == pytest.approx(1e-24, rel=1e-9)


def bright_table(resolving: bool, bright: float, eta: float) -> HeraldTable:
    return herald_table(
        HeraldOptics("single_click", ((eta, eta),), QUIET, bright=(bright, bright), resolving=resolving)
    )


def test_detectors_that_resolve_numbers_tell_two_photons_from_one():
    """Both bright and alike, no loss: both photons leave together (Hong, Ou, Mandel), always a double count."""
    for resolving, heralds in ((False, 1.0), (True, 0.0)):
        table = bright_table(resolving, 1.0, 1.0)
        assert table.chance([1, 2]) == pytest.approx(heralds)
        assert table.click_probability == pytest.approx(1.0)


def test_resolving_detectors_take_the_detected_bright_pairs_out_of_a_single_click_state():
    """Unnormalised |11> part: eta^2 / 2 of double counts are in it for threshold detectors only."""
    alpha, eta = 0.3, 0.5
    parts = [
        bright_table(resolving, alpha, eta).conditional(1)[3, 3].real * bright_table(resolving, alpha, eta).chance([1])
        for resolving in (False, True)
    ]
    assert parts[0] - parts[1] == pytest.approx(alpha**2 * eta**2 / 2)


def test_unequal_detectors_click_in_proportion_and_herald_the_same_states():
    given = {"scheme": "single_click", "efficiency": ((1e-3, 1e-3),), "dark": QUIET, "bright": (0.1, 0.1)}
    equal = herald_table(HeraldOptics(**given))
    table = herald_table(HeraldOptics(**given, detectors=(0.9, 0.3)))
    for pattern, share in ((1, 0.9), (2, 0.3)):
        assert table.chance([pattern]) == pytest.approx(share * equal.chance([pattern]), rel=1e-3)
        assert table.conditional(pattern) == pytest.approx(equal.conditional(pattern), abs=1e-4)


@SCHEMES
def test_detectors_of_equal_efficiency_are_only_a_factor(scheme):
    windows = 1 if scheme in ("single_click", "serial") else 2
    given = {"mean_photons": (0.05, 0.05), "visibility": 0.9, "phase_noise_rad": 0.3}
    dark = ((1e-4, 1e-4),) * windows
    before, after = ((0.8, 0.8), (0.4, 0.4)) if scheme != "serial" else ((0.4, 0.4), (0.4, 0.2))
    inside = herald_table(HeraldOptics(scheme, (after,) * windows, dark, **given))
    outside = herald_table(HeraldOptics(scheme, (before,) * windows, dark, detectors=(0.5, 0.5), **given))
    assert inside.probability == pytest.approx(outside.probability, rel=1e-6)
    assert inside.state == pytest.approx(outside.state, abs=1e-9)


def test_one_dark_node_heralds_nothing_entangled():
    for scheme, windows in (("single_click", 1), ("two_click", 2)):
        table = herald_table(HeraldOptics(scheme, ((0.2, 0.0),) * windows, ((1e-2, 1e-2),) * windows))
        for state in table.state:
            partial = state.reshape(2, 2, 2, 2).transpose(0, 3, 2, 1).reshape(4, 4)
            assert np.linalg.eigvalsh(partial).min() > -1e-12  # positive partial transpose: separable


def test_white_noise_of_spin_and_photon_costs_what_it_says():
    given = {"scheme": "two_click", "efficiency": ((0.1, 0.1),) * 2, "dark": QUIET * 2}
    kept = ((4 * 0.94 - 1) / 3) ** 2
    noisy = herald_table(HeraldOptics(**given, spin_photon_fidelity=(0.94, 0.94))).conditional(3)
    assert states.fidelity(herald_table(HeraldOptics(**given)).conditional(3), "psi+") == pytest.approx(1.0)
    assert states.fidelity(noisy, "psi+") == pytest.approx(kept + (1 - kept) / 4)


def test_without_light_and_dark_counts_nothing_ever_clicks():
    table = herald_table(HeraldOptics("single_click", ((0.0, 0.0),), QUIET))
    assert table.click_probability == 0.0
    assert table.state.shape == (0, 4, 4)
    with pytest.raises(KeyError, match="never occurs"):
        table.conditional(1)


def test_pair_sources_of_any_brightness_are_as_often_silent_as_thermal_light():
    """Each idler bin is thermal; half a bin's light of both nodes at each detector is thermal light of that mean."""
    for light, eta in itertools.product((1e-4, 0.3, 3.0), (0.1, 1.0)):
        optics = HeraldOptics("spdc_bsm", ((eta, eta),) * 2, ((1e-3, 1e-3),) * 2, mean_photons=(light, light))
        silent = (1 - 1e-3) ** 4 / (1 + light / 2 * eta) ** 4
        assert herald_table(optics).click_probability == pytest.approx(1 - silent)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"visibility": 1.1}, "between 0 and 1"),
        ({"efficiency": ((1.2, 0.1),)}, "between 0 and 1"),
        ({"dark": ((0.0, 0.0),) * 2}, "single_click has 1 windows"),
        ({"phase_noise_rad": -0.1}, "not negative"),
        ({"scheme": "serial", "resolving": True}, "do not resolve"),
        ({"visibility": math.nan}, "between 0 and 1"),
    ],
)
def test_what_is_no_physics_is_refused(changes, words):
    given = {"scheme": "single_click", "efficiency": ((0.1, 0.1),), "dark": QUIET, **changes}
    with pytest.raises(ValueError, match=words):
        HeraldOptics(**given)
