"""Builders: photons of one attempt meet in their windows, tables say what the clicks mean, the period is lawful."""

import math

import pytest
from bellringer.testbed.attempts import from_json
from bellringer.testbed.attempts.builders import Arm, Terms, serial, single_click, spdc_bsm, two_click
from bellringer.testbed.errors import ProgramError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

BINS = {"prepare_s": 2e-6, "pulse_s": 1e-8, "separation_s": 1e-6, "flip_s": 2e-7, "window_s": 5e-8}
SCHEMES = {
    "single_click": (single_click, {key: BINS[key] for key in ("prepare_s", "pulse_s", "window_s")}),
    "two_click": (two_click, BINS),
    "spdc_bsm": (spdc_bsm, {key: BINS[key] for key in ("pulse_s", "separation_s", "window_s")}),
    "serial": (serial, BINS),
}
EMITTERS = {"single_click": "excite", "two_click": "excite", "spdc_bsm": "pump", "serial": "photon"}


def built(scheme, arms, terms, **changes):
    builder, times = SCHEMES[scheme]
    return builder(arms, "charlie", terms, **{**times, **changes})


def arrivals(made, arms, scheme):
    """When photons of node attempt k = 0 come to the station: per emission pulse, ps since T."""
    return {
        (arm.node, pulse.begin_ps): pulse.begin_ps + arm.photon_s * 1e12
        for arm in arms
        for pulse in made.pulses
        if pulse.node == arm.node and pulse.channel == EMITTERS[scheme]
    }


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@settings(deadline=None)
@given(
    ways=st.tuples(st.floats(0, 4e-4), st.floats(0, 4e-4)),
    period=st.none() | st.floats(4.2e-4, 2e-3),
    modes=st.integers(1, 5),
)
def test_photons_of_one_attempt_meet_at_the_beginning_of_their_window(scheme, ways, period, modes):
    arms = [Arm(name, way, way) for name, way in zip(("alice", "bob"), sorted(ways, reverse=True))]
    terms = Terms(1000, 10.0, max_age_s=1.0, memory_modes=modes, period_s=period)
    try:
        made = built(scheme, arms, terms)
    except ProgramError as error:
        assume(period is None)
        raise AssertionError(f"no period was wished for, and yet: {error}") from error
    begins = sorted(window.begin_ps + made.shift * made.period_ps for window in made.windows)
    if scheme == "serial":  # the early bin is delayed at the station; the late one meets it there
        begins = [begins[0] - 1_000_000, *begins]
    seen = arrivals(made, arms, scheme)
    assert len(seen) == len(begins) * (1 if scheme == "serial" else 2)
    for at in seen.values():
        assert min(abs(at - begin) for begin in begins) <= 2  # ps: two roundings up
    assert 0 <= made.windows[0].begin_ps < made.period_ps
    assert made.windows[-1].begin_ps + made.windows[-1].length_ps <= made.period_ps


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_the_shortest_period_of_one_memory_is_the_round_trip(scheme):
    arms = (Arm.fibre("alice", 10e3), Arm.fibre("bob", 10e3))
    made = built(scheme, arms, Terms(1000, 10.0, max_age_s=0.01, decision_s=1e-6))
    way = 10e3 * 1.468 / 299_792_458
    last = {"single_click": 2e-6, "two_click": 3e-6, "spdc_bsm": 1e-6, "serial": 3e-6}[scheme]
    assert made.period_ps == made.round_trip_ps == pytest.approx((last + 5e-8 + 2 * way + 1e-6) * 1e12, abs=10)
    assert made.shift == 0


def test_more_memories_make_the_period_shorter_and_the_station_count_ahead():
    arms = (Arm.fibre("alice", 50e3), Arm.fibre("bob", 50e3))
    made = built("single_click", arms, Terms(1000, 10.0, max_age_s=0.01, memory_modes=10))
    assert made.round_trip_ps / 10 <= made.period_ps < made.round_trip_ps / 9
    assert made.in_flight <= 10
    assert made.shift == math.floor((2e-6 + 50e3 * 1.468 / 299_792_458) * 1e12 / made.period_ps) > 0


def test_qubits_measured_at_once_need_no_more_time_than_the_pulses():
    arms = (Arm.fibre("alice", 50e3), Arm.fibre("bob", 50e3))
    made = built("spdc_bsm", arms, Terms(1000, 1.0, keep="measure", target=None))
    assert made.period_ps < 2_200_000
    assert made.shift > 100
    assert made.feedforward == ()


def test_times_lie_on_the_grid_of_the_coarsest_core():
    arms = (Arm.fibre("alice", 12_345.0), Arm.fibre("bob", 5_432.1))
    made = built("two_click", arms, Terms(1000, 1.0, max_age_s=0.01, grid_s=8e-9))
    times = [made.period_ps, *(t for pulse in made.pulses for t in (pulse.begin_ps, pulse.length_ps))]
    assert all(time % 8000 == 0 for time in times)


def test_click_tables():
    arms = (Arm("alice", 1e-6, 1e-6), Arm("bob", 1e-6, 1e-6))
    tables = {name: built(name, arms, Terms(1000, 1.0, max_age_s=0.01)).table() for name in SCHEMES}
    assert tables["single_click"] == {0b01: "psi+", 0b10: "psi-"}
    assert tables["serial"] == {0b01: "phi+", 0b10: "phi-"}
    both = {0b0011: "psi+", 0b1100: "psi+", 0b1001: "psi-", 0b0110: "psi-"}  # bits: d0 early, d0 late, d1 early, ...
    assert tables["two_click"] == tables["spdc_bsm"] == both


def test_every_label_owes_its_correction_at_the_node_that_was_asked_for():
    arms = (Arm("alice", 1e-6, 1e-6), Arm("bob", 1e-6, 1e-6))
    terms = Terms(1000, 1.0, max_age_s=0.01, target="psi-", corrects="bob", deadline_s=2e-3)
    made = built("single_click", arms, terms)
    assert [(each.label, each.node, each.operation, each.deadline_ps) for each in made.feedforward] == [
        ("psi+", "bob", "Z", 2 * 10**9),
        ("psi-", "bob", "I", 2 * 10**9),
    ]


def test_without_a_deadline_a_correction_may_come_until_the_memory_cut_off():
    arms = (Arm("alice", 3e-6, 1e-6), Arm("bob", 3e-6, 1e-6))
    made = built("single_click", arms, Terms(1000, 1.0, max_age_s=0.01))
    herald = made.windows[0].begin_ps + made.shift * made.period_ps  # of the attempt that began at 0
    assert {each.deadline_ps for each in made.feedforward} == {10**10 - herald}


def test_a_built_program_survives_its_own_bytes():
    for name in SCHEMES:
        made = built(name, (Arm("alice", 1e-6, 1e-6), Arm("bob", 1e-6, 1e-6)), Terms(1000, 1.0, max_age_s=0.01))
        assert from_json(made.canonical()) == made
        assert made.scheme == name


ARMS = (Arm("alice", 2e-6, 1e-6), Arm("bob", 1e-6, 1e-6))


@pytest.mark.parametrize(
    ("scheme", "arms", "terms", "times", "said"),
    [
        ("two_click", ARMS, {}, {"window_s": math.nan}, "window_s is nan, not a time"),
        ("two_click", ARMS, {}, {"pulse_s": math.inf}, "pulse_s is inf, not a time"),
        ("two_click", ARMS, {}, {"pulse_s": True}, "pulse_s is True, not a time"),
        ("two_click", ARMS, {}, {"prepare_s": -1e-9}, "prepare_s is -1e-09 s"),
        ("two_click", ARMS, {}, {"pulse_s": 0.0}, "pulse_s is 0.0 s, less than a picosecond"),
        ("two_click", ARMS, {}, {"flip_s": 2e-6}, "separation_s: pulse and flip take 2.01e-06 s of 1e-06 s"),
        ("serial", ARMS, {}, {"flip_s": 2e-6}, "separation_s: pulse and flip take"),
        ("serial", ARMS[::-1], {}, {}, "arms: their ways to the station .* not falling"),
        ("single_click", (), {}, {}, "arms: there is none"),
        ("single_click", ARMS, {}, {"detectors": ("d0",)}, "detectors: 1 are given"),
        ("single_click", ARMS, {"max_age_s": 1e-6}, {}, "max_age_s: the memory cut-off is reached before"),
        ("single_click", ARMS, {"max_age_s": 0.0}, {}, "max_age_s"),
        ("single_click", ARMS, {"target": None}, {}, "nothing is said about psi"),
        ("single_click", ARMS, {"corrects": "eve"}, {}, "'eve' is no node"),
        ("single_click", ARMS, {"period_s": 3e-6}, {}, "period_ps: 3 attempts are under way"),
        ("single_click", ARMS, {"most_s": 1e-9}, {}, "most_ps: 1000 ps end before one attempt"),
        ("single_click", ARMS, {"grid_s": 0.0}, {}, "grid_s is 0.0 s"),
        (
            "single_click",
            (Arm("alice", 1.0, 1.0), ARMS[1]),
            {"period_s": 0.5, "max_age_s": 9.0},
            {},
            "pulse on excite ends at",
        ),
    ],
)
def test_row_07_and_08_what_cannot_be_is_refused_by_name(scheme, arms, terms, times, said):
    with pytest.raises(ProgramError, match=said) as caught:
        built(scheme, arms, Terms(**{"most_attempts": 1000, "most_s": 1.0, "max_age_s": 0.01, **terms}), **times)
    assert caught.value.hint


def test_a_negative_fibre_is_refused():
    with pytest.raises(ValueError, match="length_m"):
        Arm.fibre("alice", -1.0)
