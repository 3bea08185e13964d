"""Whole dry runs of sequences on memory links: coordinator, agents, cores, batches, journals, in step with the wall.

What comes out depends on when processes run, so only what holds for any draw is asserted; statistics are tested on the
cores alone (tests/sequences/test_memory_grid.py).
"""

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.soak]  # a batch that is late on a busy machine is void, and its dark
# interrupts calls of the run; until that is told apart from an abort, this needs an idle machine

TWO = Path(__file__).parents[2] / "examples" / "memory_two_node.yaml"


def test_heralded_bell_delivers_every_pair_once_and_says_what_it_took(bellringer):
    ended = bellringer("run", TWO, "heralded_bell", "--dry-run", "--seed", "1", "--pairs", "90", "--json")
    assert ended.returncode == 0, ended.stderr
    folder = bellringer.folder / json.loads(ended.stdout.splitlines()[-1])["folder"]
    (told,) = [each for each in bellringer.events(folder) if each["event"] == "entangled"]
    assert (told["state"], told["pairs"]) == ("OK", 90)
    assert told["heralds"] >= 90
    assert told["batches"]["RECORDED"] >= 1
    results = json.loads((folder / "results.json").read_text())["results"]
    assert results["pair_rate"]["value"] > 0
    assert "heralded_pairs" in (folder / "report.html").read_text()


def test_teleport_feeds_the_bell_measurement_forward_through_agents(bellringer):
    ended = bellringer("run", TWO, "teleport", "--dry-run", "--seed", "1", "--shots", "1", "--json")
    assert ended.returncode == 0, ended.stderr
    folder = bellringer.folder / json.loads(ended.stdout.splitlines()[-1])["folder"]
    told = [each for each in bellringer.events(folder) if each["event"] == "entangled"]
    assert [each["pairs"] for each in told] == [1] * 6
    methods = [each["method"] for each in bellringer.events(folder) if each["event"] == "call"]
    assert methods.count("measure_bell") == methods.count("prepare") == 6
    assert methods.count("measure") == 6
