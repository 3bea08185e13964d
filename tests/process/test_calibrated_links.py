"""Whole dry runs in lockstep on a memory link that is calibrated, and on one whose cores can do less. Seed 1 each."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

TWO = Path(__file__).parents[2] / "examples" / "memory_two_node.yaml"


@pytest.fixture
def lab(tmp_path):
    """Return a function that writes the two-node example with more in its memory link."""

    def write(more):
        path = tmp_path / "lab.yaml"
        path.write_text(re.sub(r"(\n +)target: psi\+", rf"\1target: psi+\1{more}", TWO.read_text(encoding="utf-8")))
        return path

    return write


def run(bellringer, file, pairs="18"):
    return bellringer("run", file, "heralded_bell", "--dry-run", "--seed", "1", "--pairs", pairs, "--json")


def entangled(bellringer, ended):
    folder = bellringer.folder / json.loads(ended.stdout.splitlines()[-1])["folder"]
    (told,) = [each for each in bellringer.events(folder) if each["event"] == "entangled"]
    return told


def test_a_calibrated_link_is_calibrated_for_the_first_request_which_then_gets_its_pairs(bellringer, lab):
    """The window's batches come first, and are none of the request's."""
    ended = run(bellringer, lab('calibration: {every: "30 min", pairs: 60, visibility: 0.4}'))
    assert ended.returncode == 0, ended.stderr
    told = entangled(bellringer, ended)
    assert (told["state"], told["pairs"], told["heralds"]) == ("OK", 18, 18)
    not_looked_at = " is not armed: the clock is not locked"  # on a busy machine, and another batch takes its place
    assert {how for how in told["batches"] if not how.endswith(not_looked_at)} == {"RECORDED"}


def test_a_link_that_cannot_be_calibrated_ends_the_request_at_once_and_says_why(bellringer, lab):
    """No link has the visibility 1, and nothing in lockstep gets better by itself."""
    ended = run(bellringer, lab('calibration: {every: "30 min", pairs: 60, visibility: 1}'))
    told = entangled(bellringer, ended)
    assert (told["state"], told["pairs"]) == ("EXPIRED", 0)
    assert "calibration 'alice-bob': it failed: the visibility is 0." in " ".join(ended.stderr.split())


def test_cores_that_hear_of_no_herald_have_a_request_refused_before_any_batch(bellringer, lab):
    ended = run(bellringer, lab("herald_line: none"))
    assert ended.returncode == 1
    assert "UNSUPP" in ended.stderr
    assert "alice: lacks herald_in_loop: it cannot stop at a herald" in " ".join(ended.stderr.split())
