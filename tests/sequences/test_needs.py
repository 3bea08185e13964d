"""What is refused before a lab is started: a testbed without what it needs, parameters without sense."""

from pathlib import Path

import pytest
from bellringer.sequences import find_sequence, run_sequence
from bellringer.sequences.sequence import LIBRARY
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import BellringerError
from bellringer.testbed.loader import load

EXAMPLES = Path(__file__).parents[2] / "examples"
BELL, TWO, THREE = "bell_three_node", "memory_two_node", "memory_three_node"
CHOICE = "choose one with --link: alice-bob, bob-charlie"


@pytest.mark.parametrize(
    ("example", "sequence", "given", "what", "hint"),
    [
        (THREE, "teleport", {}, "this testbed has several memory links", CHOICE),
        (THREE, "teleport", {"link": "alice-charlie"}, "there is no memory link 'alice-charlie'", CHOICE),
        (THREE, "teleport", {"link": "alice-bob"}, "needs 2 memory slots; alice.memory has 1", "another link"),
        (THREE, "heralded_bell", {"link": "alice-bob", "pairs": "-5"}, "--pairs is -5", "--pairs above zero"),
        (THREE, "heralded_bell", {"link": "alice-bob", "min_fidelity": "85"}, "--min-fidelity is 85.0", "0 and 1"),
        (THREE, "swap", {"first": "alice-bob"}, "this testbed has several memory links", "--second: alice-bob, bob"),
        (THREE, "swap", {"target": "phi"}, "'phi' is no Bell state", "--target: "),
        (THREE, "swap", {"max_age_s": "0"}, "--max-age-s is 0", "above zero"),
        (THREE, "chsh", {}, "this testbed has no link to measure on", "other sequences: alice-bob, bob-charlie"),
        (BELL, "chsh", {"link": "alice-bop"}, "there is no link 'alice-bop'", "--link: alice-bob"),
        (BELL, "visibility", {"integration_s": "-1"}, "--integration-s is -1", "above zero"),
        (BELL, "teleport", {}, "no memory link to entangle on", "memory_links:"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_started(tmp_path, example, sequence, given, what, hint):
    loaded = load(EXAMPLES / f"{example}.yaml")
    with pytest.raises(BellringerError, match=what) as caught:
        run_sequence(loaded, find_sequence(sequence), given, WallClock(), runs=tmp_path / "runs")
    assert hint in caught.value.hint
    assert not (tmp_path / "runs").exists()


FITTING = {
    **dict.fromkeys(("chsh", "count_rates", "delay_scan", "visibility"), BELL),
    **dict.fromkeys(("heralded_bell", "teleport"), TWO),
    "swap": THREE,
}


@pytest.mark.parametrize("name", LIBRARY)
def test_every_sequence_of_the_library_has_an_example_for_which_it_needs_no_parameter(name):
    sequence = find_sequence(name)
    sequence.check(load(EXAMPLES / f"{FITTING[name]}.yaml").testbed, sequence.resolve({}))
