"""What a person is told when a node cannot take part in a run."""

from pathlib import Path

import pytest
from bellringer.sequences.on_testbed import _compare, _not_ready
from bellringer.testbed.errors import BellringerError
from bellringer.testbed.loader import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"

FAULT = (
    "1: not confirmed dark: c.pump: cannot open it\n  where: c.pump (Laser)\n  next:  is it on? plug it in; try again"
    "; c.oven: cannot open it\n  next:  so"
)


def test_instruments_that_cannot_be_opened_are_told_one_a_line_with_one_way_on():
    told = _not_ready("c", {"fault": FAULT}, "has no lease", Path("lab.yaml"))
    assert str(told).splitlines() == [
        "2 instruments of c could not be opened and made dark",
        "  where: c.pump: cannot open it",
        "         c.oven: cannot open it",
        "  next:  is it on? plug it in; try again",
        "         bellringer doctor lab.yaml --node c; or did you forget --dry-run?",
    ]


def test_another_reason_is_told_as_it_is():
    status = {"fault": "1: interlock 'door' is open"}
    assert "node 'c' has no lease: interlock 'door' is open" in str(_not_ready("c", status, "has no lease", Path("x")))


def test_another_text_of_the_testbed_is_told_key_by_key():
    theirs, ours = load(EXAMPLE), load(EXAMPLE, {"charlie.pump.power": "5 mW"})

    def started_with(loaded):
        return {
            node: {"about": {"testbed": loaded.testbed.fingerprint(node), "file": loaded.testbed.flat(node)}}
            for node in loaded.testbed.nodes
        }

    _compare(ours, started_with(ours))
    with pytest.raises(BellringerError, match="the agent of charlie was started with another text") as caught:
        _compare(ours, started_with(theirs))
    assert caught.value.where.splitlines()[1].strip() == "charlie.pump.settings.power: 10 mW there, 5 mW here"
    assert "bellringer down, then up" in caught.value.hint
