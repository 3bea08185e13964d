"""Rows 26 and 27: two coordinators, and two agents of one node."""

import select
import shutil
import socket
import threading

import pytest
from bellringer.orchestrator.agent.service import CoordinatorAddress
from bellringer.orchestrator.coordinator.process import Start
from bellringer.orchestrator.wire.messages import Set
from bellringer.testbed.errors import InstrumentError

pytestmark = pytest.mark.process


class Switch:
    """An address whose traffic goes to one of several; connections break when it is switched."""

    def __init__(self, target):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._target, self._pairs, self._break = target, {}, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def to(self, target):
        self._target, self._break = target, True

    def close(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        with self._server:
            while not self._stop.is_set():
                if self._break:
                    self._break = False
                    self._hang_up(*self._pairs)
                for ready in select.select([self._server, *self._pairs], [], [], 0.05)[0]:
                    self._accept() if ready is self._server else self._pass_on(ready)
            self._hang_up(*self._pairs)

    def _accept(self):
        near, _ = self._server.accept()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._pairs |= {near: far, far: near}

    def _pass_on(self, ready):
        if ready not in self._pairs:
            return  # hung up a moment ago
        try:
            data = ready.recv(65536)
            self._pairs[ready].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._hang_up(ready, self._pairs[ready])

    def _hang_up(self, *ends):
        for end in ends:
            self._pairs.pop(end, None)
            end.close()


@pytest.fixture
def switched(cold_site):
    """The site, whose agent reaches its coordinator through switches; and how to switch them over."""
    site = cold_site
    switches = {name: Switch(("127.0.0.1", site.ports[name])) for name in ("control", "events")}

    def to(ports):
        for name, switch in switches.items():
            switch.to(("127.0.0.1", ports[name]))

    try:
        site.start_coordinator()
        where = CoordinatorAddress(
            switches["control"].endpoint, switches["events"].endpoint, site.keys["coordinator"].public
        )
        site.start_agent(coordinator=where)
        site.until(site.well)
        yield site, to
    finally:
        for switch in switches.values():
            switch.close()


def test_row_26_of_two_coordinators_on_copied_folders_nodes_obey_the_later_and_the_older_ends(switched):
    site, to = switched
    site.light()
    old, old_ports, folder = site.coordinator, dict(site.ports), site.folder
    shutil.copytree(folder / "coordinator", folder / "copy")
    site.ports = {name: 0 for name in old_ports}
    new = site.start_coordinator("copy", **{name: "tcp://127.0.0.1:*" for name in old_ports})
    site.ports = {name: int(new.where[name].rpartition(":")[2]) for name in old_ports}

    to(site.ports)
    site.until(lambda: site.status()["epoch"] == 2 and site.well())
    assert not site.laser.lit or site.status()["leased"]
    to(old_ports)
    assert old.popen.wait(40) == 1, old.said()
    assert "'charlie' has obeyed a coordinator with epoch 2; this one has epoch 1 and ends" in old.said()
    site.until(lambda: not site.laser.lit, "without a coordinator the lease runs out")
    assert site.status()["epoch"] == 2
    to(site.ports)
    site.until(site.well)
    site.light()


def test_row_26_a_second_coordinator_on_the_same_folder_is_refused_and_the_first_goes_on(site):
    second = Start(
        site.keys["coordinator"].parts,
        str(site.folder / "coordinator"),
        site.people,
        *["tcp://127.0.0.1:*"] * 3,
        leave_at_end=True,
    )
    with pytest.raises(AssertionError, match="another coordinator uses this state folder: process") as caught:
        site.started("bellringer.orchestrator.coordinator.process", second)
    assert f"process {site.coordinator.popen.pid}" in str(caught.value)
    assert site.status()["epoch"] == 1
    assert site.well()


def test_row_27_a_second_agent_of_a_node_is_refused_and_both_addresses_are_named(other_laser, site):
    heard = site.events(of_agent=False)
    anna = site.light()
    first, first_port = site.agent.where["control"], site.agent_port
    site.agent_port = 0
    second = site.start_agent(testbed=str(other_laser.file), state=str(site.folder / "twin"), bind="tcp://127.0.0.1:*")
    told = site.heard(heard, "duplicate_node")
    assert first in told["known"]
    assert second.where["control"] in told["refused"]

    site.agent_port = int(second.where["control"].rpartition(":")[2])
    problem = site.until(lambda: "another node" in site.status()["coordinator"] and site.status()["coordinator"])
    assert first in problem
    assert second.where["control"] in problem
    assert "no lease" in site.refused(site.client(), Set(0, site.pump, "power", 0.01, 0), InstrumentError).what
    assert not other_laser.lit

    site.agent_port = first_port
    assert site.status()["leased"], "the first one is not disturbed"
    assert site.laser.lit
    anna.request(Set(0, site.pump, "power", 0.02, 0))
