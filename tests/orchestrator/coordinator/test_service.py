"""A coordinator on real, encrypted sockets: what clients see of it, whoever they are and whatever happens to it."""

import threading

import pytest
from bellringer.orchestrator.coordinator import journal as journal_module
from bellringer.orchestrator.coordinator import service as service_module
from bellringer.orchestrator.coordinator.journal import Journal
from bellringer.orchestrator.coordinator.lock import FolderLock
from bellringer.orchestrator.coordinator.service import Coordinator, Ports
from bellringer.orchestrator.coordinator.terms import Ending
from bellringer.orchestrator.wire import Client, LinkError, NotAllowed
from bellringer.orchestrator.wire.messages import Ack, EStop, Nodes, Register, Release, RunCommand, Status
from bellringer.testbed.errors import BellringerError


def test_a_node_registers_renews_and_a_run_owns_its_instruments(site):
    with site.running():
        alice, anna, ben = site.client("alice"), site.client("anna"), site.client("ben")
        events = site.subscriber()
        assert alice.request(site.register())["epoch"] == 1
        assert site.heard(events, "registered").body["node"] == "alice"
        lease = alice.request(site.renew())
        assert (lease["asked_at"], lease["lease_s"]) == (5.0, 1.5)
        assert anna.request(site.own("alice.laser"))["kept"] is False
        assert site.heard(events, "owned").body["instruments"] == ["alice.laser"]
        with pytest.raises(BellringerError, match=r"alice\.laser is owned by run 'r1' of 'anna'") as caught:
            ben.request(site.own("alice.tagger", "alice.laser", run="r2"))
        assert "more unless it asks again" in caught.value.where
        assert alice.request(site.renew())["ownership"]["alice.laser"]["key"] == site.keys["anna"].public
        assert ben.request(RunCommand(0, "r1", "pause"))["state"] == "pausing"
        assert site.heard(events, "run_command").body["command"] == "pause"
        assert anna.request(site.own("alice.laser"))["command"] == "pause"
        anna.request(Release(0, "r1"))
        assert site.heard(events, "released").epoch == 1
        ben.request(site.own("alice.tagger", "alice.laser", run="r2"))


def test_each_role_may_do_what_it_may(site):
    with site.running():
        alice, visitor = site.client("alice"), site.client("visitor")
        alice.request(site.register())
        for client, message in (
            (visitor, site.register()),
            (visitor, site.own("alice.laser")),
            (visitor, RunCommand(0, "r1", "abort")),
            (visitor, Ack(0)),
            (alice, site.own("alice.laser")),
        ):
            with pytest.raises(NotAllowed, match="needs the role"):
                client.request(message)
        assert [node["node"] for node in visitor.request(Nodes(0))] == ["alice"]
        assert visitor.request(Status(0))["runs"] == []


def test_only_the_estop_is_taken_at_its_own_port_and_everybody_may_press_it(site):
    with site.running():
        events, visitor = site.subscriber(), site.client("visitor", "estop")
        with pytest.raises(NotAllowed, match="does not take 'status'"):
            visitor.request(Status(0))
        assert visitor.request(EStop(0, "smoke"))["presses"][0]["who"] == "visitor"
        assert site.heard(events, "estop").body["presses"][0]["reason"] == "smoke"
        assert site.client("anna").request(Ack(0))["latched"] is False
        assert site.heard(events, "ack").body["who"] == "anna"


def test_an_estop_passes_a_flood_of_control_requests(site):
    with site.running():
        alice, events = site.client("alice"), site.subscriber()
        alice.request(site.register())
        pressing = site.client("visitor", "estop")
        pressing.connect()
        stop, answered = threading.Event(), [0, 0, 0]

        def flood(number, client):
            """Keep a hundred requests waiting; most are refused for being too many."""
            client.connect()
            waiting = 0
            while not stop.is_set() or waiting:
                while waiting < 100 and not stop.is_set():
                    client.send(Status(0))
                    waiting += 1
                if client.receive(1.0) is not None:
                    waiting -= 1
                    answered[number] += 1

        threads = [
            threading.Thread(target=flood, args=(number, site.client(name)))
            for number, name in enumerate(("anna", "ben", "bob"))
        ]
        for thread in threads:
            thread.start()
        try:
            site.heard(events, "epoch")
            before = sum(answered)
            assert pressing.request(EStop(0, "smoke"))["latched"] is True
            assert site.heard(events, "estop").body["latched"] is True
            assert alice.request(site.renew())["lease_s"] == 0.0
            while sum(answered) == before:  # the flood went on
                site.heard(events, "epoch")
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_an_estop_is_taken_before_every_single_control_request_that_waits(site):
    with Coordinator(site.setup()) as coordinator:
        site.ports = coordinator.ports
        asking, pressing = site.client("anna"), site.client("visitor", "estop")
        while asking.problem or pressing.problem:
            coordinator.turn(0.01)
            asking.receive()
            pressing.receive()
        order, answer = [], coordinator.state.answer

        def in_order(caller, message, now_s):
            order.append(type(message))
            if order == [Status]:  # while this one is carried out, somebody presses
                pressing.send(EStop(0, "smoke"))
                assert coordinator._estop.socket.poll(20_000)
            return answer(caller, message, now_s)

        coordinator.state.answer = in_order
        for _ in range(10):
            asking.send(Status(0))
        while len(order) < 11:
            coordinator.turn(0.01)
        assert order == [Status, EStop, *[Status] * 9]


def test_a_second_agent_of_a_node_is_refused_and_told_to_everybody(site):
    with site.running():
        events = site.subscriber()
        site.client("alice").request(site.register(boot="b1", control="tcp://one:1"))
        with pytest.raises(BellringerError, match="there is another node 'alice'") as caught:
            site.client("alice").request(site.register(boot="b2", control="tcp://two:1"))
        assert "tcp://one:1" in caught.value.where
        assert "tcp://two:1" in caught.value.where
        assert "tcp://two:1" in site.heard(events, "duplicate_node").body["refused"]
        with pytest.raises(BellringerError, match="another key"):
            site.client("bob").request(site.register("alice"))


class SetClock:
    """A clock that stands until the test moves it."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_silence_loses_a_node_and_ends_an_ownership_though_nobody_asks(site):
    clock = SetClock()
    with site.running(clock):
        alice, events = site.client("alice"), site.subscriber()
        alice.request(site.register())
        site.client("anna").request(site.own("alice.laser", seconds=3.0))
        clock.now_s += 3.5
        assert site.heard(events, "node_lost").body["node"] == "alice"
        assert site.heard(events, "expired").body["run"] == "r1"
        with pytest.raises(BellringerError, match="is not registered here"):
            alice.request(site.renew())
        alice.request(site.register())
        assert site.heard(events, "node_found").body == {"node": "alice", "silent_s": 3.5}


def test_a_restart_keeps_the_estop_and_gives_ownership_time_to_be_renewed(site):
    with site.running():
        site.client("alice").request(site.register())
        for name, instrument in (("anna", "alice.laser"), ("ben", "alice.tagger")):
            site.client(name).request(site.own(instrument, run=f"run of {name}"))
        site.client("visitor", "estop").request(EStop(0, "smoke"))
    clock = SetClock()
    with site.running(clock):
        alice, events = site.client("alice"), site.subscriber()
        told = alice.request(site.register())
        assert told["epoch"] == 2
        assert told["estop"]["presses"][0]["reason"] == "smoke"
        assert {name: owner["run"] for name, owner in told["ownership"].items()} == {
            "alice.laser": "run of anna",
            "alice.tagger": "run of ben",
        }
        assert "pressed by 'visitor'" in alice.request(site.renew())["refused"]
        assert site.client("anna").request(site.own("alice.laser", run="run of anna"))["kept"] is True
        clock.now_s += 10.0
        assert site.heard(events, "expired").body["run"] == "run of ben"
        assert list(alice.request(site.register())["ownership"]) == ["alice.laser"]
        site.client("anna").request(Ack(0))
        assert alice.request(site.renew())["lease_s"] == 1.5
    with site.running():
        assert site.client("anna").request(Status(0))["estop"] == {"latched": False, "number": 1, "presses": []}


def test_a_coordinator_ends_when_a_node_has_obeyed_a_later_one(site):
    with site.running():
        alice = site.client("alice")
        with pytest.raises(BellringerError, match="epoch 7; this one has epoch 1 and ends"):
            alice.request(site.register(epoch=7))
        site.thread.join(20)
        assert not site.thread.is_alive()
    assert isinstance(site.error, Ending)
    with site.running(above=7):
        assert site.client("alice").request(site.register(epoch=7))["epoch"] == 8


def test_without_its_journal_a_coordinator_ends_but_the_estop_is_out(site, monkeypatch):
    with site.running():
        events, pressing = site.subscriber(), site.client("visitor", "estop")
        pressing.connect()

        def fails(descriptor):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(journal_module.os, "fdatasync", fails)
        with pytest.raises(BellringerError, match="journal cannot be used"):
            pressing.request(EStop(0, "smoke"))
        assert site.heard(events, "estop").body["latched"] is True
        site.thread.join(20)
        assert not site.thread.is_alive()
    assert isinstance(site.error, Ending)


def test_a_second_coordinator_on_the_folder_is_refused_and_the_first_goes_on(site):
    with site.running(audit=site.folder / "audit.jsonl"):
        with pytest.raises(BellringerError, match="another coordinator uses this state folder: process"):
            Coordinator(site.setup(audit=site.folder / "audit.jsonl"))
        assert site.client("anna").request(Status(0))["epoch"] == 1


def test_a_start_that_fails_leaves_the_folder_free_and_an_epoch_behind_at_most(site):
    with site.running():
        taken = site.ports.control
        other = site.setup(
            folder=site.folder.with_name("other"), ports=Ports(site.local.control, site.local.estop, taken)
        )
        for _ in range(2):
            with pytest.raises(BellringerError, match="cannot listen"):
                Coordinator(other)
    with site.running(folder=other.folder):
        assert site.client("anna").request(Status(0))["epoch"] == 3


def test_a_damaged_journal_stops_the_start_before_anything_changes(site):
    with site.running():
        site.client("visitor", "estop").request(EStop(0, "smoke"))
    path = site.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"estop"', b"estop") + b"\n")
    with pytest.raises(BellringerError, match="journal is damaged"), site.running():
        pass
    assert (site.folder / "epoch").read_text() == "1\n"


@pytest.mark.parametrize(
    ("what", "body"), [("levitated", {}), ("expired", {"run": "of nobody"}), ("estop", {"who": "anna"}), ("owned", {})]
)
def test_a_journal_that_tells_an_impossible_story_stops_the_start(site, what, body):
    site.folder.mkdir()
    with Journal(site.folder, lambda: "") as journal:
        journal.append(1, what, body)
    with pytest.raises(BellringerError, match=f"journal is damaged: '{what}' makes no sense here") as caught:
        Coordinator(site.setup())
    assert caught.value.where.endswith("journal.jsonl:1")
    with FolderLock(site.folder):
        pass


def test_a_lost_epoch_file_does_not_bring_old_epochs_back(site):
    for epoch in (1, 2):
        with site.running():
            assert site.client("anna").request(Status(0))["epoch"] == epoch
            site.client("visitor", "estop").request(EStop(0))
    (site.folder / "epoch").unlink()
    with site.running():
        assert site.client("anna").request(Status(0))["epoch"] == 3


def test_a_key_that_was_revoked_gives_its_node_name_away_once_it_is_silent(site):
    clock = SetClock()
    with site.running(clock):
        site.client("alice").request(site.register())
        taking = site.client("bob")
        message = Register(0, "alice", "b2", "c", "s", site.keys["bob"].public, ("alice.laser",))
        site.enrolled.revoke("alice")
        with pytest.raises(BellringerError, match="there is another node"):
            taking.request(message)
        clock.now_s += 3.5
        assert taking.request(message)["epoch"] == 1


def test_the_status_tells_what_the_ports_saw(site):
    with site.running():
        anna = site.client("anna")
        with pytest.raises(BellringerError):
            anna.request(Release(0, "r1"))
        status = anna.request(Status(0))
        assert status["counters"]["control"]["received"] >= 3
        assert status["up_s"] >= 0
        assert status["problem"] == ""


def test_a_stopped_coordinator_leaves_no_port_open(site):
    with site.running():
        pass
    with (
        Client(site.ports.control, site.keys["coordinator"].public, site.keys["anna"], context=site.context) as client,
        pytest.raises(LinkError),
    ):
        client.connect(timeout_s=0.3)


def test_a_long_journal_is_written_anew_at_a_start_and_nothing_is_forgotten(site, monkeypatch):
    monkeypatch.setattr(service_module, "COMPACT_ABOVE", 20)
    with site.running():
        site.client("alice").request(site.register())
        anna = site.client("anna")
        for number in range(15):
            anna.request(site.own("alice.laser", run=f"r{number}"))
            anna.request(Release(0, f"r{number}"))
        anna.request(site.own("alice.laser", run="last"))
        site.client("visitor", "estop").request(EStop(0, "smoke"))
    lines = len((site.folder / "journal.jsonl").read_text().splitlines())
    with site.running():
        assert len((site.folder / "journal.jsonl").read_text().splitlines()) < lines
        status = site.client("anna").request(Status(0))
        assert status["epoch"] == 2
        assert status["estop"]["presses"][0]["reason"] == "smoke"
        assert [run["run"] for run in status["runs"] if run["state"] == "running"] == ["last"]
    with site.running():
        assert site.client("anna").request(Status(0))["epoch"] == 3
