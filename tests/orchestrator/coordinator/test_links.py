"""The service's lab from a testbed file: how long batches are, on a testbed and in a dry run in lockstep."""

from pathlib import Path

import pytest
from bellringer.orchestrator.coordinator.links import REHEARSED_HERALDS, lab_of
from bellringer.testbed.loader import load

TESTBED = load(Path(__file__).parents[3] / "examples" / "memory_two_node.yaml").testbed


def expected_heralds(lab, kind, seconds):
    link, forecast = lab.links["alice-bob"], lab.forecasts["alice-bob", kind]
    program = link.programs[0] if kind == "measure" else link.programs[1]
    return sum(forecast.probabilities.values()) * seconds / (program.period_ps * 1e-12)


def test_a_batch_is_a_second_at_most_on_a_testbed():
    lab = lab_of(TESTBED, (), 0.0)
    assert lab.links["alice-bob"].longest_batch_s == 1.0
    assert expected_heralds(lab, "measure", 1.0) == pytest.approx(24, abs=2), "what makes 900 pairs 38 batches"


def test_in_lockstep_it_is_as_long_as_two_hundred_heralds_take():
    lab = lab_of(TESTBED, (), 0.0, lockstep=True)
    assert expected_heralds(lab, "measure", lab.links["alice-bob"].longest_batch_s) == pytest.approx(REHEARSED_HERALDS)
