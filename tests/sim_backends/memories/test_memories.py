"""Stored qubits: lazy and exact decay, operations with their errors, measurements that collapse the shared state."""

import math

import numpy as np
import pytest
from bellringer.physics import channels, states
from bellringer.sim_backends.bench.memories.memories import Memories
from bellringer.testbed.memory_models import SpinQubitModel

MS = 10**9


def model(**changes: float) -> SpinQubitModel:
    perfect = {"kind": "spin_qubit", "t2": 1e6, "t1": 1e6, "emission": 1.0, "lifetime": 1e-8}
    return SpinQubitModel.model_construct(**{**SpinQubitModel.model_validate(TEXT).model_dump(), **perfect, **changes})


TEXT = {"kind": "spin_qubit", "t2": "1 s", "emission": 1.0, "lifetime": "10 ns"}


def memories(seed: int = 1, **nodes: SpinQubitModel) -> Memories:
    return Memories({"a": model(), "b": model(), **nodes}, np.random.default_rng(seed))


def pair(bank: Memories, rho: np.ndarray, first: str = "A", second: str = "B", nodes: str = "ab") -> None:
    bank.store({first: nodes[0], second: nodes[1]}, rho, (0, 0))


def test_a_pair_decays_as_the_channels_say_whenever_it_is_looked_at():
    slow, fast = model(t1=5e-3, t2=2e-3, stretch=1.6), model(t1=9e-3, t2=4e-3)
    rho = states.werner_state("psi-", 0.9)
    once, often = memories(a=slow, b=fast), memories(a=slow, b=fast)
    for bank in (once, often):
        bank.store({"A": "a", "B": "b"}, rho, (0, MS // 2))
    for now in (MS // 2, MS, 3 * MS // 2):
        often.state(["A", "B"], now)
    found = [bank.state(["A", "B"], 2 * MS) for bank in (once, often)]
    expected = channels.stored(rho, 0, 0, 2e-3, 5e-3, 2e-3, 1.6)
    expected = channels.stored(expected, 1, 0, 1.5e-3, 9e-3, 4e-3)
    assert found[0] == pytest.approx(expected)
    assert found[1] == pytest.approx(expected)
    assert (once.age_ps("A", 2 * MS), once.age_ps("B", 2 * MS)) == (2 * MS, 3 * MS // 2)


def test_gates_have_the_average_fidelity_of_the_model_and_no_gate_has_none():
    bank = memories(a=model(gate_fidelity=0.98))
    pair(bank, states.bell_state("psi+"))
    bank.operate("A", "I", 0)
    assert bank.state(["A", "B"], 0) == pytest.approx(states.bell_state("psi+"))
    bank.operate("A", "X", 0)
    assert states.fidelity(bank.state(["A", "B"], 0), "phi+") == pytest.approx(1 - 0.75 * 0.04)


def test_attempts_dephase_a_stored_qubit():
    bank = memories(a=model(attempts_per_e=1800.0))
    pair(bank, states.bell_state("psi+"))
    bank.attempts("A", 150)
    bank.attempts("A", 300)
    bank.attempts("B", 1000)
    assert states.fidelity(bank.state(["A", "B"], 0), "psi+") == pytest.approx((1 + math.exp(-0.25)) / 2)


def test_measuring_one_qubit_collapses_the_other_wherever_it_is():
    for basis, like in (("X", True), ("Y", True), ("Z", False)):
        for seed in range(20):
            bank = memories(seed)
            pair(bank, states.bell_state("psi+"))
            bits = bank.measure("A", basis, 0), bank.measure("B", basis, 5 * MS)
            assert (bits[0] == bits[1]) == like
            assert "A" not in bank
            assert "B" not in bank


def test_outcomes_and_readout_errors_come_as_often_as_the_state_says():
    """Seed 41, 2000 pairs; 4 sigma of each of the four results."""
    noisy = model(readout_fidelity_0=0.9, readout_fidelity_1=0.8)
    bank, rho = memories(41, a=noisy), states.werner_state("phi+", 0.8)
    counts = np.zeros(4)
    for number in range(2000):
        pair(bank, rho, f"A{number}", f"B{number}")
        counts[2 * bank.measure(f"A{number}", "X", 0) + bank.measure(f"B{number}", "X", 0)] += 1
    share = channels.outcome_probabilities(rho, "XX")
    expected = 2000 * channels.misread(share, channels.confusion(0.9, 0.8), channels.confusion(1, 1))
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


@pytest.mark.parametrize("first", states.LABELS)
@pytest.mark.parametrize("second", states.LABELS)
def test_swapping_two_bell_states_leaves_the_bell_state_that_the_labels_say(first, second):
    for seed in range(8):
        bank = memories(seed)
        pair(bank, states.bell_state(first), "A", "B1", "ab")
        pair(bank, states.bell_state(second), "B2", "C", "ba")
        label = bank.bell_measure("B1", "B2", 0)
        left = bank.state(["A", "C"], 0)
        for step in (first, label, second):  # corrections of the three labels to phi+ bring the pair to phi+
            left = channels.unitary(left, states.PAULI[states.correction(step, "phi+")], 0)
        assert states.fidelity(left, "phi+") == pytest.approx(1.0)


def test_a_noisy_swap_averages_to_the_propagated_density_matrix():
    """Seed 42, 1500 swaps of Werner states with gate, readout and storage errors; 4 sigma of the mean fidelity.

    The label tells the correction, wrong readout included; propagated: outcome by outcome, with all misread labels.
    """
    at_b = model(gate_fidelity=0.99, two_qubit_fidelity=0.97, readout_fidelity_0=0.96, readout_fidelity_1=0.98, t2=2e-3)
    bank = memories(42, b=at_b)
    found = []
    for number in range(1500):
        names = [f"{name}{number}" for name in ("A", "B", "b", "C")]
        pair(bank, states.werner_state("phi+", 0.9), names[0], names[1], "ab")
        pair(bank, states.werner_state("phi+", 0.85), names[2], names[3], "ba")
        label = bank.bell_measure(names[1], names[2], MS)
        left = bank.state([names[0], names[3]], MS)
        left = channels.unitary(left, states.PAULI[states.correction(label, "phi+")], 0)
        found.append(float(states.fidelity(left, "phi+")))
        bank.drop(names[0])
        bank.drop(names[3])
    assert np.mean(found) == pytest.approx(propagated_swap(at_b), abs=4 * np.std(found) / math.sqrt(1500))


def propagated_swap(at_b: SpinQubitModel) -> float:
    """Return the fidelity to phi+ after the swap of the test above, all outcomes and misreadings weighed."""
    cnot = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
    rho = np.kron(states.werner_state("phi+", 0.9), states.werner_state("phi+", 0.85))
    for qubit in (1, 2):
        rho = channels.dephase(rho, qubit, math.exp(-1e-3 / at_b.t2))
    rho = channels.depolarise(channels.unitary(rho, cnot, 1), 1, 4 / 3 * (1 - at_b.two_qubit_fidelity), 2)
    rho = channels.unitary(rho, channels.BASIS_CHANGE["X"], 1)
    rho = channels.depolarise(rho, 1, 2 * (1 - at_b.gate_fidelity))
    right = at_b.readout_fidelity_0, at_b.readout_fidelity_1
    label = {(0, 0): "phi+", (0, 1): "psi+", (1, 0): "phi-", (1, 1): "psi-"}
    total = 0.0
    blocks = rho.reshape(2, 2, 2, 2, 2, 2, 2, 2)
    for sign, flip in label:
        kept = blocks[:, sign, flip, :, :, sign, flip, :].reshape(4, 4)
        for read, name in label.items():
            chance = math.prod(r if bit == seen else 1 - r for bit, seen, r in
                               ((sign, read[0], right[sign]), (flip, read[1], right[flip])))  # fmt: skip
            turned = channels.unitary(kept, states.PAULI[states.correction(name, "phi+")], 0)
            total += chance * float(states.fidelity(turned, "phi+"))
    return total


def test_teleportation_through_a_stored_pair_brings_the_input_state():
    """Six inputs, each with every outcome over seeds 0 to 11, exact without errors."""
    for basis in "XYZ":
        for vector in channels.BASIS_CHANGE[basis].conj():
            for seed in range(12):
                bank = memories(seed)
                pair(bank, states.bell_state("psi-"))
                bank.store({"input": "a"}, np.outer(vector, vector.conj()), (0,))
                label = bank.bell_measure("input", "A", 0)
                for step in (label, "psi-"):
                    bank.operate("B", states.correction(step, "phi+"), 0)
                assert (vector.conj() @ bank.state(["B"], 0) @ vector).real == pytest.approx(1.0)


def test_giving_up_a_qubit_leaves_the_other_mixed():
    bank = memories()
    pair(bank, states.bell_state("psi+"))
    bank.drop("A")
    assert bank.state(["B"], 0) == pytest.approx(np.eye(2) / 2)


def test_refusals():
    bank = memories()
    pair(bank, states.bell_state("psi+"))
    with pytest.raises(ValueError, match="there is a qubit 'A' already"):
        pair(bank, states.bell_state("psi+"), "A", "C")
    with pytest.raises(ValueError, match="at one node"):
        bank.bell_measure("A", "B", 0)
    bank.state(["A"], MS)
    with pytest.raises(ValueError, match="is earlier"):
        bank.operate("A", "X", 0)
    for number in range(3):
        pair(bank, states.bell_state("psi+"), f"c{number}", f"d{number}", "aa")
    bank.store({"e": "a"}, np.eye(2) / 2, (0,))
    bank.state(["c0", "c1"], MS)
    bank.state(["c1", "c2"], MS)
    with pytest.raises(ValueError, match="at most 6"):
        bank.state(["c0", "e"], MS)
