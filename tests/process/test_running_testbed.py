"""A whole testbed as people run it: ``up`` and the commands around it, each a real process; keys, faults, the end."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from bellringer.orchestrator.wire.keys import KeyFolder

from .processes import name_of

pytestmark = pytest.mark.process

PUMP = "charlie.pump"
NODES = {"alice", "bob", "charlie"}


class Testbed:
    """``up`` in a home folder of its own."""

    __test__ = False

    def __init__(self, bellringer, process):
        self.bellringer, self.process = bellringer, process
        self.told = json.loads(process.stdout.readline())

    def __call__(self, *words):
        """Run a command that must succeed; return its JSON."""
        ended = self.bellringer(*words, "--json")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    def refused(self, *words):
        """Run a command that must fail; return its error, on one line."""
        ended = self.bellringer.here(*words)
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        return " ".join(ended.stderr.split())

    def alive(self):
        """Return which of the processes ``up`` started, and of their driver processes, still run."""
        return {pid for pid in {*self.told["processes"], *self.drivers} if is_alive(pid)}

    def look(self):
        """Note and return the status of all; the driver processes are known from now on."""
        body = self("status")
        self.drivers = {int(pid) for node in body["nodes"].values() for pid in node["agent"]["driver_processes"]}
        return body


def is_alive(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@contextlib.contextmanager
def up(bellringer, file, *words):
    """A testbed that is up as long as the context lasts."""
    with bellringer.started("up", file, "--dry-run", "--json", "--seed", "1", *words) as process:
        yield Testbed(bellringer, process)
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture
def testbed(bellringer, home):
    """The testbed of three nodes."""
    with up(bellringer, bellringer.example, "--set", "charlie.pump.model.warm_up=0 s") as testbed:
        yield testbed


@pytest.fixture
def small(bellringer, home):
    """A testbed of one laser: lab, coordinator, agent, driver process."""
    file, _ = bellringer.one_laser("")
    with up(bellringer, file) as testbed:
        yield testbed


def test_a_testbed_is_looked_at_set_stopped_acknowledged_and_taken_down(testbed, home):
    assert testbed.told["wrong"] == {}
    names = {name_of(pid) for pid in testbed.told["processes"]}
    assert names == {"simulated lab", "coordinator", *(f"agent {node}" for node in NODES)}, "no correlator: its end"
    body = testbed.look()
    assert set(body["nodes"]) == NODES
    assert body["problems"] == []
    assert all(node["leased"] and node["agent"]["dark"] for node in body["nodes"].values())
    assert len(testbed.drivers) == 7, "the parts of one source share a driver process"

    assert testbed("set", f"{PUMP}.power=10 mW") == {
        "instrument": PUMP, "values": {"power": 0.01}, "units": {"power": "W"}
    }  # fmt: skip
    assert testbed("get", PUMP)["values"].items() >= {"power": 0.01, "emitting": False}.items()
    assert testbed.bellringer("get", f"{PUMP}.power").stdout == "0.01 W\n"
    assert "outside 0 to 0.05 W (limit of the testbed file)" in testbed.refused("set", f"{PUMP}.power=60 mW")
    assert 'next: write "10 mW"' in testbed.refused("set", f"{PUMP}.power=10")
    assert "did you mean 'charlie.pump'" in testbed.refused("get", "charlie.pomp.power")
    assert "is a reading and cannot be set" in testbed.refused("set", f"{PUMP}.power_now=1 mW")

    assert testbed("estop", "smoke") == {"dark": sorted(NODES), "failed": {}, "kept": False}
    assert "an e-stop is latched" in testbed.refused("set", f"{PUMP}.power=10 mW")
    wrong = testbed.bellringer("status", "--json")
    assert wrong.returncode == 1
    problems = json.loads(wrong.stdout)["problems"]
    assert "e-stop pressed by operator" in problems[0]
    assert problems[0].endswith(": smoke")
    assert {problem.partition(":")[0] for problem in problems[1:]} == NODES
    acknowledged = testbed("ack")
    assert acknowledged["left"] == {}
    assert set(acknowledged["acknowledged"][1:]) == NODES
    assert "no e-stop is latched" in testbed.refused("ack")
    testbed.bellringer.wait_until(lambda: testbed.bellringer("status").returncode == 0)
    testbed("set", f"{PUMP}.power=5 mW")

    assert testbed.bellringer("down").returncode == 0
    assert testbed.process.wait(60) == 0
    assert testbed.alive() == set()
    assert "there is no contact file" in testbed.refused("status")
    assert "no testbed is up" in testbed.refused("down")


def test_who_has_no_key_an_unknown_key_or_the_wrong_address_is_told_what_to_do(small, home):
    contact = Path(small.told["contact"])
    assert "next: make one: bellringer keys init" in small.refused("status", "--keys", home / "mine")
    assert small.bellringer("keys", "init", "anna", "--keys", home / "mine").returncode == 0
    refused = small.refused("get", "table.lamp.power", "--keys", home / "mine")
    assert "the service refuses our key" in refused
    assert "next: have an admin enrol it there: bellringer keys enrol" in refused

    body = json.loads(contact.read_text())
    other = home / "other.json"
    other.write_text(json.dumps({**body, "public_key": KeyFolder(home / "mine").public("anna")}))
    other.chmod(0o600)
    assert "does not hold the key" in small.refused("status", "--contact", other)
    other.write_text(json.dumps({**body, "control": "tcp://127.0.0.1:1"}))
    assert "nobody listens there" in small.refused("status", "--contact", other)

    folder = contact.parent
    assert {path.stat().st_mode & 0o777 for path in (folder, Path(body["keys"]))} == {0o700}
    assert (Path(body["keys"]) / "operator.key").stat().st_mode & 0o777 == 0o600
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in small.told["processes"]]
    assert not any((Path(body["keys"]) / "operator.key").read_bytes().strip() in words for words in commands)


def test_an_estop_reaches_the_agents_even_if_the_coordinator_is_frozen(small):
    coordinator = small.told["processes"][1]
    os.kill(coordinator, signal.SIGSTOP)
    try:
        ended = small.bellringer("estop", "--json")
    finally:
        os.kill(coordinator, signal.SIGCONT)
    assert ended.returncode == 1, "not everything was confirmed"
    body = json.loads(ended.stdout)
    assert body["dark"] == ["table"]
    assert list(body["failed"]) == ["the coordinator"]
    assert not body["kept"], "nothing that is real was lit"


def test_sigterm_of_up_leaves_no_process_and_no_key_behind(testbed):
    testbed.look()
    assert len(testbed.alive()) == 5 + 7
    folder = Path(testbed.told["contact"]).parent
    testbed.process.send_signal(signal.SIGTERM)
    assert testbed.process.wait(60) == 0
    assert testbed.alive() == set()
    assert not list(folder.rglob("*.key"))
    assert not Path(testbed.told["contact"]).exists()


def test_even_a_killed_up_leaves_no_process_behind_and_can_be_started_again(small):
    small.look()
    assert len(small.alive()) == 3 + 1
    small.process.kill()
    small.process.wait()
    small.bellringer.wait_until(lambda: not small.alive())
    assert "there is no contact file" in small.refused("status")
    with up(small.bellringer, small.bellringer.folder / "one.yaml") as again:
        assert again.told["wrong"] == {}
        again.look()
        assert len(again.alive()) == 3 + 1


def test_a_dead_service_ends_everything(small):
    small.look()
    os.kill(small.told["processes"][1], signal.SIGKILL)
    assert small.process.wait(60) == 1
    assert small.alive() == set()
    assert "error: the coordinator ended" in small.bellringer.stderr()
