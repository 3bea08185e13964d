"""Rows 39 and 40: errors that show late, terminals that close, and versions or files that differ or change."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import zmq
from bellringer.orchestrator.wire import Decoder, encode
from bellringer.orchestrator.wire.errors import VersionSkew
from bellringer.orchestrator.wire.messages import Ack, Answer, Hello, Refusal, Set
from bellringer.testbed.errors import InstrumentError

pytestmark = pytest.mark.process

LATE = """
from bellringer.analysis import Estimate
from bellringer.sequences import Run, sequence

@sequence
def eight_hours(run: Run, pause: float = 288.0) -> None:
    "A hundred points, and a mistake at the very end."
    run.set("charlie.pump", "power", 0.01)
    run.call("charlie.pump", "emission_on")
    for point in run.scan(range(100), "points"):
        run.sleep(pause)
        run.result(f"point {point}", Estimate(float(point), 0.1, "1/s"))
    run.set("charlie.pump", "pover", 0.02)

@sequence
def patient(run: Run) -> None:
    "Many checkpoints, no mistake."
    run.call("charlie.pump", "emission_on")
    for point in run.scan(range(600), "points"):
        run.sleep(1.0)
        run.get("charlie.pump", "power_now")
"""


@pytest.fixture
def bench(tmp_path):
    """A folder with a testbed of one laser and the sequences; call it with the words of a command."""
    (tmp_path / "lab.yaml").write_text(
        "bellringer: 1\nname: one\nnodes: {charlie: {instruments: {pump: {driver: cobolt_06, "
        "resource: 'serial:///dev/ttyUSB0', model: {kind: laser, wavelength: '785 nm'}}}}}\n"
    )
    (tmp_path / "late.py").write_text(LATE)

    def words(*more):
        return [sys.executable, "-m", "bellringer.console.main", *more]

    words.folder = tmp_path
    words.options = {
        "cwd": tmp_path, "env": {**os.environ, "HOME": str(tmp_path), "COLUMNS": "200"}, "text": True
    }  # fmt: skip
    return words


def test_row_39_a_mistake_late_in_a_sequence_is_found_by_the_dry_run_and_what_came_before_is_kept(bench):
    command = bench("run", "lab.yaml", "late.py:eight_hours", "--dry-run")
    ended = subprocess.run(command, capture_output=True, timeout=120, **bench.options)
    assert ended.returncode == 1
    said = " ".join(ended.stderr.split())
    assert "has no setting 'pover'" in said
    assert "did you mean 'power'" in said
    (folder,) = (bench.folder / "runs").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert results["status"] == "failed"
    assert len(results["results"]) == 100
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events[-1]["t_ps"] > 8 * 3600 * 10**12, "eight hours of lab time"
    assert [event["event"] for event in events][-3:] == ["dark", "closed", "failed"]
    assert (folder / "report.html").exists()


def test_row_39_a_detached_run_outlives_the_terminal_it_was_started_in(bench):
    command = bench("run", "lab.yaml", "late.py:patient", "--dry-run", "--detach", "--json")
    with subprocess.Popen(
        ["sh", "-c", '"$@"; echo; read line', "sh", *command],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **bench.options,
    ) as shell:
        told = json.loads(shell.stdout.readline())
        try:
            assert shell.poll() is None
            os.killpg(shell.pid, signal.SIGHUP)  # what a closing terminal sends to everything in its session
            shell.wait(30)
            record = bench.folder / told["folder"] / "run.json"
            end = time.monotonic() + 60
            while (status := json.loads(record.read_text())["status"]) == "running":
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(told["pid"], signal.SIGTERM)
    assert status == "completed"
    events = [json.loads(line) for line in (record.parent / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events][-3:] == ["dark", "closed", "completed"]


NEWER = """
import importlib.machinery
import sys

plain = importlib.machinery.SourceFileLoader.get_data

def get_data(self, path):
    if "wire" in path and "messages." in path and path.endswith(".pyc"):
        raise OSError("made anew")
    data = plain(self, path)
    return data.replace(b"VERSION = (1, 0)", b"VERSION = (2, 0)") if path.endswith("wire/messages.py") else data

importlib.machinery.SourceFileLoader.get_data = get_data
sys.dont_write_bytecode = True
"""


def test_row_40_a_coordinator_of_another_version_is_refused_by_its_nodes_with_both_versions_named(cold_site):
    site = cold_site
    (site.folder / "newer").mkdir()
    (site.folder / "newer" / "sitecustomize.py").write_text(NEWER)
    site.environment = {"PYTHONPATH": str(site.folder / "newer")}
    site.start_coordinator()
    site.environment = {}
    site.start_agent()
    skew = "speaks version 2.0 of the protocol, the client 1.0"
    site.until(lambda: skew in site.status()["coordinator"])
    assert not site.status()["leased"]
    assert "no lease" in site.refused(site.client(), Set(0, site.pump, "power", 0.01, 0), InstrumentError).what
    error = site.refused(site.to_coordinator(), Ack(0), VersionSkew)
    assert skew in error.what
    assert "same version" in error.hint


def test_row_40_a_client_of_another_version_is_refused_by_an_agent_and_of_a_newer_minor_one_is_not(site):
    with zmq.Context() as context:
        for version, answer in (((2, 0), Refusal), ((1, 9), Hello)):
            peer = context.socket(zmq.DEALER)
            peer.linger = 0
            keys = site.keys["anna"]
            peer.curve_publickey, peer.curve_secretkey = keys.public.encode(), keys.secret.encode()
            peer.curve_serverkey = site.keys["charlie"].public.encode()
            peer.connect(f"tcp://127.0.0.1:{site.agent_port}")
            peer.send_multipart(encode(Hello(1, version=version)))
            assert peer.poll(20_000)
            said = Decoder(Answer).decode(peer.recv_multipart())[0]
            peer.close()
            assert isinstance(said, answer)
    assert site.well()


PLUGIN = """
from bellringer.drivers.lasers.cobolt import Cobolt06

class Mine(Cobolt06):
    "A driver of another package."
"""


def test_row_40_a_driver_file_changed_under_an_agent_latches_it_dark(cold_site, installed):
    site = cold_site
    site.environment = installed("mine", textwrap.dedent(PLUGIN), "Mine")
    site.laser.driven_by("mine")
    site.start()
    before = site.status()["about"]
    assert before["drivers"]["mine"]
    assert before["testbed"]
    site.light()
    text = site.folder / "packages" / "mine_driver.py"
    text.write_text(text.read_text() + "\n# changed under a running agent\n")
    (pid,) = site.drivers()
    os.kill(pid, signal.SIGKILL)
    fault = site.until(lambda: "changed under a running agent" in site.status()["fault"] and site.status()["fault"])
    assert "driver mine" in fault
    site.until(lambda: not site.laser.lit)
    assert site.status()["about"]["drivers"]["mine"] != before["drivers"]["mine"]
    assert "latched dark" in site.refused(site.client(), Set(0, site.pump, "power", 0.01, 0), InstrumentError).what


def test_row_40_a_record_pins_the_testbed_file_its_drivers_and_the_versions(bench):
    command = bench("run", "lab.yaml", "late.py:patient", "--dry-run", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **bench.options) as running:
        end = time.monotonic() + 60
        while not list(bench.folder.glob("runs/*/snapshots.json")):
            assert time.monotonic() < end
            time.sleep(0.01)
        asked = (bench.folder / "lab.yaml").read_text()
        (bench.folder / "lab.yaml").write_text(asked + "# changed while it runs\n")
        running.communicate(timeout=60)
    (folder,) = (bench.folder / "runs").iterdir()
    assert (folder / "testbed.yaml").read_text() == asked
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "completed"
    assert record["bellringer"]
    assert record["nodes"]["charlie"]["drivers"].keys() == {"cobolt_06"}
    assert record["nodes"]["charlie"]["testbed"]
