"""Bell states, fidelities and corrections, against vectors written out by hand and random states."""

import numpy as np
import pytest
from bellringer.physics import states

HALF = np.sqrt(0.5)


def test_labels_name_these_vectors():
    assert states.bell_vector("phi+") == pytest.approx([HALF, 0, 0, HALF])
    assert states.bell_vector("phi-") == pytest.approx([HALF, 0, 0, -HALF])
    assert states.bell_vector("psi+") == pytest.approx([0, HALF, HALF, 0])
    assert states.bell_vector("psi-") == pytest.approx([0, HALF, -HALF, 0])


@pytest.mark.parametrize(
    ("label", "signs"), [("phi+", (1, -1, 1)), ("phi-", (-1, 1, 1)), ("psi+", (1, 1, -1)), ("psi-", (-1, -1, -1))]
)
def test_fidelity_is_the_mean_of_the_correlators_with_the_labels_signs(label, signs, random_states):
    rho = random_states(50)
    correlators = [states.correlator(rho, names) for names in ("XX", "YY", "ZZ")]
    expected = (1 + sum(sign * value for sign, value in zip(signs, correlators))) / 4
    assert states.fidelity(rho, label) == pytest.approx(expected)


def test_the_four_fidelities_of_a_state_add_up_to_one(random_states):
    rho = random_states(50)
    assert sum(states.fidelity(rho, label) for label in states.LABELS) == pytest.approx(np.ones(50))


@pytest.mark.parametrize("label", states.LABELS)
@pytest.mark.parametrize("target", states.LABELS)
def test_the_correction_brings_a_label_to_the_target_at_either_node(label, target):
    operation = states.correction(label, target)
    for names in (f"I{operation}", f"{operation}I"):
        turned = states.pauli_pair(names) @ states.bell_state(label) @ states.pauli_pair(names).conj().T
        assert states.fidelity(turned, target) == pytest.approx(1.0)


def test_corrections_to_phi_plus_are_the_ones_of_the_teleportation_papers():
    assert [states.correction(label, "phi+") for label in ("phi+", "phi-", "psi+", "psi-")] == ["I", "Z", "X", "Y"]


@pytest.mark.parametrize("fidelity", [0.25, 0.7, 1.0])
def test_a_werner_state_has_its_fidelity_and_shares_the_rest_equally(fidelity):
    rho = states.werner_state("psi-", fidelity)
    found = {label: float(states.fidelity(rho, label)) for label in states.LABELS}
    assert found.pop("psi-") == pytest.approx(fidelity)
    assert list(found.values()) == pytest.approx([(1 - fidelity) / 3] * 3)


def test_refusals_say_what_is_valid():
    with pytest.raises(ValueError, match=r"no Bell state; valid: phi\+"):
        states.bell_vector("phi")
    with pytest.raises(ValueError, match="two letters"):
        states.pauli_pair("XYZ")
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 4, 4\)"):
        states.fidelity(np.eye(2), "phi+")
    with pytest.raises(ValueError, match=r"fidelity is 0\.2"):
        states.werner_state("phi+", 0.2)
