"""A whole agent in its own process, with a real coordinator, over encrypted sockets, on a simulated lab."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from bellringer.orchestrator.agent.service import CoordinatorAddress, Setup
from bellringer.orchestrator.coordinator import service
from bellringer.orchestrator.wire.client import Client
from bellringer.orchestrator.wire.enrolled import Enrolled
from bellringer.orchestrator.wire.errors import NotAllowed
from bellringer.orchestrator.wire.keys import KeyPair
from bellringer.orchestrator.wire.messages import Ack, Call, Do, EStop, Get, Log, Own, Release, Set, Status
from bellringer.sim_backends.lab.build import build_lab, endpoints
from bellringer.testbed.errors import BellringerError, InstrumentError, LimitError
from bellringer.testbed.loader import load

from ...reserved_ports import reserve_ports

pytestmark = pytest.mark.process

EXAMPLE = Path(__file__).parents[3] / "examples" / "bell_three_node.yaml"
OVERRIDES = {"charlie.pump.model.warm_up": "0 s"}
PATIENCE_S = 30.0
PUMP = "charlie.pump"


def until(what, message="it never happened"):
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, message
        time.sleep(0.02)


COMMAND = [sys.executable, "-m", "bellringer.orchestrator.agent.service"]


class Network:
    """A lab in step with the wall, a coordinator, and Charlie's agent."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = {name: KeyPair.ephemeral(name) for name in ("coordinator", "charlie", "anna", "otto")}
        self.enrolled = Enrolled()
        for name, role in (
            ("charlie", "node"),
            ("coordinator", "observer"),
            ("anna", "operator"),
            ("otto", "observer"),
        ):
            self.enrolled.enrol(self.keys[name].public, name, role)
        self.lab = build_lab(load(EXAMPLE, OVERRIDES).testbed, 1)
        self._lab_thread = threading.Thread(target=self.lab.run)
        self._lab_thread.start()
        self.start_coordinator()
        self.agent = None
        self.clients = []

    def start_coordinator(self):
        self._stop, ready = threading.Event(), threading.Event()

        def is_ready(ports):
            self.ports = ports
            ready.set()

        loopback = service.Ports("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
        setup = service.Setup(self.folder / "coordinator", self.keys["coordinator"], self.enrolled, loopback)
        self._coordinator = threading.Thread(target=service.run_coordinator, args=(setup, self._stop, is_ready))
        self._coordinator.start()
        assert ready.wait(PATIENCE_S)

    def stop_coordinator(self):
        self._stop.set()
        self._coordinator.join()

    def start_agent(self):
        keys = self.keys["charlie"]
        (port,) = reserve_ports(1, self)
        stream = f"tcp://127.0.0.1:{port}"
        self.setup = Setup(
            node="charlie",
            testbed=str(EXAMPLE),
            overrides=OVERRIDES,
            keys=(keys.name, keys.public, keys.secret),
            coordinator=CoordinatorAddress(self.ports.control, self.ports.events, self.keys["coordinator"].public),
            state=str(self.folder / "charlie"),
            enrolled=tuple(
                (self.keys[name].public, name, role) for name, role in (("anna", "operator"), ("otto", "observer"))
            ),
            endpoints={name: (body["resource"], body["options"]) for name, body in endpoints(self.lab).items()},
            stream=stream,
            leave_at_end=True,
        )
        self.agent = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.agent.stdin.write(msgspec.json.encode(self.setup) + b"\n")
        self.agent.stdin.flush()
        where = json.loads(self.agent.stdout.readline())
        self.control = where["control"]
        assert where["stream"] == stream
        until(lambda: self.status()["leased"] and self.status()["dark"])

    def client(self, who, endpoint=None, server="charlie"):
        client = Client(endpoint or self.control, self.keys[server].public, self.keys[who], timeout_s=10.0)
        self.clients.append(client)
        return client

    def coordinator(self, who):
        return self.client(who, self.ports.control, "coordinator")

    def status(self):
        with Client(self.control, self.keys["charlie"].public, self.keys["otto"], timeout_s=10.0) as client:
            return client.request(Status(0))

    @property
    def lit(self):
        return self.lab.twins[PUMP].inspect()["power_w"] > 0

    def close(self):
        for client in self.clients:
            client.close()
        if self.agent is not None:
            self.agent.stdin.close()
            self.agent.stdout.close()
            try:
                self.agent.wait(PATIENCE_S)
            finally:
                self.agent.kill()
                self.agent.wait()
        self.stop_coordinator()
        self.lab.stop()
        self._lab_thread.join()


@pytest.fixture
def network(tmp_path):
    network = Network(tmp_path)
    try:
        network.start_agent()
        yield network
    finally:
        network.close()


def light(network):
    anna = network.client("anna")
    anna.request(Set(0, PUMP, "power", 0.01, 0))
    anna.request(Call(0, PUMP, "emission_on", 0))
    until(lambda: network.lit)
    return anna


def test_an_operator_reads_and_sets_and_an_observer_only_reads(network):
    anna, otto = network.client("anna"), network.client("otto")
    anna.request(Set(0, PUMP, "power", 0.02, 0))
    assert otto.request(Get(0, PUMP, "power", 0)) == 0.02
    with pytest.raises(NotAllowed, match="needs the role operator"):
        otto.request(Set(0, PUMP, "power", 0.01, 0))
    with pytest.raises(LimitError, match="testbed file"):
        anna.request(Set(0, PUMP, "power", 0.06, 0))
    with pytest.raises(BellringerError, match=r"did you mean 'charlie\.pump'"):
        anna.request(Get(0, "charlie.pomp", "power", 0))
    assert otto.request(Get(0, PUMP, "power", 0)) == 0.02


def test_the_status_says_which_emitters_may_be_lit_and_the_log_since_when(network):
    assert network.status()["lit"] == []
    anna = light(network)
    assert network.status()["lit"] == [PUMP]

    def told():
        events = anna.request(Log(0, 0, 1000))["events"]
        return [(e["name"], e["body"]["instruments"]) for e in events if e["name"].startswith("light")]

    until(lambda: told() == [("light_off", [PUMP]), ("light_on", [PUMP])], "nobody was told that it was lit")
    anna.request(Do(0, PUMP, "safe_state", 0))
    until(lambda: not network.status()["lit"])
    until(lambda: told() == [("light_off", [PUMP]), ("light_on", [PUMP]), ("light_off", [PUMP])], "the log is wrong")


def test_check_tells_whether_a_set_would_be_allowed_and_asks_no_instrument(network):
    anna, otto = network.client("anna"), network.client("otto")
    commands, pump = [], network.lab.twins[PUMP]
    execute = pump._execute
    pump._execute = lambda command: (commands.append(command), execute(command))[1]
    assert anna.request(Do(0, PUMP, "check", 0)) is None
    with pytest.raises(NotAllowed, match="needs the role operator"):
        otto.request(Do(0, PUMP, "check", 0))
    with pytest.raises(BellringerError, match=r"did you mean 'charlie\.pump'"):
        anna.request(Do(0, "charlie.pomp", "check", 0))
    assert commands == []
    anna.request(Get(0, PUMP, "power", 0))
    assert commands == ["p?"]
    network.client("otto", network.ports.estop, "coordinator").request(EStop(0, "smoke"))
    until(lambda: network.status()["estop"])
    with pytest.raises(InstrumentError, match="e-stop is latched"):
        anna.request(Do(0, PUMP, "check", 0))

    def logged():
        lines = map(json.loads, (network.folder / "charlie" / "audit.jsonl").read_text().splitlines())
        hers = [line for line in lines if line["verb"] == "do" and line["who"].endswith("anna")]
        return [line["result"].partition(":")[0] for line in hers]

    until(lambda: logged() == ["failed", "failed"], "it changes nothing, so only what was turned down is logged")


def test_an_estop_of_an_observer_makes_dark_and_nothing_can_be_set_until_it_is_acknowledged(network):
    anna = light(network)
    estop = network.client("otto", network.ports.estop, "coordinator")
    estop.request(EStop(0, "smoke"))
    until(lambda: not network.lit)
    with pytest.raises(InstrumentError, match="e-stop is latched"):
        anna.request(Set(0, PUMP, "power", 0.01, 0))
    network.coordinator("anna").request(Ack(0))
    until(lambda: network.status()["leased"])
    anna.request(Set(0, PUMP, "power", 0.01, 0))
    assert not network.lit


def test_an_agent_that_is_told_to_end_waits_for_who_presses_the_estop_to_hear_that_it_is_dark(network):
    light(network)
    network.client("otto", network.ports.estop, "coordinator").request(EStop(0, "smoke"))
    until(lambda: network.status()["estop"])
    network.agent.stdin.close()
    presser = network.client("otto")
    presser.request(EStop(0, "smoke"))
    until(lambda: presser.request(Status(0))["dark"])
    network.agent.wait(PATIENCE_S)
    assert not network.lit


def test_a_lost_coordinator_ends_the_lease_in_the_dark_and_its_return_allows_light_again(network):
    anna = light(network)
    network.stop_coordinator()
    until(lambda: not network.lit)
    with pytest.raises(InstrumentError, match="no lease"):
        anna.request(Set(0, PUMP, "power", 0.01, 0))
    assert anna.request(Get(0, PUMP, "emitting", 0)) is False
    network.start_coordinator()
    network.agent.stdin.close()
    network.agent.wait(PATIENCE_S)
    network.agent.stdout.close()
    network.start_agent()  # the new coordinator has other ports here; in life it has the same
    light(network)


def test_what_a_run_owns_nobody_else_sets_and_when_the_run_is_silent_it_goes_dark(network):
    network.enrolled.enrol((other := KeyPair.ephemeral("emil")).public, "emil", "operator")
    run = Client(network.ports.control, network.keys["coordinator"].public, other, timeout_s=10.0)
    network.clients.append(run)
    anna = light(network)
    run.request(Own(0, "run-1", (PUMP,), 3.0))
    until(lambda: network.status()["owners"] == {PUMP: "run-1"})
    with pytest.raises(InstrumentError, match="belongs to run 'run-1'"):
        anna.request(Set(0, PUMP, "power", 0.01, 0))
    assert anna.request(Get(0, PUMP, "emitting", 0)) is True
    until(lambda: not network.lit, "the run fell silent, so its instruments go dark")
    until(lambda: network.status()["owners"] == {})
    anna.request(Set(0, PUMP, "power", 0.01, 0))
    run.request(Own(0, "run-2", (PUMP,), 60.0))
    run.request(Release(0, "run-2"))
    until(lambda: network.status()["owners"] == {})


def test_an_agent_that_fails_while_it_starts_ends_and_leaves_no_process_behind(network, tmp_path):
    reader, nobody_reads = os.pipe()
    os.close(reader)
    setup = msgspec.structs.replace(network.setup, state=str(tmp_path / "second"), stream="", leave_at_end=False)
    agent = subprocess.run(
        COMMAND,
        input=msgspec.json.encode(setup) + b"\n",
        stdout=nobody_reads,
        stderr=subprocess.PIPE,  # driver processes hold it too: it ends with the last of them
        timeout=PATIENCE_S,
    )
    os.close(nobody_reads)
    assert agent.returncode != 0
    assert b"BrokenPipeError" in agent.stderr


def test_a_killed_agent_leaves_darkness(network):
    light(network)
    network.agent.send_signal(signal.SIGKILL)
    until(lambda: not network.lit)
    network.agent.wait(PATIENCE_S)
    network.agent.stdin.close()
    network.agent.stdout.close()
    network.start_agent()
    light(network)


def test_a_killed_driver_process_leaves_darkness_and_the_agent_goes_on(network):
    anna = light(network)
    (pid,) = (
        network.status()["driver_processes"]
        if len(network.status()["driver_processes"]) == 1
        else [pid for pid, names in network.status()["driver_processes"].items() if PUMP in names]
    )
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: not network.lit)
    until(lambda: network.status()["restarts"] == 1 and network.status()["dark"])
    anna.request(Set(0, PUMP, "power", 0.01, 0))


def test_a_frozen_agent_loses_its_lease_and_is_dark_when_it_wakes(network):
    light(network)
    network.agent.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    network.agent.send_signal(signal.SIGCONT)
    until(lambda: not network.lit)
