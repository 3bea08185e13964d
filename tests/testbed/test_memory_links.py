"""Memory links of a testbed file: their ways, what is refused and where, and the programs made of them."""

from pathlib import Path

import pytest
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.errors import TestbedFileError
from bellringer.testbed.loader import load
from bellringer.testbed.memory_links import find_paths
from bellringer.testbed.memory_prediction import predict_memory_link
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.wiring import Wiring

FILE = Path(__file__).parents[1] / "data" / "memory_link.yaml"
TEXT = FILE.read_text(encoding="utf-8")
TERMS = Terms(most_attempts=1000, most_s=10.0, max_age_s=5e-3, target="psi+")
C = 299_792_458.0


def lab(tmp_path: Path, *changes: tuple[str, str]):
    text = TEXT
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "lab.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path).testbed


def test_ways_have_the_length_delay_and_loss_of_their_fibres():
    testbed = load(FILE).testbed
    paths = find_paths(testbed, Wiring(testbed), testbed.memory_links["alice-bob"])
    alice, bob = paths.ways
    assert (alice.memory, alice.port, alice.length_m) == ("alice.memory", "charlie.station.a", 1000.0)
    assert bob.delay_s == pytest.approx(2000 * 1.468 / C)
    assert alice.transmission == pytest.approx(10 ** -((0.3 + 3.0) / 10))
    assert bob.transmission == pytest.approx(10 ** -((0.6 + 3.0) / 10))
    assert paths.splitter == "charlie.station"
    assert paths.detectors == ("charlie.detectors.1", "charlie.detectors.2")


@pytest.mark.parametrize(
    ("change", "place", "words", "hint"),
    [
        (("memories: [alice.memory,", "memories: [alice.memroy,"), "memories", "'alice.memroy'", "memory"),
        (("memories: [alice.memory, bob.memory]", "memories: [bob.memory, bob.memory]"), "memories", "same", "two"),
        (("station: charlie.core,", "station: charlie.detectors,"), "station", "is no station core", "charlie.core"),
        (("attempt_core, slots: 0", "attempt_core, slots: 1"), "station", "has memory slots", "slots: 0"),
        (("memories: [alice.memory,", "memories: [charlie.core,"), "memories", "is no memory", "alice.memory"),
        (("-> charlie.station.b", ""), "memories", "light of bob.memory ends at bob.fibre", "heralding station"),
        (
            ("  - charlie.station.2 -> charlie.detectors.2 -> charlie.core.2\n", ""),
            "memories",
            "charlie.station.2 goes nowhere",
            "charlie.station.2 -> node.detectors.1",
        ),
        (
            ("charlie.detectors.2 -> charlie.core.2", "charlie.detectors.2"),
            "memories",
            "pulses of charlie.detectors.2 go nowhere",
            "wire them",
        ),
        (("scheme: single_click", "scheme: serial"), "memories", "not at bob.memory", "from memory to memory"),
        (('window: "50 ns"', "window: 50"), "window", "without a unit", "50 s"),
        (("t2: \"8 ms\"", "t2: \"8 mV\""), "t2", "not a quantity in s", "8"),
        (("readout_fidelity_0: 0.95", "readout_fidelity_0: 1.5"), "readout_fidelity_0", "outside", "range"),
        (("scheme: single_click", "scheme: singel_click"), "scheme", "no valid scheme", "single_click"),
    ],
)  # fmt: skip
def test_a_wrong_link_is_refused_at_its_place(tmp_path, change, place, words, hint):
    with pytest.raises(TestbedFileError) as caught:
        lab(tmp_path, change)
    assert words in str(caught.value)
    assert hint in caught.value.hint or hint in str(caught.value)
    line = int(caught.value.where.split(":")[-2])
    assert place in (tmp_path / "lab.yaml").read_text(encoding="utf-8").splitlines()[line - 1]


@pytest.mark.parametrize("scheme", ["single_click", "two_click", "spdc_bsm", "serial"])
def test_the_program_of_a_link_meets_both_photons_in_its_windows(tmp_path, scheme):
    changes = [("scheme: single_click", f"scheme: {scheme}")]
    if scheme == "serial":
        changes.append(("alice.fibre -> charlie.station.a", "alice.fibre -> bob.memory"))
    testbed = lab(tmp_path, *changes)
    program = attempt_program(testbed, Wiring(testbed), "alice-bob", TERMS)
    assert (program.scheme, program.nodes, program.station) == (scheme, ("alice", "bob"), "charlie")
    assert len(program.windows) == (2 if scheme in ("two_click", "spdc_bsm") else 1)
    ways = {"alice": 1000.0, "bob": 2000.0} if scheme != "serial" else {"alice": 3000.0}
    window = program.windows[-1]
    for node, length in ways.items():
        last = max(p.begin_ps for p in program.pulses if p.node == node and p.channel in ("excite", "pump", "photon"))
        arrival = last + length * 1.468 / C * 1e12 - program.shift * program.period_ps
        assert arrival == pytest.approx(window.begin_ps, abs=2)


def test_a_brighter_state_heralds_more_often_and_worse(tmp_path):
    found = []
    for bright in ("0.02", "0.1", "0.3"):
        testbed = lab(tmp_path, ("bright_state: 0.05", f"bright_state: {bright}"))
        found.append(predict_memory_link(testbed, Wiring(testbed), "alice-bob"))
    assert found[0].rate_hz < found[1].rate_hz < found[2].rate_hz
    assert found[0].mean_fidelity > found[1].mean_fidelity > found[2].mean_fidelity


def test_a_link_without_light_and_dark_counts_has_a_rate_of_zero_and_no_fidelity(tmp_path):
    testbed = lab(tmp_path, ("emission: 0.3", "emission: 0"), ('dark_rate: "10 Hz"', 'dark_rate: "0 Hz"'))
    found = predict_memory_link(testbed, Wiring(testbed), "alice-bob")
    assert (found.rate_hz, found.fidelity) == (0.0, {})
    with pytest.raises(ValueError, match="never heralds"):
        assert found.mean_fidelity


def test_what_cores_calibrate_between_attempts_is_in_the_programs_of_the_link(tmp_path):
    testbed = lab(tmp_path, ('window: "50 ns"}', 'window: "50 ns", interleaved: {every: 1000, length: 24}}'))
    made = attempt_program(testbed, Wiring(testbed), "alice-bob", TERMS)
    assert (made.calibration.every, made.calibration.length) == (1000, 24)
    assert [made.calibrates(k) for k in (0, 999, 1000, 1023, 1024)] == [False, False, True, True, False]
    plain = lab(tmp_path)
    assert attempt_program(plain, Wiring(plain), "alice-bob", TERMS).calibration is None


def test_a_link_says_how_it_is_calibrated_with_units(tmp_path):
    plan = 'calibration: {every: "30 min", pairs: 90, visibility: 0.6}'
    found = lab(tmp_path, ('window: "50 ns"}', f'window: "50 ns", {plan}}}')).memory_links["alice-bob"].calibration
    assert (found.every, found.pairs, found.visibility) == (1800.0, 90, 0.6)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("{every: 1800, visibility: 0.6}", "unit"),
        ('{every: "30 min"}', "visibility"),
        ('{every: "30 min", visibility: 1.2}', "1"),
        ('{every: "30 min", visibility: 0.6, pairs: 9}', "60"),
        ('{every: "30 min", visibility: 0.6, pair: 90}', "pairs"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused_with_its_place(tmp_path, plan, words):
    with pytest.raises(TestbedFileError, match=words) as caught:
        lab(tmp_path, ('window: "50 ns"}', f'window: "50 ns", calibration: {plan}}}'))
    assert "calibration" in str(caught.value)
