"""S, visibilities and rates of whole dry runs against the prediction from the file's own parameters.

Seeds 1 to 5, pump at 3, 10 and 20 mW, 1 s a setting (1 000 to 30 000 coincidences each): every pull below 4 sigma,
every five-seed mean pull below 3 sigma of the mean; at 3 and 20 mW seeds 3 to 5 and the means are soak tests. The
prediction is ``testbed.prediction``: closed forms, other code than the bench.
"""

import math
import statistics
import tempfile
from pathlib import Path

import pytest
from bellringer.console.dry_run import simulated_lab
from bellringer.console.files import load_checked
from bellringer.sequences import find_sequence, run_sequence
from bellringer.testbed.prediction import predict

pytestmark = pytest.mark.process

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
ALL_SEEDS = (1, 2, 3, 4, 5)


def bell_test(seed: int, *overrides: str, delay_ps: int = 0, fringe_points: int = 0, integration_s: float = 1.0):
    """Return (results, predicted) of one dry run of ``chsh``."""
    loaded = load_checked(EXAMPLE, overrides)
    asked = {"fringe_points": fringe_points, "integration_s": integration_s, "delay_ps": delay_ps}
    with tempfile.TemporaryDirectory() as folder, simulated_lab(EXAMPLE, overrides, seed) as lab:
        outcome = run_sequence(
            loaded, find_sequence("chsh"), asked, lab.clock, endpoints=lab.endpoints, runs=Path(folder)
        )
    assert outcome.status == "completed", outcome.error
    prediction = predict(loaded.testbed, loaded.testbed.links["alice-bob"])
    return outcome.results, prediction


def pull(estimate, expected: float) -> float:
    return (estimate.value - expected) / estimate.error


@pytest.mark.parametrize(
    ("power", "seeds"),
    [
        ("10 mW", ALL_SEEDS),
        *(pytest.param(power, (1, 2), marks=pytest.mark.soak) for power in ("3 mW", "20 mW")),
        *(pytest.param(power, ALL_SEEDS, marks=pytest.mark.soak) for power in ("3 mW", "20 mW")),
    ],
)
def test_each_result_lies_within_4_sigma_of_its_prediction_and_the_mean_of_five_seeds_within_3(power, seeds):
    pulls = []
    for seed in seeds:
        results, prediction = bell_test(seed, f"charlie.pump.power={power}")
        pulls.append({name: pull(results[name], expected) for name, expected in prediction.results().items()})
        assert {name: value for name, value in pulls[-1].items() if abs(value) >= 4} == {}, f"seed {seed}"
    if seeds == ALL_SEEDS:
        means = {name: statistics.mean(each[name] for each in pulls) for name in pulls[0]}
        assert {name: mean for name, mean in means.items() if abs(mean) * math.sqrt(len(seeds)) >= 3} == {}


def test_the_closed_form_is_the_textbooks_at_the_bell_state():
    """S = 2 sqrt 2 V with V = C / (C + 2 A), C and A per detector pair in the matched basis."""
    testbed = load_checked(EXAMPLE, ["charlie.pump.power=10 mW"]).testbed
    prediction = predict(testbed, testbed.links["alice-bob"])
    coincidences, accidentals = prediction.counts(0.0, 0.0)[0][2:4]
    visibility = coincidences / (coincidences + 2 * accidentals)
    assert prediction.results()["S"] == pytest.approx(2 * math.sqrt(2) * visibility, rel=1e-4)
    assert prediction.results()["visibility_HV"] == pytest.approx(visibility, rel=1e-4)


@pytest.mark.parametrize("theta", [0.0, 30.0, *(pytest.param(each, marks=pytest.mark.soak) for each in (11.25, 67.5))])
def test_s_and_the_diagonal_visibility_follow_the_pump_plate(theta):
    """visibility_DA = V |sin 4 theta| and S = sqrt 2 V (1 + sin 4 theta); seed 2, 15 000 pairs a setting, 4 sigma."""
    results, prediction = bell_test(2, f"charlie.pump_plate.angle={theta} deg")
    for name in ("S", "visibility_DA"):
        expected = prediction.results()[name]
        assert abs(pull(results[name], expected)) < 4
    sine = math.sin(math.radians(4 * theta))
    assert prediction.results()["S"] == pytest.approx(math.sqrt(2) * (1 + sine), abs=0.02)
    assert prediction.results()["visibility_DA"] == pytest.approx(abs(sine), abs=0.01)


def test_a_product_state_has_full_fringes_and_no_diagonal_visibility():
    """Pump plate at 0: |HH>. Seed 3; the fringe of a scanned plate says nothing about entanglement, |E| does."""
    results, _ = bell_test(3, "charlie.pump_plate.angle=0 deg", fringe_points=8)
    assert results["fringe_visibility_H"].value > 0.98
    assert results["fringe_visibility_D"].value > 0.95
    assert results["visibility_DA"].value < 4 * results["visibility_DA"].error
    assert abs(pull(results["S"], math.sqrt(2))) < 4
    assert results["S"].value < 2


@pytest.mark.parametrize("delay_ps", [0, *(pytest.param(each, marks=pytest.mark.soak) for each in (1_300, -250_000))])
def test_background_alone_violates_nothing_at_any_delay(delay_ps):
    """Pump dark, 200 kHz of unpolarised light on each arm; seed 4, about 100 accidentals a setting: |S| < 3 sigma."""
    overrides = (
        "charlie.pump.power=0 mW",
        "alice.fibre.background=200 kHz",
        "bob.fibre.background=200 kHz",
    )
    results, _ = bell_test(4, *overrides, delay_ps=delay_ps)
    assert abs(results["S"].value) < 3 * results["S"].error
    assert results["coincidence_rate"].value > 0


def test_no_light_at_all_is_null_with_a_reason():
    no_darks = [f"{node}.detectors.model.dark_rate=0 Hz" for node in ("alice", "bob")]
    overrides = ("charlie.pump.power=0 mW", *no_darks)
    results, _ = bell_test(5, *overrides)
    for name in ("S", "visibility_HV", "visibility_DA"):
        assert results[name].value is None
        assert "no coincidences" in results[name].reason
    assert results["coincidence_rate"].value == 0.0
