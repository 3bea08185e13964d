"""What ``bellringer status`` says of calibrations of memory links."""

import pytest
from bellringer.console import status
from bellringer.console.status import calibration_lines
from bellringer.orchestrator.client.overview import light

FOUND = {
    "visibility": {"value": 0.873, "error": 0.041, "unit": "", "reason": ""},
    "fidelity": {"value": 0.912, "error": 0.022, "unit": "", "reason": ""},
    "pairs": 300,
}


def lines(found=None, **calibration):
    body = {"in_spec": True, "why": "", "age_s": 150.0, "running": False, "failures": 0, **calibration}
    return calibration_lines({"calibrated": {"ab": found} if found else {}, "service": {"calibrations": {"ab": body}}})


def test_a_calibration_is_told_with_its_age_and_what_was_found():
    assert lines(FOUND) == [
        "calibration of ab: in spec, made 2.5 min ago; last found: visibility 0.873 ± 0.041, fidelity 0.912 ± 0.022 "
        "(300 pairs)"
    ]


def test_one_that_is_needed_is_told_with_the_reason():
    never = {"in_spec": False, "why": "it was never made", "age_s": None}
    assert lines(**never) == ["calibration of ab: needed: it was never made"]
    assert lines(**never, running=True) == ["calibration of ab: needed: it was never made (being made)"]


@pytest.mark.parametrize(
    ("lit", "dark", "not_dark", "shown"),
    [
        ([], True, [], "dark"),
        (["c.pump"], True, [], "may be LIT: c.pump"),
        (["c.pump"], False, [], "being made dark: c.pump"),
        (["c.pump"], False, ["c.pump: silent"], "NOT CONFIRMED DARK: c.pump"),
        ([], False, ["a.plate: silent"], "NOT CONFIRMED DARK"),
    ],
)
def test_what_is_known_of_the_light_is_shown_whether_or_not_there_is_a_lease(lit, dark, not_dark, shown):
    assert light({"lit": lit, "dark": dark, "not_dark": not_dark}) == shown


def test_the_table_counts_processes_and_instruments_and_shows_times_as_the_log_does(capsys):
    agent = {"owners": {}, "drivers": dict.fromkeys("abcd", "x"), "driver_processes": {7: ["a"]}, "restarts": 1}
    agent |= {"lease_left_s": 1.9, "leased": True, "lit": [], "dark": True, "not_dark": []}
    node = {"agent": agent, "stale": False, "silent_s": 0.1}
    run = {"run": "r-1", "who": "anna", "state": "running", "since_utc": "2026-01-31T12:05:00+00:00"}
    body = {"epoch": 1, "up_s": 3.0, "nodes": {"alice": node}, "runs": [{**run, "seconds_left": 1.0}], "problems": []}
    status._print(body, "here")
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 process for 4" in shown
    assert "since 2026-01-31 12:05:00 UTC" in shown


def test_a_testbed_without_memory_links_has_none():
    assert calibration_lines({}) == []
