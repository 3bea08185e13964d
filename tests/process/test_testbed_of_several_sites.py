"""Coordinator and agent as commands of their own, with keys made by hand, as docs/running-a-testbed.md has it."""

import json
import signal
import subprocess
from contextlib import contextmanager

import pytest
import yaml

pytestmark = pytest.mark.process

PUMP = "charlie.pump"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@contextmanager
def running(bellringer, *words):
    """Run a command that prints JSON when it is ready; give it and the JSON; it is ended as by Ctrl-C."""
    command = bellringer._command((*words, "--json"))
    process = subprocess.Popen(command, cwd=bellringer.folder, env=bellringer._environment(), stdout=subprocess.PIPE)
    try:
        yield process, json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def done(bellringer, *words):
    ended = bellringer.here(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refused(bellringer, *words):
    ended = bellringer.here(*words)
    assert ended.returncode == 1
    return " ".join(ended.stderr.split())


def file_for(lab, example, folder):
    """Write the testbed file of a site whose instruments are where ``lab`` says."""
    body = yaml.safe_load(example.read_text())
    for name, place in lab["instruments"].items():
        node, _, instrument = name.partition(".")
        entry = body["nodes"][node]["instruments"][instrument]
        if "parts" not in entry:
            entry["resource"] = place["resource"]
            entry["options"] = {**entry.get("options", {}), **place["options"]}
    file = folder / "lab.yaml"
    file.write_text(yaml.safe_dump(body))
    return file


def test_from_keys_to_get_set_estop_and_a_revoked_key(bellringer, home):
    keys = home / ".config" / "bellringer" / "keys"
    states = home / "coordinator", home / ".local" / "state" / "bellringer" / "charlie"
    for name in ("coordinator", "charlie", "anna"):
        assert "fingerprint" in done(bellringer, "keys", "init", name)
    assert "there is a key 'anna' already" in refused(bellringer, "keys", "init", "anna")
    done(bellringer, "keys", "enrol", keys / "charlie.pub", "--role", "node", "--at", states[0])
    for state in states:
        done(bellringer, "keys", "enrol", keys / "anna.pub", "--role", "operator", "--at", state)
    assert "roles: observer" in refused(bellringer, "keys", "enrol", keys / "anna.pub", "--role", "boss", "--at", home)
    enrolled = json.loads(done(bellringer, "keys", "ls", "--at", states[0], "--json"))
    assert {(each["name"], each["role"]) for each in enrolled} == {("charlie", "node"), ("anna", "operator")}
    assert "there is no contact file" in refused(bellringer, "status")
    assert "no address that others can be told" in refused(
        bellringer, "coordinator", "--state", states[0], "--bind", "0.0.0.0"
    )

    with (
        running(bellringer, "lab", "up", bellringer.example) as (_, lab),
        running(bellringer, "coordinator", "--state", states[0], "--port", "0") as (_, where),
    ):
        assert where["contact"] == str(home / ".config" / "bellringer" / "contact.json")
        file = file_for(lab, bellringer.example, home)
        assert "you have several keys: anna, charlie, coordinator" in refused(bellringer, "status")
        assert "another coordinator uses this state folder" in refused_start(bellringer, states[0])
        with running(bellringer, "agent", file, "charlie") as (_, agent):
            assert agent["state"] == str(states[1])
            me = ("--key", "anna")
            bellringer.wait_until(lambda: is_well(bellringer))
            done(bellringer, "set", f"{PUMP}.power=7 mW", *me)
            assert done(bellringer, "get", f"{PUMP}.power", *me) == "0.007 W\n"
            assert done(bellringer, "estop", *me).startswith("charlie: dark, confirmed")
            assert "an e-stop is latched" in refused(bellringer, "set", f"{PUMP}.power=7 mW", *me)
            assert "still latched" not in done(bellringer, "ack", *me)
            bellringer.wait_until(lambda: is_well(bellringer))
            done(bellringer, "set", f"{PUMP}.power=3 mW", *me)

            assert "needs the role operator" in refused(bellringer, "ack", "charlie", "--key", "charlie")
            done(bellringer, "keys", "revoke", "anna", "--at", states[1])
            told = refused(bellringer, "get", f"{PUMP}.power", *me)
            assert "the service refuses our key" in told
            assert agent["control"] in told

        bellringer.wait_until(lambda: silent(bellringer))
        ended = bellringer.here("status", *me)
        assert ended.returncode == 1
        assert "wrong: charlie: silent for" in ended.stdout


def is_well(bellringer):
    ended = bellringer.here("status", "--key", "anna")
    return ended.returncode == 0 and nodes(bellringer).get("charlie", {}).get("leased", False)


def silent(bellringer):
    return nodes(bellringer)["charlie"]["stale"]


def nodes(bellringer):
    return json.loads(bellringer.here("status", "--key", "anna", "--json").stdout)["nodes"]


def refused_start(bellringer, state):
    ended = bellringer("coordinator", "--state", state, "--port", "0")
    assert ended.returncode == 1
    assert "error: the coordinator did not start" in ended.stderr
    return ended.stderr
