"""A run and the people around it: on a testbed that runs already, on its own, detached, paused, aborted, e-stopped."""

import json
import os
import signal
from pathlib import Path

import pytest
from bellringer.orchestrator.client import Network
from bellringer.orchestrator.client.contact import kept_estops, sessions
from bellringer.orchestrator.records import read_run
from bellringer.orchestrator.wire.messages import Status

from .processes import children_of

pytestmark = pytest.mark.process

SHINE = """
from pathlib import Path

from bellringer.sequences import Run, sequence

@sequence
def shine(run: Run, steps: int = 2000000) -> None:
    "Light, and wait."
    run.call("table.lamp", "emission_on")
    for step in run.scan(range(steps), "shining"):
        run.sleep(0.02)
        if Path("enough").exists():
            break
"""


class Detached:
    """A dry run of one laser that goes on by itself."""

    def __init__(self, bellringer):
        self.bellringer = bellringer
        self.words = ("run", *bellringer.one_laser(SHINE), "--dry-run", "--detach")
        self.told = self("run", *self.words[1:])
        self.folder = Path(self.told["folder"])

    def __call__(self, *words):
        ended = self.bellringer(*words, "--json")
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    def events(self):
        return [event["event"] for event in self.bellringer.events(self.folder)]

    def happens(self, event):
        self.bellringer.wait_until(lambda: event in self.events())

    def ended(self):
        """Wait until its process has gone and return what ``run.json`` says."""
        self.bellringer.wait_until(lambda: not Path(f"/proc/{self.told['pid']}").exists())
        return json.loads((self.folder / "run.json").read_text())


@pytest.fixture
def detached(bellringer):
    run = Detached(bellringer)
    yield run
    if Path(f"/proc/{run.told['pid']}").exists():
        os.kill(run.told["pid"], signal.SIGTERM)
        run.ended()


def test_a_detached_run_is_paused_resumed_and_aborted_from_elsewhere(detached):
    name = detached.told["run"]
    detached.happens("running")
    assert detached("pause")["state"] == "pausing"
    detached.happens("paused")
    assert [run["run"] for run in detached("status")["runs"]] == [name]
    assert detached("resume", name)["state"] == "running"
    detached.happens("resumed")
    assert detached("abort", name)["state"] == "aborting"
    assert detached.ended()["status"] == "aborted"
    assert detached.events()[-3:] == ["dark", "closed", "aborted"]
    assert "error: the run was aborted" in (detached.folder / "output.txt").read_text()
    assert not list(sessions().glob("run-*"))


def test_a_paused_run_can_be_aborted(detached):
    detached("pause")
    detached.happens("paused")
    detached("abort")
    assert detached.ended()["status"] == "aborted"


def test_a_detached_run_has_a_session_of_its_own_and_survives_the_terminal(detached):
    detached.happens("running")
    pid = detached.told["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    assert os.readlink(f"/proc/{pid}/fd/1") == str(detached.folder / "output.txt")


@pytest.mark.parametrize("moment", ["opening", "running", "paused"])
def test_an_estop_ends_a_run_in_every_state(detached, moment):
    if moment == "paused":
        detached("pause")
    detached.happens(moment)
    told = detached("estop", "smoke")
    assert told == {"dark": ["table"], "failed": {}, "kept": False}
    record = detached.ended()
    assert record["status"] == "failed"
    assert "e-stop pressed by 'operator'" in record["error"]
    assert "smoke" in record["error"]
    assert {"event": "dark", "confirmed": True} in [
        {key: event[key] for key in ("event", "confirmed")}
        for event in detached.bellringer.events(detached.folder)
        if event["event"] == "dark"
    ]


def test_what_cannot_begin_is_told_where_it_was_started(bellringer):
    file, sequence = bellringer.one_laser(SHINE)
    ended = bellringer("run", file, sequence, "--dry-run", "--detach", "--colour", "red")
    assert ended.returncode == 1
    assert "shine has no parameter 'colour'" in ended.stderr
    assert not list((bellringer.folder / "runs").iterdir())


def test_a_run_that_is_not_there_is_not_told_anything(bellringer, detached):
    ended = bellringer("abort", detached.told["run"][:-1])
    assert ended.returncode == 1
    assert f"nearest is '{detached.told['run']}'" in ended.stderr or detached.told["run"] in ended.stderr
    detached("abort")
    detached.ended()
    ended = bellringer("pause")
    assert ended.returncode == 1
    assert "there is no contact file" in ended.stderr


# --- on a testbed that runs already -------------------------------------------------------------------------------


@pytest.fixture
def up(bellringer):
    file, _ = bellringer.one_laser(SHINE)
    with bellringer.started("up", file, "--dry-run", "--json") as process:
        process.stdout.readline()
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_run_joins_the_testbed_that_is_up_and_what_is_set_beside_it_is_in_its_record_or_refused(bellringer, up):
    def kinds():
        found = list((bellringer.folder / "runs").glob("*/events.jsonl"))
        return [event["event"] for event in bellringer.events(found[0].parent)] if found else []

    network = Network.found(None, None, "")

    def shown():
        return network.ask(Status(0))["runs"][-1]["state"], read_run(bellringer.run_folder())["status"]

    with bellringer.started("run", *bellringer.one_laser(SHINE)) as run:
        bellringer.wait_until(lambda: "running" in kinds() or run.poll() is not None)
        run.send_signal(signal.SIGINT)
        bellringer.wait_until(lambda: shown() == ("pausing", "paused"))
        name = bellringer.run_folder().name
        refused = bellringer.here("set", "table.lamp.power=4 mW")
        assert refused.returncode == 1
        assert f"belongs to run '{name}'" in refused.stderr
        assert "--in-run" in refused.stderr
        done = bellringer.here("set", "table.lamp.power=4 mW", "--in-run")
        assert done.returncode == 0, done.stderr
        assert bellringer.here("call", "table.lamp", "safe_state").returncode == 0
        assert bellringer.here("call", "table.lamp", "clear_fault", "--in-run").returncode == 0
        assert bellringer.here("resume", name).returncode == 0
        bellringer.wait_until(lambda: shown() == ("running", "running"))
        (bellringer.folder / "enough").touch()
        assert run.wait(60) == 0, bellringer.stderr()
    assert "joining the testbed" in bellringer.stderr()
    events = [event for event in bellringer.events(bellringer.run_folder()) if event["event"] == "by_hand"]
    assert [event.get("setting") or event["method"] for event in events] == ["power", "clear_fault"]
    assert (events[0]["who"], events[0]["instrument"], events[0]["value"]) == ("operator", "table.lamp", 0.004)
    assert kinds().index("by_hand") < kinds().index("resumed")
    assert "set table.lamp.power to 0.004 by hand" in (bellringer.run_folder() / "results.json").read_text()
    record = json.loads((bellringer.run_folder() / "run.json").read_text())
    assert record["nodes"]["table"]["simulated"] is True
    assert len(record["nodes"]["table"]["drivers"]["cobolt_06"]) == 16
    after = json.loads(bellringer("status", "--json").stdout)
    assert after["problems"] == []
    assert after["runs"][-1]["state"] == "released"


def test_a_run_with_another_text_of_the_testbed_is_refused(bellringer, up):
    file, sequence = bellringer.one_laser(SHINE)
    ended = bellringer("run", file, sequence, "--steps", "5", "--set", "table.lamp.power=4 mW")
    assert ended.returncode == 1
    assert "started with another text of this testbed" in ended.stderr
    assert "table.lamp.settings.power: " in ended.stderr
    assert " there, 4 mW here" in ended.stderr
    other = (bellringer.folder / file).read_text().replace("table:", "desk:")
    (bellringer.folder / "other.yaml").write_text(other)
    ended = bellringer("run", "other.yaml", sequence)
    assert ended.returncode == 1
    assert "has no node 'desk'" in ended.stderr


def test_a_run_never_starts_a_second_testbed_beside_one_that_does_not_answer(bellringer, up):
    contact = json.loads(next(sessions().glob("up/contact.json")).read_text())
    file = bellringer.folder / "contact.json"
    file.write_text(json.dumps({**contact, "control": "tcp://127.0.0.1:9"}))
    file.chmod(0o600)
    ended = bellringer("run", *bellringer.one_laser(SHINE), "--contact", file)
    assert ended.returncode == 1
    assert "the testbed's coordinator does not answer" in ended.stderr
    assert "--here" in ended.stderr


def test_an_estop_of_real_instruments_is_latched_from_one_testbed_to_the_next_until_acknowledged(bellringer):
    file, sequence = bellringer.one_laser(SHINE)
    kept_estops().mkdir(parents=True)
    press = {"who": "anna", "key": "", "reason": "smoke", "utc": "2026-01-31T12:05:00+00:00"}
    (kept_estops() / "of-a-run-before.json").write_text(json.dumps([press]))
    with bellringer.started("lab", "up", file, "--json") as lab:
        resource = json.loads(lab.stdout.readline())["instruments"]["table.lamp"]["resource"]
        real = (file, "--set", f"table.lamp.resource={resource}")
        with bellringer.started("up", *real, "--json") as up:
            assert "e-stop pressed by 'anna'" in json.loads(up.stdout.readline())["wrong"]["table"]
            assert "acknowledged: e-stop by anna" in bellringer.here("ack").stdout
            bellringer.wait_until(lambda: bellringer.here("status").returncode == 0)
            (coordinator,) = children_of(up.pid, "coordinator")
            os.kill(coordinator, signal.SIGSTOP)
            told = json.loads(bellringer.here("estop", "frozen", "--json").stdout)
            os.kill(coordinator, signal.SIGCONT)
            assert (told["dark"], told["kept"]) == (["table"], True)
            assert len(list(kept_estops().glob("*.json"))) == 1
            bellringer.wait_until(lambda: "acknowledged" in bellringer.here("ack").stdout)
            assert not list(kept_estops().glob("*.json"))
            bellringer.wait_until(lambda: bellringer.here("status").returncode == 0)
            assert bellringer.here("estop", "fire").returncode == 0
            up.send_signal(signal.SIGTERM)
            up.wait(60)
    refused = bellringer.here("run", file, sequence, *real[1:], "--steps", "5")
    assert refused.returncode == 1
    assert "the e-stop of this computer is latched, pressed by operator" in " ".join(refused.stderr.split())
    assert "fire" in bellringer.here("ack").stdout
    assert "there is no contact file" in bellringer.here("ack").stderr


def test_two_runs_never_speak_on_one_port(bellringer):
    file, sequence = bellringer.one_laser(SHINE)
    with bellringer.started("lab", "up", file, "--json") as lab:
        resource = json.loads(lab.stdout.readline())["instruments"]["table.lamp"]["resource"]
        words = ("run", file, sequence, "--set", f"table.lamp.resource={resource}", "--runs")
        first = json.loads(bellringer(*words, "first", "--detach", "--json").stdout)
        second = bellringer(*words, "second")
        assert second.returncode == 1
        assert "speaks on its port" in " ".join(second.stderr.split())
        os.kill(first["pid"], signal.SIGTERM)
        bellringer.wait_until(lambda: not Path(f"/proc/{first['pid']}").exists())
        assert json.loads((Path(first["folder"]) / "run.json").read_text())["status"] == "aborted"
