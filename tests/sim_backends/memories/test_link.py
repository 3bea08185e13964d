"""A memory link: from pulses and windows to clicks at their times, and to the qubits of both nodes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from bellringer.physics import states
from bellringer.sim_backends.bench.memories.bulk import aged, measure_pairs, readout_table
from bellringer.sim_backends.bench.memories.link_physics import attempt_optics
from bellringer.testbed.attempts import Calibration, Readout, Stop
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.memory_models import SpinQubitModel

T = 10**13
BOTH = ("alice", "bob")


def clicks(link, program, batch: int = 1, emitting: tuple[str, ...] = BOTH):
    return link.clicks(program, batch, T, program.attempts, emitting)


def full(lab, **changes: object):
    """Return the link's program made to measure, so that one herald does not end it."""
    return lab.program(keep="measure", stop=Stop(kind="full"), **changes)


def test_the_same_seed_and_batch_give_the_same_clicks_whatever_was_asked_before(setup):
    lab = setup()
    first, second = lab.link(seed=3), lab.link(seed=3)
    program = full(lab)
    clicks(second, program, 7)
    found = [clicks(link, program, 8) for link in (first, second)]
    assert found[0].k.tolist() == found[1].k.tolist()
    assert found[0].t_ps.tolist() == found[1].t_ps.tolist()
    assert clicks(first, program, 9).k.tolist() != found[0].k.tolist()
    assert clicks(lab.link(seed=4), program, 8).k.tolist() != found[0].k.tolist()


def test_heralds_come_inside_their_window_of_the_stations_period(setup):
    lab = setup(scheme="two_click")
    program = full(lab)
    found = clicks(lab.link(), program)
    late = program.windows[1]
    rest = found.t_ps - T - (found.k + program.shift) * program.period_ps
    inside = [(rest >= w.begin_ps) & (rest < w.begin_ps + w.length_ps) for w in program.windows]
    assert (inside[0] | inside[1]).all()
    has_late = (found.pattern & 0b1010) > 0
    assert (inside[1] == has_late).all()
    mean = (rest[has_late] - late.begin_ps).mean()
    spread = 12e3 / math.sqrt(has_late.sum())
    assert mean == pytest.approx(12e3, abs=5 * spread + 800)  # 12 ns photon; the window of 50 ns cuts its tail


def test_photons_of_many_attempts_are_under_way_where_periods_are_short(setup):
    """1 km each at a period of 3 us: the station's counter is ahead by whole periods, records have the node's own."""
    lab = setup(even=True)
    program = lab.program(Terms(most_attempts=100_000, most_s=1.0, keep="measure", target=None, period_s=3e-6))
    assert program.shift >= 2
    found = clicks(lab.link(), program)
    emitted = max(p.begin_ps for p in program.pulses if (p.node, p.channel) == ("bob", "excite"))
    flight = found.t_ps - T - found.k * program.period_ps - emitted
    least = 1000 * 1.468 / 299_792_458 * 1e12
    assert ((flight >= least - 2) & (flight <= least + 50_000)).all()


def test_reasons_tell_heralds_from_other_patterns(setup):
    lab = setup(scheme="two_click")
    found = clicks(lab.link(), full(lab))
    known = full(lab).table()
    assert {int(p) in known for p in found.pattern} == {True, False}
    for pattern, reason in zip(found.pattern, found.reasons()):
        assert reason == ("" if int(pattern) in known else "unknown pattern")


def test_detectors_that_resolve_numbers_report_double_clicks(setup):
    """Bright always, no loss to speak of: half of the attempts send two photons to one detector (seed 1, 4 sigma)."""
    lab = setup(bright_state=1.0, memory={"emission": 1.0}, even=True)
    link = lab.link()
    physics = link.physics_at(0)
    arms = tuple(replace(arm, transmission=1.0) for arm in physics.arms)
    sharp = replace(physics, arms=arms, detectors=(1.0, 1.0), visibility=0.0, resolving=True)
    link.physics_at = lambda now_ps: sharp
    found = clicks(link, full(lab))
    doubled = link.doubled(1)
    assert doubled.mean() == pytest.approx(0.5 * 0.985**2, abs=4 * 0.5 / math.sqrt(doubled.size) + 0.01)
    assert [reason == "two clicks in one window" for reason in found.reasons()] == doubled.tolist()


def test_a_wrong_shift_or_window_leaves_only_dark_counts(setup):
    lab = setup()
    program = full(lab)
    right = attempt_optics(lab.link().physics_at(0), program, BOTH)
    for wrong in (
        {"shift": program.shift + 1},
        {"windows": (program.windows[0].model_copy(update={"begin_ps": 0}),)},
    ):
        optics = attempt_optics(lab.link().physics_at(0), program.model_copy(update=wrong), BOTH)
        assert max(optics.efficiency[0]) < 1e-9
        assert optics.dark == right.dark


def test_a_window_that_opens_late_loses_the_head_of_the_photon_and_another_arrival_its_overlap(setup):
    lab = setup()
    program = full(lab)
    physics = lab.link().physics_at(0)
    window = program.windows[0]
    right = attempt_optics(physics, program, BOTH)
    late = program.model_copy(update={"windows": (window.model_copy(update={"begin_ps": window.begin_ps + 12_000}),)})
    assert attempt_optics(physics, late, BOTH).efficiency[0][0] == pytest.approx(
        right.efficiency[0][0] * math.exp(-1), rel=1e-3
    )
    moved = tuple(
        p.model_copy(update={"begin_ps": p.begin_ps + 6_000}) if (p.node, p.channel) == ("bob", "excite") else p
        for p in program.pulses
    )
    apart = attempt_optics(physics, program.model_copy(update={"pulses": moved}), BOTH)
    assert apart.visibility == pytest.approx(right.visibility * math.exp(-0.5), rel=1e-3)


def test_a_dark_node_sends_nothing(setup):
    lab = setup()
    alone = attempt_optics(lab.link().physics_at(0), full(lab), ("alice",))
    assert alone.efficiency[0][1] == 0.0
    assert alone.efficiency[0][0] > 0.01
    nobody = clicks(lab.link(), full(lab), emitting=())
    assert nobody.k.size == pytest.approx(200_000 * 1e-6, abs=5)


def test_a_keep_program_stops_at_its_first_herald(setup):
    lab = setup()
    program = lab.program()
    for batch in range(1, 30):
        found = clicks(lab.link(), program, batch)
        reasons = found.reasons()
        assert reasons.count("") == 1
        assert reasons[-1] == ""
        assert found.attempts == found.k[-1] + 1


def test_calibration_periods_are_silent_and_the_rest_is_as_often_as_without(setup):
    """Seed 1: clicks in 3 of 10 periods none; the others 200 000 x 0.7 x p, 5 sigma."""
    lab = setup()
    calibrating = full(lab, calibration=Calibration(every=7, length=3))
    found = clicks(lab.link(), calibrating)
    assert not any(calibrating.calibrates(int(k)) for k in found.k)
    mean = found.table.click_probability * 140_000
    assert found.k.size == pytest.approx(mean, abs=5 * math.sqrt(mean))
    assert found.attempts == calibrating.attempts


def test_qubits_of_a_herald_are_one_shared_state_that_can_be_used_once(setup):
    lab = setup(memory={"readout_fidelity_0": 1.0, "readout_fidelity_1": 1.0}, scheme="two_click", bright_state=0.5)
    link, like = lab.link(), 0
    program = full(lab)
    found = clicks(link, program)
    same_detector = [int(k) for k, p in zip(found.k, found.pattern) if p in (0b0011, 0b1100)][:40]
    for k in same_detector:
        now = T + (k + 1) * program.period_ps
        bits = link.measure("alice", 1, k, "Z", now), link.measure("bob", 1, k, "Z", now)
        like += bits[0] == bits[1]
        with pytest.raises(ValueError, match="measured or given up"):
            link.measure("alice", 1, k, "Z", now)
    assert like == 0
    with pytest.raises(ValueError, match="there is no attempt 200000"):
        link.operate("alice", 1, 200_000, "X", T)


def test_qubits_of_a_silent_attempt_are_as_silence_leaves_them(setup):
    """Bright spins are likelier to have clicked, and lost photons tell them: less bright, no coherence between them."""
    lab = setup(bright_state=0.5, memory={"emission": 1.0})
    link, program = lab.link(), full(lab)
    found = clicks(link, program)
    k = next(k for k in range(1000) if k not in found.k)
    qubits = [link.qubit(node, 1, k) for node in BOTH]
    state = link.memories.state(qubits, T + (k + 1) * program.period_ps)
    every = sum(p * s for p, s in zip(found.table.probability, found.table.state))
    silent = (1 - found.table.click_probability) * found.table.silent
    assert np.diag(every + silent).real == pytest.approx([0.25] * 4)
    assert state[0, 0].real > 0.25
    assert state[3, 3].real < 0.25


def test_a_kept_qubit_outlives_the_memory_of_its_batch(setup):
    lab = setup()
    link, program = lab.link(), lab.program()
    found = clicks(link, program, 1)
    k, now = int(found.k[-1]), int(found.t_ps[-1])
    link.operate("alice", 1, k, "Z", now)
    for batch in range(2, 300):
        clicks(link, program, batch)
    assert link.measure("bob", 1, k, "Z", now) in (0, 1)


def test_qubits_age_from_their_emission(setup):
    lab = setup()
    link, program = lab.link(), lab.program()
    found = clicks(link, program)
    k = int(found.k[-1])
    emitted = {p.node: p.begin_ps for p in program.pulses if p.channel == "excite"}
    for node, begin in emitted.items():
        qubit = link.qubit(node, 1, k)
        assert link.memories.age_ps(qubit, int(found.t_ps[-1])) == found.t_ps[-1] - T - k * program.period_ps - begin


def test_measured_bits_follow_the_conditional_states(setup):
    """Seed 1, 2e6 attempts in the cycle of bases XX, YY, ZZ: correlators to 4 sigma, with readout errors."""
    lab = setup(memory={"readout_fidelity_0": 0.95, "readout_fidelity_1": 0.98})
    readout = tuple(Readout(node=node, bases=("X", "Y", "Z")) for node in BOTH)
    program = full(lab, readout=readout, most_attempts=2_000_000)
    link = lab.link()
    found = clicks(link, program)
    bits = link.measured(1)
    for turn, names in enumerate(("XX", "YY", "ZZ")):
        for pattern in (1, 2):
            chosen = (found.k % 3 == turn) & (found.pattern == pattern)
            products = (1 - 2.0 * bits[0][chosen]) * (1 - 2.0 * bits[1][chosen])
            probabilities = readout_probabilities(link, found, pattern, names)
            expected = probabilities[0] - probabilities[1] - probabilities[2] + probabilities[3]
            assert products.mean() == pytest.approx(expected, abs=4 / math.sqrt(chosen.sum()))


def test_a_core_reads_of_a_herald_what_was_drawn_for_its_batch_and_one_node_alone_measures_its_qubit(setup):
    lab = setup()
    program = full(lab, readout=tuple(Readout(node=node, bases=("X", "Y", "Z")) for node in BOTH))
    link = lab.link()
    for batch in (1, 2, 1):  # drawn again, as after a restart of the lab
        found = clicks(link, program, batch)
        drawn = dict(zip(BOTH, link.measured(batch), strict=True))
        for node in reversed(BOTH):
            read = [link.read(node, batch, int(k), "X", T) for k in found.k]
            assert read == drawn[node].tolist()
    silent = next(k for k in range(1000) if k not in found.k)
    with pytest.raises(ValueError, match=f"attempt {silent} of batch 1 had no click"):
        link.read("alice", 1, silent, "X", T)

    program = full(lab, readout=(Readout(node="alice", bases=("Z",)),))
    k = int(clicks(link, program, 3).k[0])
    now = T + (k + 1) * program.period_ps
    assert link.read("alice", 3, k, "Z", now) in (0, 1)
    assert link.measure("bob", 3, k, "Z", now) in (0, 1)
    with pytest.raises(ValueError, match="measured or given up"):
        link.measure("alice", 3, k, "Z", now)


def readout_probabilities(link, found, pattern: int, names: str) -> np.ndarray:
    """Return the four probabilities of one basis pair, by another way than the link's: Kronecker products by hand."""
    rho = found.table.conditional(pattern)
    flips = np.array([[0.95, 0.05], [0.02, 0.98]])
    ideal = []
    for a in (1, -1):
        for b in (1, -1):
            first, second = (np.eye(2) + sign * states.PAULI[name] for sign, name in zip((a, b), names))
            ideal.append(np.trace(rho @ np.kron(first, second) / 4).real)
    return np.einsum("ij,ia,jb->ab", np.reshape(ideal, (2, 2)), flips, flips).ravel()


def test_bits_of_many_pairs_with_ages_of_their_own_are_those_of_each():
    """Seed 51: 60 000 pairs of three ages; 4 sigma for each age."""
    text = {"kind": "spin_qubit", "t2": "1 ms", "stretch": 2, "emission": 1.0, "lifetime": "10 ns"}
    models = [SpinQubitModel.model_validate(text)] * 2
    ages = np.array([0.0, 0.5e-3, 1e-3])
    rho = aged(states.bell_state("psi+"), models, (ages, ages))
    which = np.repeat(np.arange(3), 20_000)
    zeros = np.zeros(which.size, np.int64)
    bits = measure_pairs(readout_table(rho, models), np.random.default_rng(51), which, zeros, zeros)
    products = (1 - 2.0 * bits[0]) * (1 - 2.0 * bits[1])
    for number, age in enumerate(ages):
        expected = math.exp(-2 * (age / 1e-3) ** 2)
        assert products[which == number].mean() == pytest.approx(expected, abs=4 / math.sqrt(20_000))
