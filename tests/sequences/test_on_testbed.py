"""What a person is told when a node cannot take part in a run."""

from pathlib import Path

from bellringer.sequences.on_testbed import _not_ready

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
