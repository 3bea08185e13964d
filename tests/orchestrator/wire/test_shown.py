"""Times and faults as people read them."""

import pytest
from bellringer.orchestrator.wire.shown import fault_text, moment

SILENT = "c.pump: it is silent\n  where: c.pump (Laser)\n  next:  check the cable"


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("", ""),
        ("3: interlock 'door' is open", "interlock 'door' is open"),
        ("3: e-stop by anna: ", "e-stop by anna"),
        (f"1: not confirmed dark: {SILENT}", "not confirmed dark: c.pump: it is silent (check the cable)"),
        (
            f"1: {SILENT}; {SILENT.replace('pump', 'oven')}",
            "c.pump: it is silent (check the cable); c.oven: it is silent",
        ),
        (
            f"1: {SILENT}; or so; c.oven: it left\n  next:  call it",
            "c.pump: it is silent (check the cable; or so); c.oven: it left (call it)",
        ),
    ],
)
def test_a_fault_is_one_line_and_every_advice_is_given_once(fault, shown):
    assert fault_text(fault) == shown


def test_a_time_of_day_is_shown_to_the_second():
    assert moment("2026-01-31T12:05:00.123+00:00") == "2026-01-31 12:05:00"
