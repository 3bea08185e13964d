"""The live view's picture: what is known is shown with its error, what is not is not, and it fits 80 columns."""

import io

import numpy as np
import pytest
from bellringer.console.live_view import Screen
from bellringer.drivers.interfaces import ClockMap, Recording
from bellringer.orchestrator.correlator import Correlator, LinkEnds
from rich.console import Console

S = 10**12
DISPLAY = {"shown": 7, "skipped": 2, "correlator_restarts": 1}
NODE = {"state": "here", "silent_s": 0.1, "leased": True, "dark": True, "streams": {}}
STATE = {
    "nodes": {"alice": {**NODE, "streams": {"a": 1}}, "bob": {**NODE, "state": "lost"}},
    "estop": False,
    "problems": [],
}


def result(common):
    """Two seconds of clicks of which the share ``common`` is shared, always at the detectors of one name."""
    rng = np.random.default_rng(1)
    pairs = np.sort(rng.integers(0, 2 * S, 20_000))
    which = rng.integers(1, 3, pairs.size).astype(np.uint8)
    other = pairs if common else np.sort(rng.integers(0, 2 * S, 20_000))
    clock = ClockMap(0, 0.0, 10**9, 5e-6, "host clock", True)
    correlator = Correlator(LinkEnds("alice-bob", ("alice", "bob"), ((1, 2), (1, 2)), 600))
    body = correlator.correlate(Recording(pairs, which, 2 * S, clock), Recording(other, which, 2 * S, clock))
    return {**body, "problems": {}}


def drawn(screen):
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(screen.drawn())
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


@pytest.fixture
def screen():
    return Screen("alice-bob", "owner")


def test_before_there_is_a_result_the_nodes_are_shown(screen):
    screen.take(None, STATE, DISPLAY)
    text = drawn(screen)
    assert "waiting for the correlator" in text
    assert "alice leased, streams, bob lost" in text


def test_an_aligned_link_shows_everything_with_errors(screen):
    screen.take(result(True), STATE, DISPLAY)
    text = drawn(screen)
    assert "aligned" in text
    assert text.count(" ± ") > 12
    assert "E          1.0000" in text or "E          1" in text
    assert "alice transmitted" in text
    assert "7 shown, 2 skipped, correlator restarted 1 times" in text
    assert "█" in text


def test_without_a_peak_there_is_no_number_where_none_can_be(screen):
    screen.take(result(False), {**STATE, "estop": True, "problems": ["bob: silent for 5 s"]}, DISPLAY)
    text = drawn(screen)
    assert "no peak: no correlation peak" in text.replace("\n", " ")
    assert "none (no coincidences)" in text
    assert "none (no live time)" in text
    assert "not known: no common peak yet" in text
    assert "E-STOP is latched" in text
    assert "bob: silent for 5 s" in text


def test_the_last_minute_is_kept_second_by_second(screen, monkeypatch):
    body = result(True)
    for second in range(1, 100):
        monkeypatch.setattr("bellringer.console.live_view.time.monotonic", lambda second=second: float(second))
        screen.take(body, STATE, DISPLAY)
        screen.take(body, STATE, DISPLAY)
    assert len(screen._rates) == 60
