"""What a person is told of a long command: a line now and then where stderr is a log, a rate beside every bar."""

import io
import threading

import pytest
from bellringer.console import progress as progress_module
from bellringer.console.progress import Bars, told
from rich.progress import Progress


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def timed():
    """A task of 900 steps, and its clock, which the test moves."""

    class Timed:
        now_s = 0.0

        def __init__(self):
            self.progress = Progress(get_time=lambda: self.now_s, auto_refresh=False, disable=True)
            self.number = self.progress.add_task("pairs on alice-bob", total=900)

        def told(self, *, at_s, count=0):
            self.now_s = at_s
            self.progress.advance(self.number, count)
            return told(self.progress.tasks[0])

    return Timed()


def test_a_line_says_how_far_it_is_how_fast_and_how_long_it_will_take(timed):
    assert timed.told(at_s=0.0) == "pairs on alice-bob: 0 of 900"
    timed.told(at_s=2.0, count=40)
    assert timed.told(at_s=12.0, count=200) == "pairs on alice-bob: 240 of 900, 20/s, 33 s left"
    assert timed.told(at_s=40.0, count=660).startswith("pairs on alice-bob: 900 of 900")


def test_where_stderr_is_no_terminal_a_line_comes_now_and_then(log, monkeypatch):
    monkeypatch.setattr(progress_module, "EVERY_S", 0.01)
    came = threading.Event()
    with Bars(log) as bars:
        monkeypatch.setattr(bars, "say", lambda text: (log.write(f"{text}\n"), came.set()))
        bars.start("angles", 8)
        bars.step()
        assert came.wait(30)
        bars.end()
    assert "angles: 1 of 8\n" in log.getvalue()


def test_the_innermost_scan_is_told_of_and_nothing_where_there_is_none(log):
    bars = Bars(log)
    bars.tell()
    bars.start("settings", 9)
    bars.start("angles", 8)
    bars.advance(3)
    bars.tell()
    bars.end()
    bars.tell()
    assert [line.partition(",")[0] for line in log.getvalue().splitlines()] == ["angles: 3 of 8", "settings: 0 of 9"]


def test_where_stderr_is_no_terminal_the_end_of_a_scan_is_told_before_what_follows_it(log):
    with Bars(log) as bars:
        bars.start("settings", 2)
        for _ in range(2):
            bars.start("angles", 8)
            bars.advance(8)
            bars.end()
            bars.step()
        bars.end()
        bars.say("writing the report")
    told, after = log.getvalue().splitlines()
    assert told.startswith("settings: 2 of 2")
    assert after == "writing the report"


def test_a_line_that_says_nothing_new_is_not_said_and_none_comes_after_the_end(log):
    with Bars(log) as bars:
        bars.start("settings", 2)
        bars.tell()
        bars.tell()
        bars.step()
        bars.tell()
    bars.end()  # of a scan that an error ended: its generator may be closed when the error is told already
    assert [line.partition(",")[0] for line in log.getvalue().splitlines()] == ["settings: 0 of 2", "settings: 1 of 2"]
