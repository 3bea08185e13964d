"""Row 36: the disk fills up, for real, under the coordinator's journal, a run's record, an agent's recordings."""

import json
import os
import select
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.drivers.interfaces import ClockMap, Recording
from bellringer.orchestrator.agent.port_locks import PortLocks
from bellringer.orchestrator.agent.recorder import TagRecorder
from bellringer.orchestrator.agent.requests import Requests
from bellringer.orchestrator.records import RunFolder
from bellringer.orchestrator.wire.messages import Own, Reply, RunCommand
from bellringer.testbed.errors import BellringerError

pytestmark = pytest.mark.process

SIZE = 3 << 20


class Disk:
    """A small file system of its own."""

    def __init__(self, path):
        self.path, self._filler = path, path / "filler"
        path.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)],
            check=True,
            capture_output=True,
            text=True,
        )

    def fill(self):
        """Take all the room that is left."""
        with open(self._filler, "ab", buffering=0) as file:
            while file.write(bytes(4096)) == 4096:
                if not os.statvfs(self.path).f_bavail:
                    break
        assert os.statvfs(self.path).f_bavail == 0

    def free(self):
        self._filler.unlink()

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path):
    try:
        disk = Disk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        pytest.skip(f"a small file system cannot be mounted here (it needs root): {said}")
    yield disk
    disk.unmount()


def test_row_36_a_coordinator_without_room_for_its_journal_ends_and_the_nodes_go_dark(cold_site, disk):
    site = cold_site
    site.start_coordinator(str(disk.path / "coordinator"))
    site.start_agent()
    site.until(site.well)
    anna = site.to_coordinator()
    site.light()
    anna.request(Own(0, "r1", (site.pump,), 30.0))
    site.until(lambda: site.status()["owners"])
    disk.fill()
    told = []

    def refused():
        for command in ("pause", "resume"):
            try:
                anna.request(RunCommand(0, "r1", command))
            except BellringerError as error:
                told.append(error)
        return told

    site.until(refused, "the journal's last page does not fill up")
    assert "journal cannot be used" in told[0].what
    assert "No space left on device" in told[0].what or "only part of the line" in told[0].what
    assert site.coordinator.popen.wait(40) == 1
    assert "without its journal no coordinator runs" in site.coordinator.said()
    assert "Traceback" not in site.coordinator.said()
    site.until(lambda: not site.laser.lit)
    assert not site.status()["leased"]
    lines = (disk.path / "coordinator" / "journal.jsonl").read_bytes()

    disk.free()
    site.start_coordinator(str(disk.path / "coordinator"))
    site.until(site.well, "it did not start again")
    assert (disk.path / "coordinator" / "journal.jsonl").read_bytes().startswith(lines[: lines.rindex(b"\n") + 1])


FILLING = """
from bellringer.analysis import Estimate
from bellringer.sequences import Run, sequence

@sequence
def fill(run: Run) -> None:
    "Light, and write until the disk is full."
    run.set("charlie.pump", "power", 0.01)
    run.call("charlie.pump", "emission_on")
    run.result("early", Estimate(1.0, 0.1, "1/s"))
    for step in run.scan(range(100000), "writing"):
        run.folder.write_text(f"data/{step}.txt", 50_000 * "x")
"""


def test_row_36_a_run_that_fills_the_disk_ends_dark_with_a_clear_error_and_a_whole_record(cold_site, disk):
    site = cold_site
    (site.folder / "filling.py").write_text(FILLING)
    words = ["run", str(site.laser.file), f"{site.folder / 'filling.py'}:fill", "--runs", str(disk.path)]
    ended = subprocess.run(
        [sys.executable, "-m", "bellringer.console.main", *words],
        env={**os.environ, "HOME": str(site.folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 1
    assert "the record cannot be written: No space left on device" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert "l1" in site.laser.commands()
    assert not site.laser.lit
    (folder,) = disk.path.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "No space left" in record["error"]
    assert json.loads((folder / "results.json").read_text())["results"]["early"]["value"] == 1.0
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events][-3:] == ["dark", "closed", "failed"]
    assert not list(folder.rglob("*.part"))


def recording(count):
    times = np.arange(count, dtype=np.int64)
    return Recording(times, np.ones(count, np.uint8), count, ClockMap(0, 0.0, 0, 0.0, "host clock", True))


class Published:
    def __init__(self):
        self.numbers = []

    def publish(self, topic, event, *arrays):
        self.numbers.append(event.body["number"])


def test_row_36_a_recording_that_finds_no_room_is_refused_and_the_agent_goes_on(disk):
    published, told = Published(), []
    recorder = TagRecorder(disk.path / "tags", published)
    server = SimpleNamespace(
        refuse=lambda incoming, error: told.append(error), reply=lambda incoming, value: told.append(value)
    )
    requests = Requests("alice", server, None, {}, {}, None, None, None, recorder, None, lockstep=False, tell=None)
    incoming = SimpleNamespace(message=SimpleNamespace(instrument="alice.tagger"))

    def answered(message):
        requests._answered(incoming, message)
        assert select.select([recorder.wake], [], [], 10.0)[0], "the recorder did not say that it has written"
        recorder.turn()
        return told.pop()

    assert isinstance(answered(Reply(1, recording(1000))), Recording)
    disk.fill()
    refused = answered(Reply(2, recording(1_000_000)))
    assert "No space left on device" in refused.what
    assert "000002-alice.tagger.tags" in refused.where
    assert [path.name for path in (disk.path / "tags").iterdir()] == ["000001-alice.tagger.tags"], "no half file"
    assert published.numbers == [1]
    disk.free()
    assert isinstance(answered(Reply(3, recording(100_000))), Recording)
    assert len(published.numbers) == 2
    recorder.close()


def test_row_36_what_does_not_fit_leaves_the_record_whole_and_the_room_kept_for_the_end_is_enough_for_it(disk):
    folder = RunFolder.create(disk.path, "scan", "bellringer: 1\n", {"sequence": "scan"})
    folder.event(1, "early")
    disk.fill()
    with pytest.raises(BellringerError, match="No space left on device"):
        folder.write_tags(1, "alice", Tags(np.arange(10**6), np.ones(10**6, np.uint8)), {})
    assert list((folder.path / "tags").iterdir()) == []
    folder.event(2, "failed")
    folder.finish("failed")
    assert json.loads((folder.path / "run.json").read_text())["status"] == "failed"
    assert [json.loads(line)["event"] for line in (folder.path / "events.jsonl").read_text().splitlines()] == [
        "early",
        "failed",
    ]


def test_row_02_and_36_the_watchdog_makes_dark_though_there_is_no_room_to_note_it(disk, cold_site):
    site = cold_site
    site.start_coordinator()
    site.start_agent(state=str(disk.path), locks=str(disk.path))
    site.until(site.well)
    site.light()
    site.until(lambda: site.status()["watchdog"].get("ready"))
    disk.fill()
    pids = [*site.drivers(), site.agent.popen.pid]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # in one instant
        for pid in pids:
            os.kill(pid, number)
    site.until(lambda: not site.laser.lit)


def test_row_36_a_port_is_locked_though_there_is_no_room_to_say_by_whom(disk):
    disk.fill()
    ours, other = PortLocks(disk.path, ["ASRL/dev/ttyUSB0"]), PortLocks(disk.path, ["ASRL/dev/ttyUSB0"])
    assert ours.take() is None
    assert other.take() == ("ASRL/dev/ttyUSB0", "(just starting)")
    ours.release()
