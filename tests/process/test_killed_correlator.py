"""kill -9 of a correlator in the middle of a run: a clear error, dark, a readable record; the next run starts."""

import json
import os
import signal

import pytest
from bellringer.analysis.files import read_tags

from .processes import the_child_of

pytestmark = pytest.mark.process

SEQUENCE = """
from bellringer.analysis.files import read_tags
from bellringer.sequences import Run, sequence

@sequence
def recordings(run: Run, number: int = 10000) -> None:
    "Record again and again."
    link = run.link()
    run.start_source(link)
    for each in run.scan(range(number), "recording"):
        run.acquire(link, 0.05)
"""


def killed(bellringer, words, number):
    """Kill the correlator of a run after its recording of this number; check how the run ends."""
    runs = bellringer.folder / f"runs{number}"
    with bellringer.started(*words, "--runs", runs) as process:
        bellringer.wait_until(lambda: list(runs.glob(f"*/tags/{number:04d}-bob.tags")))
        os.kill(the_child_of(process.pid, "correlator.process"), signal.SIGKILL)
        assert process.wait(60) == 1
    assert "the correlator of 'alice-bob' ended" in bellringer.stderr()
    assert "Traceback" not in bellringer.stderr()
    (folder,) = runs.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "the correlator of 'alice-bob' ended" in record["error"]
    assert [event["confirmed"] for event in bellringer.events(folder) if event["event"] == "dark"] == [True]
    kept = sorted((folder / "tags").glob("*.tags"))
    assert len(kept) >= 2 * number
    assert all(len(read_tags(file)) for file in kept)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_run_ends_in_the_dark_when_its_correlator_is_killed_and_the_next_run_starts(bellringer, kills, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal, where the rates are shown
    (bellringer.folder / "mine.py").write_text(SEQUENCE)
    words = ["run", bellringer.example, "mine.py", "--dry-run", "--seed", "1"]
    for number in range(1, kills + 1):
        killed(bellringer, words, number)
    again = bellringer(*words, "--number", "1", "--json")
    assert json.loads(again.stdout.splitlines()[-1])["status"] == "completed"
