"""The command line's contract: what is printed where, exit codes, one seed one result, help with examples."""

import json
import re
import signal
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer
from bellringer.console.main import app
from bellringer.drivers import open_instrument
from bellringer.testbed.loader import load

pytestmark = pytest.mark.process

BELL = ("chsh", "--dry-run", "--json", "--integration-s", "0.05", "--fringe-points", "0")
FEATURED = {"S", "visibility_HV", "visibility_DA", "coincidence_rate", "accidental_rate"}


@pytest.fixture(scope="module")
def bell_tests(tmp_path_factory):
    """Return (completed process, printed object) of three whole processes: seeds 7, 7 and 8."""
    done = []
    for number, seed in enumerate((7, 7, 8)):
        folder = tmp_path_factory.mktemp(f"process{number}")
        process = command_line(folder)("run", command_line.example, *BELL, "--seed", str(seed))
        done.append((process, json.loads(process.stdout.splitlines()[-1])))
    return done


def test_a_run_prints_its_result_as_one_json_object_on_the_last_line(bell_tests):
    for process, answer in bell_tests:
        assert process.returncode == 0, process.stderr
        assert set(answer) == {"run", "folder", "status", "results"}
        assert answer["status"] == "completed"
        assert Path(answer["folder"]).name == answer["run"]
        assert set(answer["results"]) >= FEATURED
        for body in answer["results"].values():
            assert set(body) == {"value", "error", "unit", "reason"}
    assert bell_tests[0][1]["results"]["S"]["value"] > 2
