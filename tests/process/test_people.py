"""What people touch on a running testbed: the notebook page, watching, the log, the doctor; all real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

PUMP = "charlie.pump"
NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.md"


@pytest.fixture(scope="module")
def up(tmp_path_factory, bellringer_in):
    """``up`` on a simulated lab, for all tests of this file; each leaves it without e-stop and fault."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
            patch.delenv(name, raising=False)
        bellringer = bellringer_in(home)
        words = ["--dry-run", "--json", "--seed", "1", "--set", "charlie.pump.model.warm_up=0 s"]
        with bellringer.started("up", bellringer.example, *words) as process:
            assert json.loads(process.stdout.readline())["wrong"] == {}
            yield bellringer
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture
def testbed(up, monkeypatch):
    monkeypatch.setenv("HOME", str(up.folder))
    return up


def lines(ended):
    return [json.loads(line) for line in ended.stdout.splitlines()]


def script(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_notebook_page_does_what_it_says_and_needs_no_driver(testbed):
    page = NOTEBOOK.read_text().partition("## On a running testbed")[2]
    blocks = [each.partition("```")[0] for each in page.split("```python\n")[1:]]
    assert len(blocks) == 3
    ended = script(
        "\n".join(blocks[:2])
        + "\nassert lab.charlie.pump.emitting is False and lab.run_names == []"
        + "\nassert '<td>2e-05 A</td>' in lab.alice.detectors._repr_html_()"
        + "\nassert '<td>dark</td>' in lab._repr_html_() and 'elliptec_ell14' in lab.alice._repr_html_()"
        + "\nimport sys; assert not [name for name in sys.modules if 'bellringer.drivers' in name]\n"
        + blocks[2]
    )
    assert ended.returncode == 0, ended.stderr
    power, rates, end = ended.stdout.splitlines()
    assert power.startswith("0.01 ")
    assert max(json.loads(rates)) > 1000, "there was light while it was held; 100 a second are dark counts"
    assert end == "[] []"
    testbed.wait_until(lambda: testbed.here("status", "--json").returncode == 0)


HELD = """
from bellringer.orchestrator.client import connect
from bellringer.testbed.errors import Aborted
import sys, threading
with connect() as lab:
    try:
        with lab.own("charlie.pump", run="by-hand") as hold:
            lab.charlie.pump.emission_on()
            print("lit", lab.charlie.pump.emitting, flush=True)
            while True:
                lab.charlie.pump.power
    except Aborted as error:
        print(error.what, lab.charlie.pump.emitting, flush=True)
"""


def test_a_script_that_holds_an_instrument_can_be_aborted_by_a_person_and_ends_dark(testbed):
    with subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "lit True\n"
        assert testbed.here("abort", "by-hand").returncode == 0
        assert process.stdout.readline().endswith(" False\n")
        assert process.wait(30) == 0


def test_values_are_watched_in_their_unit_and_a_killed_driver_process_is_told(testbed):
    watch = ["watch", f"{PUMP}.power", "--every", "0.1 s", "--seconds", "60", "--json"]
    with testbed.started(*watch) as process:
        first = json.loads(process.stdout.readline())
        assert (first["instrument"], first["units"], first["bad"]) == (PUMP, {"power": "W"}, {})
        assert list(first["values"]) == ["power"]
        body = json.loads(testbed.here("status", "--json").stdout)
        processes = body["nodes"]["charlie"]["agent"]["driver_processes"]
        (pid,) = (int(pid) for pid, names in processes.items() if PUMP in names)
        os.kill(pid, signal.SIGKILL)
        while not (update := json.loads(process.stdout.readline()))["bad"]:
            assert update["values"]
        assert update["values"] == {}, "no old value"
        while (update := json.loads(process.stdout.readline()))["bad"]:
            assert update["values"] == {}
        assert list(update["values"]) == ["power"]
    testbed.wait_until(lambda: testbed.here("status", "--json").returncode == 0)


def test_what_cannot_be_watched_is_refused_with_the_nearest_name(testbed):
    assert "did you mean 'power_now'" in testbed.here("watch", f"{PUMP}.power_nou").stderr
    assert "choose between 0.05 s" in testbed.here("watch", PUMP, "--every", "10 ms").stderr
    assert 'write "10 s"' in testbed.here("watch", PUMP, "--every", "10").stderr


def test_a_table_is_shown_until_its_time_is_over(testbed):
    ended = testbed.here("watch", f"{PUMP}.power", "--every", "0.1 s", "--seconds", "0.5")
    assert (ended.returncode, "good" in ended.stdout, f"{PUMP}.power" in ended.stdout) == (0, True, True)


def test_the_log_tells_what_happened_before_and_what_happens(testbed):
    with testbed.started("log", "--follow", "--json", "-n", "1000") as process:
        known = [json.loads(process.stdout.readline())]
        while known[-1]["event"] != "registered":
            known.append(json.loads(process.stdout.readline()))
        assert known[0]["utc"] <= known[-1]["utc"]
        assert testbed.here("estop", "smoke").returncode == 0
        heard = set()
        while not {("coordinator", "estop"), ("alice", "dark"), ("bob", "dark"), ("charlie", "dark")} <= heard:
            event = json.loads(process.stdout.readline())
            heard.add((event["source"], event["event"]))
            if event["event"] == "estop" and "smoke" in event["text"]:
                assert event["severity"] == "wrong"
    assert testbed.here("ack").returncode == 0
    testbed.wait_until(lambda: testbed.here("status", "--json").returncode == 0)
    told = testbed.here("log").stdout
    assert "E-STOP pressed by operator: smoke" in told
    assert "operator looked and acknowledged the e-stop" in told
    assert {event["source"] for event in lines(testbed.here("log", "--node", "bob", "--json"))} == {"bob"}
    assert "did you mean 'bob'" in testbed.here("log", "--node", "bop").stderr


def test_keys_that_were_turned_away_are_in_the_log(testbed):
    assert testbed.here("keys", "init", "eve", "--keys", "eve").returncode == 0
    assert testbed.here("status", "--keys", "eve").returncode == 1
    testbed.wait_until(lambda: "a key that is not enrolled" in testbed.here("log").stdout)


def test_the_doctor_finds_this_testbed_well_and_says_what_is_wrong_with_it(testbed):
    ended = testbed.here("doctor", "--json")
    body = json.loads(ended.stdout)
    states = {each["check"]: each["state"] for each in body["findings"]}
    assert (ended.returncode, body["bad"]) == (0, 0), body
    for service in ("coordinator", "node alice", "node bob", "node charlie"):
        assert states[service] in ("ok", "warn"), "warn if a driver process was killed before"
        assert (states[f"{service}: version"], states[f"{service}: clock"]) == ("ok", "ok")
    assert testbed.here("estop").returncode == 0
    ended = testbed.here("doctor")
    assert ended.returncode == 1
    assert "the e-stop is latched" in ended.stdout
    assert "-> look there, then bellringer ack alice" in ended.stdout
    assert testbed.here("ack").returncode == 0
    testbed.wait_until(lambda: testbed.here("status", "--json").returncode == 0)


SHINE = """
from bellringer.sequences import Run, sequence

@sequence
def shine(run: Run, steps: int = 2000000) -> None:
    "Light, and wait."
    run.call("table.lamp", "emission_on")
    for step in run.scan(range(steps), "shining"):
        run.sleep(0.02)
"""


def test_nobody_reads_or_watches_in_a_dry_run_in_lockstep_which_would_wait_for_him(bellringer):
    with bellringer.started("run", *bellringer.one_laser(SHINE), "--dry-run") as process:
        bellringer.wait_until(lambda: "emission_on" in running(bellringer))
        for words in (["get", "table.lamp"], ["get", "table.lamp.power"], ["watch", "table.lamp.power"]):
            assert "lockstep" in bellringer.here(*words).stderr
        assert bellringer.here("abort").returncode == 0
        assert process.wait(40) != 0
    (record,) = (bellringer.folder / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["status"] == "aborted", "it went on"


def running(bellringer):
    """Return what the only run has told so far, "" before it began."""
    return "".join(path.read_text() for path in (bellringer.folder / "runs").glob("*/events.jsonl"))
