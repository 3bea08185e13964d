"""The propagation of heralds: limits that can be written down, symmetries, and its own cut-off."""

import itertools
import math

import numpy as np
import pytest
from bellringer.physics import fock, states
from bellringer.physics import herald_propagation as propagation

DARK_1, DARK_2 = np.full((1, 2), 0.01), np.full((2, 2), 0.01)


def instruments() -> list[propagation.Instrument]:
    return [
        propagation.single_click((0.4, 0.2), (0.3, 0.2), 0.8, 0.4, DARK_1),
        propagation.two_click((0.4, 0.2), 0.8, 0.4, DARK_2),
        propagation.photon_pairs((0.4, 0.2), (0.02, 0.03), 0.8, 0.4, DARK_2, photons=3),
        propagation.serial((0.4, 0.2), 0.1, 0.8, 0.4, DARK_1),
    ]


@pytest.mark.parametrize("instrument", instruments(), ids=["single", "two", "pairs", "serial"])
def test_every_pattern_has_a_state_and_all_add_up_to_one(instrument):
    assert sum(np.trace(rho).real for rho in instrument.values()) == pytest.approx(1.0, abs=1e-6)
    for rho in instrument.values():
        assert rho == pytest.approx(rho.conj().T)
        assert np.linalg.eigvalsh(rho).min() > -1e-15


def test_two_photons_leave_an_ideal_splitter_together():
    """Hong, Ou, Mandel 1987: of both nodes bright, both detectors click only as far as the photons differ."""
    for visibility in (1.0, 0.7):
        clicks = propagation.single_click((1.0, 1.0), (1.0, 1.0), visibility, 0.0, np.zeros((1, 2)))
        assert np.trace(clicks[3]).real == pytest.approx((1 - visibility) / 2, abs=1e-12)


def test_the_beam_splitter_is_unitary_and_has_the_sign_of_detector_1():
    splitter = fock.beam_splitter(4)
    assert splitter @ splitter.conj().T == pytest.approx(np.eye(16))
    assert splitter[[4, 1], 4] == pytest.approx([math.sqrt(0.5)] * 2)
    assert splitter[[4, 1], 1] == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])


def test_lost_photons_are_binomial():
    total = sum(k.conj().T @ k for k in fock.loss(4, 0.3))
    assert total == pytest.approx(np.eye(4))
    left = sum(k[:, 3] * k[:, 3].conj() for k in fock.loss(4, 0.3)).real
    assert left == pytest.approx([0.7**3, 3 * 0.3 * 0.7**2, 3 * 0.3**2 * 0.7, 0.3**3])


def test_a_dark_node_gives_clicks_but_no_entanglement():
    clicks = propagation.two_click((0.3, 0.0), 1.0, 0.0, DARK_2)
    assert states.fidelity(propagation.conditional(clicks, 0b0011), "psi+") <= 0.5


def test_pair_sources_herald_both_pairs_of_one_source_as_often_as_one_of_each():
    """Small gain, no darks: P(one each) : P(two of one) = 1 : 3/4 a side before clicks; qubits hold 2/7 .. 1/2 of it.

    Of one pair each, half gives a psi herald (mu^2 eta^2 / 2). Of two pairs in one source, the part in different bins,
    a third of 3/4 mu^2, always does: mu^2 eta^2 / 4 for each source. So half of all heralds leave a qubit in each node.
    """
    mu, eta = 1e-3, 0.1
    clicks = propagation.photon_pairs((eta, eta), (mu, mu), 1.0, 0.0, np.zeros((2, 2)))
    heralds = [0b0011, 0b1100, 0b0110, 0b1001]
    assert propagation.probability(clicks, heralds) == pytest.approx(mu**2 * eta**2, rel=3e-3)
    for pattern, label in zip(heralds, ("psi+", "psi+", "psi-", "psi-")):
        found = states.fidelity(propagation.conditional(clicks, pattern), label)
        assert found == pytest.approx(0.5 + 0.5 * 0.25, abs=3e-3)


def test_cutting_off_pairs_later_changes_as_little_as_promised():
    found = [
        propagation.photon_pairs((0.3, 0.3), (0.02, 0.02), 0.9, 0.2, DARK_2, photons=photons)[0b0011]
        for photons in (2, 3, 4)
    ]
    first, second = (np.abs(later - before).max() for before, later in itertools.pairwise(found))
    assert second < 0.1 * first


def test_a_weak_serial_pulse_heralds_a_quarter_of_its_photons_in_phi_states():
    """Each node reflects half: mu eta / 4 in two detectors, and which detector tells the sign."""
    mu, eta = 1e-4, (0.5, 0.2)
    clicks = propagation.serial(eta, mu, 1.0, 0.0, np.zeros((1, 2)))
    assert propagation.probability(clicks, [1, 2]) == pytest.approx(mu * 0.1 / 4, rel=1e-3)
    assert states.fidelity(propagation.conditional(clicks, 1), "phi+") == pytest.approx(1.0, abs=1e-4)
    assert states.fidelity(propagation.conditional(clicks, 2), "phi-") == pytest.approx(1.0, abs=1e-4)


def test_lost_light_of_a_serial_pulse_tells_the_spins():
    """For small transmission the coherence is e^-mu: half of the light left at node A, half on the way."""
    clicks = propagation.serial((1e-3, 1e-3), 0.1, 1.0, 0.0, np.zeros((1, 2)))
    found = states.fidelity(propagation.conditional(clicks, 1), "phi+")
    assert found == pytest.approx((1 + math.exp(-0.1)) / 2, abs=1e-4)


def test_a_pattern_that_never_occurs_has_no_state():
    clicks = propagation.single_click((0.1, 0.1), (0.0, 0.0), 1.0, 0.0, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="probability of pattern 1"):
        propagation.conditional(clicks, 1)
