"""docs/running-a-testbed.md, "Three computers", walked through with the command line in three network namespaces.

Every computer has a home folder of its own; files are copied between them where the page says so. Each site's
instruments are those of a simulated lab on the same computer.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from bellringer.console.main import main

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
SITES = ("charlie", "alice", "bob")
PATIENCE_S = 60.0


class Computers:
    """The four computers: their homes, their commands, and what runs on them."""

    def __init__(self, net, folder):
        self.net, self.homes = net, {name: folder / name for name in net.addresses}
        for home in self.homes.values():
            home.mkdir()
        self.open = contextlib.ExitStack()

    def _started(self, host, words, **more):
        home = self.homes[host]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BELLRINGER")}
        command = [*self.net.inside(host), sys.executable, "-m", "bellringer.console.main"]
        words = [str(word).replace("~", str(home)) for word in words]
        return subprocess.Popen(
            [*command, *words],
            cwd=home,
            env={**environment, "HOME": str(home), "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            **more,
        )

    def keys(self, host, *words):
        """Run a ``keys`` command of a host, which needs no network, in this process; return what it printed."""
        home, out = self.homes[host], io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
            patch.chdir(home)
            patch.setenv("HOME", str(home))
            patch.setattr(sys, "argv", ["bellringer", "keys", *(word.replace("~", str(home)) for word in words)])
            with pytest.raises(SystemExit) as ended:
                main()
        assert not ended.value.code
        return out.getvalue()

    def __call__(self, host, *words, code=0):
        """Run a command on a host; return what it printed, or its error on one line."""
        process = self._started(host, words, stderr=subprocess.PIPE)
        out, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, errors
        assert "Traceback" not in errors
        return out if code == 0 else " ".join(errors.split())

    def run(self, host, *words):
        """Start a command that stays, and return what it tells when it is ready; it is ended as by Ctrl-C."""
        process = self._started(host, (*words, "--json"))
        self.open.callback(self._end, process)
        line = process.stdout.readline()
        assert line, f"{words[0]} did not start"
        return json.loads(line)

    @staticmethod
    def _end(process):
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def copy(self, what, source, target, to="."):
        """Carry a file from one computer to another."""
        place = self.homes[target] / to
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.homes[source] / what, place)


@pytest.fixture
def computers(net, tmp_path):
    computers = Computers(net, tmp_path)
    with computers.open:
        yield computers


def until(what):
    end = time.monotonic() + PATIENCE_S
    while not (seen := what()):
        assert time.monotonic() < end, "what the test waits for did not happen"
    return seen


def site_file(instruments, node, folder):
    """Write the testbed file whose instruments of one node are where its simulated lab says."""
    body = yaml.safe_load(EXAMPLE.read_text())
    for name, entry in body["nodes"][node]["instruments"].items():
        if "parts" not in entry:
            place = instruments[f"{node}.{name}"]
            entry["resource"] = place["resource"]
            entry["options"] = {**entry.get("options", {}), **place["options"]}
    (folder / "lab.yaml").write_text(yaml.safe_dump(body))


def test_row_28_three_computers_from_keys_to_an_estop_and_through_a_partition(computers):
    keys, contact = ".config/bellringer/keys", ".config/bellringer"
    addresses = computers.net.addresses
    for name, host in (("coordinator", "charlie"), *((name, name) for name in addresses)):
        assert "fingerprint" in computers.keys(host, "init", name)
    for name in ("alice", "bob", "anna"):
        computers.copy(f"{keys}/{name}.pub", name, "charlie")
    for host in ("alice", "bob"):
        computers.copy(f"{keys}/anna.pub", "anna", host)

    computers.keys("charlie", "enrol", f"~/{keys}/charlie.pub", "--role", "node", "--at", "~/coordinator")
    for name, role in (("alice", "node"), ("bob", "node"), ("anna", "operator")):
        computers.keys("charlie", "enrol", f"{name}.pub", "--role", role, "--at", "~/coordinator")
    where = computers.run("charlie", "coordinator", "--state", "~/coordinator", "--bind", addresses["charlie"])
    assert where["control"] == f"tcp://{addresses['charlie']}:5570"
    for host in ("alice", "bob", "anna"):
        computers.copy(f"{contact}/contact.json", "charlie", host, contact)

    for host in SITES:
        computers.keys(host, "enrol", "anna.pub", "--role", "operator", "--at", f"~/.local/state/bellringer/{host}")
        lab = computers.run(host, "lab", "up", EXAMPLE)
        site_file(lab["instruments"], host, computers.homes[host])
        computers.run(host, "agent", "lab.yaml", host, "--bind", addresses[host], "--port", "5580")

    def status():
        process = computers._started("anna", ["status", "--json"], stderr=subprocess.DEVNULL)
        out, _ = process.communicate(timeout=PATIENCE_S)
        return json.loads(out)["nodes"]

    def is_well(*hosts):
        nodes = status()
        return all(host in nodes and nodes[host]["leased"] for host in hosts)

    until(lambda: is_well(*SITES))
    assert "bias_current" in computers("anna", "get", "alice.detectors")
    computers("anna", "set", "alice.plate.angle=22.5 deg")
    assert float(computers("anna", "get", "alice.plate.angle").split()[0]) == pytest.approx(22.5, abs=0.1)
    assert "limit" in computers("anna", "set", "charlie.pump.power=60 mW", code=1)

    with computers.net.cut(("alice", "charlie"), ("charlie", "alice")):
        until(lambda: not is_well("alice"))
        assert "no lease" in computers("anna", "set", "alice.plate.angle=0 deg", code=1)
        computers("anna", "set", "charlie.pump.power=5 mW")
    until(lambda: is_well(*SITES))

    told = computers("anna", "estop", "fibre open at Bob's")
    assert all(f"{host}: dark, confirmed" in told for host in SITES)
    assert "an e-stop is latched" in computers("anna", "set", "charlie.pump.power=5 mW", code=1)
    computers("anna", "ack")
    until(lambda: is_well(*SITES))
    computers("anna", "set", "charlie.pump.power=5 mW")
