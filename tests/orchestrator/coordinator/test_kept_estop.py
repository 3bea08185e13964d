"""An e-stop outlives the folder of the coordinator it was pressed at, until a person acknowledges it."""

import os

import pytest
from bellringer.orchestrator.coordinator.kept_estop import kept, pressed
from bellringer.orchestrator.wire.messages import Ack, EStop, Log, Nodes, Status
from bellringer.testbed.errors import BellringerError


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "estop"


@pytest.fixture
def another(site, folder):
    """Runs a coordinator with a new, empty folder."""
    count = iter(range(100))

    def running():
        return site.running(folder=site.folder / str(next(count)), latch=folder)

    return running


def reasons(site):
    return [press["reason"] for press in site.client("anna").request(Status(0))["estop"]["presses"]]


def test_it_is_latched_in_every_later_testbed_until_it_is_acknowledged(site, folder, another):
    with another():
        site.client("visitor", "estop").request(EStop(0, "smoke"))
        (file,) = kept(folder)
        assert file.stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        with another():
            alice = site.client("alice")
            assert alice.request(site.register())["estop"]["presses"][0]["who"] == "visitor"
            assert alice.request(site.renew())["lease_s"] == 0.0
            assert site.client("anna").request(Log(0))["events"][0]["name"] == "estop"
    with another():
        site.client("visitor", "estop").request(EStop(0, "fire"))
        assert reasons(site) == ["smoke", "fire"]
    with another():
        assert reasons(site) == ["smoke", "fire"], "none is told twice"
        anna = site.client("anna")
        anna.request(Ack(0, "", anna.request(Status(0))["estop"]["number"]))
        assert not list(folder.iterdir())
    with another():
        assert reasons(site) == []


def test_a_fault_of_a_node_is_not_kept_nor_is_its_acknowledgement_one_of_the_estop(site, folder, another):
    with another():
        alice, anna = site.client("alice"), site.client("anna")
        alice.request(site.register(fault="1: smoke"))
        assert not folder.exists()
        site.client("visitor", "estop").request(EStop(0))
        anna.request(Ack(0, "alice"))
        assert kept(folder)
        anna.request(Ack(0))
    with another():
        assert site.client("anna").request(Nodes(0)) == []


def test_one_testbed_does_not_acknowledge_what_was_pressed_at_another(site, folder, another):
    with another():
        site.client("visitor", "estop").request(EStop(0, "smoke"))
        (theirs,) = kept(folder)
        elsewhere = theirs.with_suffix(".elsewhere")
        theirs.rename(elsewhere)  # as if pressed while the other one ran already
    with another():
        site.client("ben", "estop").request(EStop(0, "fire"))
        elsewhere.rename(theirs)
        assert {press["who"] for press in pressed(kept(folder))} == {"visitor", "ben"}
        site.client("anna").request(Ack(0))
    with another():
        assert reasons(site) == ["smoke"]


@pytest.mark.parametrize("damage", [b"", b"[]", b'[{"who": "anna"', b'[{"who": 1}]', b'["\xff"]', "a folder"])
def test_what_cannot_be_read_counts_as_pressed(site, folder, another, damage):
    file = folder / "some.json"
    folder.mkdir()
    file.mkdir() if damage == "a folder" else file.write_bytes(damage)
    with another():
        (reason,) = reasons(site)
        assert "cannot be read" in reason
        if damage == "a folder":
            with pytest.raises(BellringerError, match="will be latched again: its file cannot be removed") as caught:
                site.client("anna").request(Ack(0))
            assert caught.value.where == str(file)
        else:
            site.client("anna").request(Ack(0))
            assert not kept(folder)


def test_if_it_cannot_be_kept_it_is_latched_all_the_same_and_whoever_pressed_is_told(site, folder, another):
    folder.write_text("no folder")
    with another():
        events = site.subscriber()
        assert "cannot be read" in reasons(site)[0]
        with pytest.raises(BellringerError, match="is pressed, but will be forgotten when this testbed ends"):
            site.client("visitor", "estop").request(EStop(0, "smoke"))
        assert site.heard(events, "estop").body["presses"][-1]["reason"] == "smoke"
        assert "smoke" in reasons(site)


def test_a_coordinator_whose_folder_stays_keeps_nothing_elsewhere(site, tmp_path):
    with site.running():
        before = sorted(os.listdir(tmp_path))
        site.client("visitor", "estop").request(EStop(0))
        assert sorted(os.listdir(tmp_path)) == before
