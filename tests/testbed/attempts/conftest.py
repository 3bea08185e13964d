"""Programs to try things on: one as plain values, and any lawful one that hypothesis can think of."""

from typing import Any

import pytest
from hypothesis import strategies as st

LABELS = ("phi+", "phi-", "psi+", "psi-")


def fields(**changes: Any) -> dict[str, Any]:
    """Return the fields of a small lawful ``keep`` program, with some of them changed."""
    return {
        "scheme": "single_click",
        "keep": "keep",
        "nodes": ("alice", "bob"),
        "station": "charlie",
        "period_ps": 5_000_000,
        "round_trip_ps": 4_000_000,
        "shift": 3,
        "pulses": (
            {"node": "alice", "channel": "excite", "begin_ps": 1000, "length_ps": 500},
            {"node": "bob", "channel": "excite", "begin_ps": 1000, "length_ps": 500},
        ),
        "windows": ({"name": "w", "begin_ps": 100, "length_ps": 1000},),
        "detectors": ("d0", "d1"),
        "heralds": (
            {"clicks": (("d0", "w"),), "label": "psi+"},
            {"clicks": (("d1", "w"),), "label": "psi-"},
        ),
        "feedforward": (
            {"label": "psi+", "node": "alice", "operation": "I", "deadline_ps": 10**9},
            {"label": "psi-", "node": "alice", "operation": "Z", "deadline_ps": 10**9},
        ),
        "stop": {"kind": "count", "count": 5},
        "most_attempts": 1000,
        "most_ps": 10**12,
        "max_age_ps": 10**10,
        **changes,
    }


@st.composite
def lawful(draw: Any) -> dict[str, Any]:
    """Draw the fields of any lawful program, as plain values."""
    period = draw(st.integers(1000, 10**12))
    nodes = draw(st.lists(st.sampled_from(["alice", "bob", "dave"]), min_size=1, max_size=3, unique=True))
    count = draw(st.integers(1, 3))
    length = period // count
    windows = tuple({"name": f"w{n}", "begin_ps": n * length, "length_ps": length} for n in range(count))
    detectors = tuple(f"d{n}" for n in range(draw(st.integers(1, 4))))
    clicks = st.tuples(st.sampled_from(detectors), st.sampled_from([each["name"] for each in windows]))
    patterns = draw(st.sets(st.frozensets(clicks, min_size=1, max_size=3), min_size=1, max_size=6))
    heralds = tuple({"clicks": tuple(each), "label": draw(st.sampled_from(LABELS))} for each in patterns)
    keep = draw(st.sampled_from(["keep", "measure"]))
    modes = draw(st.integers(1, 4))
    trip = draw(st.integers(1, modes * period))
    age = trip + draw(st.integers(0, 10**12))
    owed = [
        {
            "label": label,
            "node": draw(st.sampled_from(nodes)),
            "operation": draw(st.sampled_from(["I", "X", "Y", "Z"])),
            "deadline_ps": draw(st.integers(1, age)),
        }
        for label in sorted({each["label"] for each in heralds})
    ]
    calibration = st.fixed_dictionaries({"every": st.integers(1, 100), "length": st.integers(1, 100)})
    return {
        "scheme": draw(st.sampled_from(["single_click", "two_click", "spdc_bsm", "serial"])),
        "keep": keep,
        "nodes": tuple(nodes),
        "station": "charlie",
        "period_ps": period,
        "round_trip_ps": trip,
        "shift": draw(st.integers(0, 1000)),
        "memory_modes": modes,
        "pulses": tuple({"node": node, "channel": "excite", "begin_ps": 0, "length_ps": period} for node in nodes),
        "windows": windows,
        "detectors": detectors,
        "heralds": heralds,
        "feedforward": tuple(draw(st.permutations(owed))),
        "most_attempts": draw(st.integers(1, 10**9)),
        "most_ps": period * draw(st.integers(1, 10**6)),
        "max_age_ps": age,
        "calibration": draw(st.none() | calibration),
    }


@pytest.fixture(scope="session")
def small() -> Any:
    """``small(**changes)``: the fields of a small lawful program."""
    return fields


@pytest.fixture(scope="session")
def any_lawful() -> Any:
    """The strategy for the fields of any lawful program."""
    return lawful()
