"""An e-stop of this computer's instruments when no testbed runs any more: who tells of it, who takes it away."""

import json
import os
from types import SimpleNamespace

import pytest
from bellringer.console import estop
from bellringer.console.doctor_host import host
from bellringer.console.findings import BAD, OK
from bellringer.console.places import own
from bellringer.console.testbed_commands import ack, status
from bellringer.orchestrator.client.contact import default_file, kept_estops
from bellringer.orchestrator.client.emergency import COORDINATOR, Pressed
from bellringer.orchestrator.wire.audit import Audit, verify
from bellringer.testbed.errors import BellringerError

SMOKE = {"number": 1, "who": "anna", "key": "k", "reason": "smoke", "utc": "2026-01-31T12:05:00+00:00"}
TOLD = "pressed by anna at 2026-01-31 12:05:00 UTC: smoke"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BELLRINGER_CONTACT", "BELLRINGER_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def latched(home):
    kept_estops().mkdir(parents=True)
    file = kept_estops() / "of-a-run.json"
    file.write_text(json.dumps([SMOKE]))
    return file


def test_a_run_on_this_computers_instruments_is_refused_before_anything_is_started(latched, home):
    with pytest.raises(BellringerError, match=TOLD) as caught, own(None, (), home, None, None):
        pass
    assert caught.value.hint == "look at the lab, then: bellringer ack --here"


def test_status_and_doctor_tell(latched, home):
    with pytest.raises(BellringerError, match=TOLD):
        status()
    told = {each.check: each for each in host(home, ())}["e-stop here"]
    assert (told.state, told.text) == (BAD, TOLD)
    latched.unlink()
    assert {each.check: each.state for each in host(home, ())}["e-stop here"] == OK
    with pytest.raises(BellringerError, match="there is no contact file"):
        status()


def test_ack_acknowledges_it_if_no_testbed_runs_and_says_what(latched, capsys):
    ack()
    assert capsys.readouterr().out == "acknowledged: e-stop by anna at 2026-01-31 12:05:00 UTC: smoke\n"
    assert not latched.exists()
    log = kept_estops() / "audit.jsonl"
    assert verify(log).lines == 1
    line = json.loads(log.read_text())
    assert line["verb"] == "ack"
    assert f"(user {os.getuid()} of this computer)" in line["who"]
    assert "by anna" in str(line["arguments"]["acknowledged"])
    with pytest.raises(BellringerError, match="there is no contact file"):
        ack()
    with pytest.raises(BellringerError, match="no e-stop is latched on this computer"):
        ack(here=True)


def test_with_a_contact_file_it_must_be_meant_and_never_a_node(latched, capsys):
    default_file().parent.mkdir(parents=True)
    default_file().write_text("{}")
    with pytest.raises(BellringerError, match="this is no contact file"):
        ack()
    with pytest.raises(BellringerError, match="ends with its testbed"):
        ack("alice", here=True)
    assert latched.exists()
    with Audit(kept_estops() / "audit.jsonl"), pytest.raises(BellringerError, match="audit"):
        ack(here=True)
    assert latched.exists(), "nothing is acknowledged by nobody knows whom"
    ack(here=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["acknowledged"] == ["e-stop by anna at 2026-01-31 12:05:00 UTC: smoke"]
    assert not latched.exists()


def test_an_estop_that_cannot_be_kept_tells_all_the_same_who_is_dark(home, monkeypatch, capsys):
    pressed = Pressed(("alice",), {COORDINATOR: BellringerError("nobody listens there")}, simulated=False)
    monkeypatch.setattr(estop, "press", lambda network, reason: pressed)
    monkeypatch.setattr(estop, "is_here", lambda network: True)
    kept_estops().parent.mkdir(parents=True)
    kept_estops().write_text("in the way")
    network = SimpleNamespace(keys=SimpleNamespace(name="anna", public="k"))
    assert estop.estop_command(network, "smoke", as_json=False) == 1
    told = capsys.readouterr().out
    assert "alice: dark, confirmed" in told
    assert "keeping it on this computer: NOT CONFIRMED" in told
    assert "begins with it" not in told
    kept_estops().unlink()
    assert estop.estop_command(network, "smoke", as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["kept"] is True
    with pytest.raises(BellringerError, match="pressed by anna"):
        status()
