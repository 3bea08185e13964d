"""kill -9 of a correlator in the middle of a run: a clear error, dark, a readable record; the next run starts."""

import json
import os
import signal
from pathlib import Path

import pytest
from bellringer.analysis.files import read_tags

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

ATTEMPTS = [1, 2, *(pytest.param(number, marks=pytest.mark.soak) for number in range(3, 21))]
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


def correlators(pid):
    """Return the process numbers of the correlators that a run's process has started."""
    found = []
    for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"correlator" in Path(f"/proc/{line}/cmdline").read_bytes():
            found.append(int(line))
    return found


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_run_ends_in_the_dark_when_its_correlator_is_killed(bellringer, attempt):
    (bellringer.folder / "mine.py").write_text(SEQUENCE)
    words = ["run", bellringer.example, "mine.py", "--dry-run", "--seed", str(attempt)]
    with bellringer.started(*words) as process:
        bellringer.wait_until(lambda: list(bellringer.folder.glob(f"runs/*/tags/{attempt:04d}-bob.tags")))
        (correlator,) = correlators(process.pid)
        os.kill(correlator, signal.SIGKILL)
        assert process.wait(60) == 1
    assert "the correlator of 'alice-bob' ended" in bellringer.stderr()
    assert "Traceback" not in bellringer.stderr()
    folder = bellringer.run_folder()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "the correlator of 'alice-bob' ended" in record["error"]
    assert [event["confirmed"] for event in bellringer.events(folder) if event["event"] == "dark"] == [True]
    kept = sorted((folder / "tags").glob("*.tags"))
    assert len(kept) >= 2 * attempt
    assert all(len(read_tags(file)) for file in kept)
    again = bellringer(*words, "--number", "1", "--runs", "again", "--json")
    assert json.loads(again.stdout.splitlines()[-1])["status"] == "completed"
