"""The optical bench against closed forms: rates, correlations, dispersion, clocks' independence of who reads when.

Statistical tests: seed 11, about 1e5 counts each, 4 sigma accepted unless said otherwise.
"""

from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis import Tags, coincidences, correlogram
from bellringer.sim_backends.lab.build import build_lab
from bellringer.testbed.loader import load
from bellringer.testbed.prediction import predict

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
S = 10**12
DELAY_PS = round(5000 * 1.468 / 299_792_458 * 1e12)
INPUTS = [f"{node}.tagger.{number}" for node in ("alice", "bob") for number in (1, 2)]


def lit_lab(overrides=None, seed=11, plate=22.5):
    """Return (testbed, lab) with everything on, as after the instruments were set; no wire is used."""
    testbed = load(EXAMPLE, overrides or {}).testbed
    lab = build_lab(testbed, seed)
    lab.twins["charlie.pump"].power.set(0, 0.010)
    lab.twins["charlie.oven"].temperature.set(0, 45.0)
    lab.twins["charlie.pump_plate"].angle.set(0, plate)
    for node in ("alice", "bob"):
        lab.twins[f"{node}.plate"].angle.set(0, 0.0)
        lab.twins[f"{node}.detectors"].enabled.set(0, 1.0)
        for bias in lab.twins[f"{node}.detectors"].bias:
            bias.set(0, 20e-6)
    return testbed, lab


@pytest.fixture
def light():
    labs = []

    def make(*args, **keywords):
        labs.append(lit_lab(*args, **keywords)[1])
        return labs[-1]

    yield make
    for lab in labs:
        lab.stop()
        lab.run()  # closes every port


def record(lab, start=S, seconds=1.0):
    capture = lab.bench.capture(INPUTS, start)
    clicks = capture.read(start + round(seconds * S))
    capture.close()
    return clicks


def merged(clicks):
    """Return channels 0 and 1 of Alice, 2 and 3 of Bob."""
    return Tags.merge([Tags(clicks[p], np.full(len(clicks[p]), channel)) for channel, p in enumerate(INPUTS)])


def pairs_of(clicks, window=600, delay=DELAY_PS):
    pairs = [(0, 2), (0, 3), (1, 2), (1, 3)]
    return coincidences(merged(clicks), pairs, window, {0: delay, 1: delay}).reshape(2, 2)


@pytest.mark.parametrize("angles", [(0.0, 0.0), (45.0, 45.0), (0.0, 22.5), (45.0, 67.5), (30.0, -12.0)])
def test_counts_of_every_detector_pair_follow_the_closed_form(light, angles):
    lab = light()
    for node, angle in zip(("alice", "bob"), angles):
        lab.twins[f"{node}.plate"].angle.set(0, angle / 2)
    counts = pairs_of(record(lab))
    testbed = load(EXAMPLE).testbed
    for i, j, coincident, accidental, _ in predict(testbed, testbed.links["alice-bob"]).counts(*angles):
        expected = coincident + accidental
        assert abs(counts[(1 - i) // 2, (1 - j) // 2] - expected) < 4 * np.sqrt(expected) + 1


def test_singles_follow_pump_power_and_phase_matching(light):
    lab = light()
    bright = record(lab)[INPUTS[0]].size
    lab.twins["charlie.pump"].power.set(2 * S, 0.005)
    half = record(lab, 3 * S)[INPUTS[0]].size
    lab.twins["charlie.oven"].temperature.set(4 * S, 47.0)  # half the acceptance away: half the rate
    quarter = record(lab, 5 * S)[INPUTS[0]].size
    for measured, expected in ((half, bright / 2), (quarter, bright / 4)):
        assert abs(measured - expected) < 4 * np.sqrt(expected * 2)


def test_the_pair_rate_does_not_depend_on_the_pump_plate(light):
    totals = [sum(record(light(plate=plate))[port].size for port in INPUTS[:2]) for plate in (0.0, 10.0, 22.5)]
    assert np.ptp(totals) < 4 * np.sqrt(2 * totals[0])


def test_dispersion_adds_over_both_arms(light):
    """Seed 11, 15 000 pairs: FWHM of the peak from its variance, against 226 ps of dispersion and two 50 ps jitters."""
    tags = merged(record(light()))
    histogram, off = (
        correlogram(tags, (0, 1), (2, 3), 10, 600, {0: delay, 1: delay}) for delay in (DELAY_PS, DELAY_PS + 5000)
    )
    background = np.mean(off.counts)
    counts = histogram.counts - background
    sigma = np.sqrt(
        np.average(histogram.centres_ps**2, weights=counts) - np.average(histogram.centres_ps, weights=counts) ** 2
    )
    expected = np.hypot(226.0, np.sqrt(2) * 50.0) / 2.3548
    assert abs(sigma - expected) < 4 * expected / np.sqrt(2 * counts.sum()) + 1.0


def test_clicks_are_ascending_and_respect_the_dead_time_across_cells(light):
    clicks = record(light())
    for port in INPUTS:
        assert np.diff(clicks[port]).min() >= 30_000 - 1


def test_tags_do_not_depend_on_who_reads_when(light):
    whole = record(light())
    lab = light()
    other = lab.bench.capture(INPUTS[2:], S // 2)
    capture = lab.bench.capture(INPUTS, S)
    pieces = [capture.read(S + step * S // 7) for step in (1, 2, 5, 7)]
    other.read(2 * S)
    for port in INPUTS:
        assert (np.concatenate([piece[port] for piece in pieces]) == whole[port]).all()


def test_another_seed_gives_other_tags(light):
    one, two = record(light())[INPUTS[0]], record(light(seed=12))[INPUTS[0]]
    assert one.size != two.size or (one != two).any()


def test_a_dark_pump_leaves_dark_counts_and_background(light):
    lab = light({"alice.fibre.background": "50 kHz"})
    lab.twins["charlie.pump"].power.set(0, 0.0)
    clicks = record(lab)
    for port, expected in ((INPUTS[0], 20_100.0), (INPUTS[1], 20_100.0), (INPUTS[2], 100.0)):
        assert abs(clicks[port].size - expected) < 4 * np.sqrt(expected)
    assert pairs_of(clicks).sum() < 20


def test_unbiased_and_latched_detectors_count_nothing(light):
    lab = light()
    lab.twins["alice.detectors"].enabled.set(0, 0.0)
    lab.twins["bob.detectors"].bias[0].set(0, 35e-6)
    clicks = record(lab)
    assert [clicks[port].size for port in INPUTS[:3]] == [0, 0, 0]
    assert clicks[INPUTS[3]].size > 50_000


def test_a_turning_plate_moves_counts_from_one_detector_pair_to_the_other(light):
    lab = light()
    lab.twins["bob.plate"].angle.ramp(S, 45.0, S)  # analyser from H to V within the recording
    counts = pairs_of(record(lab))
    assert abs(counts[0, 0] - counts[0, 1]) < 4 * np.sqrt(counts[0].sum())
