"""Makers of small programs, links, forecasts and requests to try decisions on."""

import pytest
from bellringer.orchestrator.heralding.service.links import Forecast, Link
from bellringer.testbed.attempts import program

PS_PER_S = 10**12
CORRECTED = (
    {"label": "psi+", "node": "alice", "operation": "X", "deadline_ps": 10**9},
    {"label": "psi-", "node": "alice", "operation": "Y", "deadline_ps": 10**9},
)


def a_program(**changes):
    """Return a small single-click program that keeps, corrects to phi+, and takes 10 us an attempt."""
    fields = {
        "scheme": "single_click",
        "keep": "keep",
        "nodes": ("alice", "bob"),
        "station": "charlie",
        "period_ps": 10_000_000,
        "round_trip_ps": 4_000_000,
        "windows": ({"name": "w", "begin_ps": 100, "length_ps": 1000},),
        "detectors": ("d0", "d1"),
        "heralds": ({"clicks": (("d0", "w"),), "label": "psi+"}, {"clicks": (("d1", "w"),), "label": "psi-"}),
        "feedforward": CORRECTED,
        "most_attempts": 1000,
        "most_ps": PS_PER_S,
        "max_age_ps": PS_PER_S,
        **changes,
    }
    return program(**fields)


def measuring(**changes):
    """Return the same without keeping and without corrections."""
    return a_program(**{"keep": "measure", "feedforward": (), "max_age_ps": 0, **changes})


def a_link(name="ab", nodes=("alice", "bob"), station="charlie", **changes):
    """Return a link with a program of either kind."""
    owed = tuple({**each, "node": nodes[0]} for each in CORRECTED)
    programs = (
        a_program(nodes=nodes, station=station, feedforward=owed),
        measuring(nodes=nodes, station=station),
    )
    return Link(**{"name": name, "nodes": nodes, "programs": programs, **changes})


def a_forecast(probability=1e-3, **changes):
    """Return a forecast with equal shares of both states."""
    shares = {"psi+": probability / 2, "psi-": probability / 2}
    fields = {"probabilities": shares, "rate_error": 0.05, "fidelity": 0.9, "fidelity_error": 0.01, "made_s": 0.0}
    return Forecast(**{**fields, **changes})


def a_request(**changes):
    """Return the plain fields of a lawful request: ten measured pairs."""
    return {"id": "r1", "nodes": ("alice", "bob"), "kind": "measure", "pairs": 10, "deadline_s": 100.0, **changes}


@pytest.fixture(scope="session")
def make():
    """Makers of programs, links, forecasts, requests, labs and fields."""

    class Make:
        program, measuring, link = staticmethod(a_program), staticmethod(measuring), staticmethod(a_link)
        forecast, request = staticmethod(a_forecast), staticmethod(a_request)

    return Make
