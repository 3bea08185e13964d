"""Rows 14 to 16: instruments that go away and come back, that never come back, and that do not do what they said."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import pytest
from bellringer.orchestrator.agent import children
from bellringer.orchestrator.agent.children import MOST_RESTARTS
from bellringer.orchestrator.agent.pipe import Dark, Darkened
from bellringer.orchestrator.wire.messages import Ack, Call, Do, Get, Set
from bellringer.testbed.errors import InstrumentError, TransportError

pytestmark = pytest.mark.process

SHINE = """
from bellringer.sequences import Run, sequence

@sequence
def shine(run: Run, power: float = 0.01) -> None:
    "Light, and look at it again and again."
    run.set("charlie.pump", "power", power)
    run.call("charlie.pump", "emission_on")
    for step in run.scan(range(100000), "shining"):
        run.get("charlie.pump", "power_now")
"""


class Running:
    """``bellringer run`` of a sequence on the site's laser, which the run's own agent drives."""

    def __init__(self, site, *options):
        self.site, self.runs = site, site.folder / "runs"
        (site.folder / "shining.py").write_text(SHINE)
        words = ["run", str(site.laser.file), f"{site.folder / 'shining.py'}:shine", "--runs", str(self.runs), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bellringer.console.main", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(site.folder), "COLUMNS": "200"},
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        if not self.process.stderr.closed:
            self.process.communicate(timeout=60)

    def end(self):
        """Return the exit status and what it said, on one line."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, " ".join(said.split())

    def record(self):
        (folder,) = self.runs.iterdir()
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        return json.loads((folder / "run.json").read_text()), events


def test_row_14_an_instrument_unplugged_in_mid_run_ends_the_run_and_the_record_says_so(cold_site):
    site = cold_site
    with Running(site) as running:
        site.until(lambda: site.laser.lit)
        site.laser.when("pa?", time.monotonic())
        site.laser.unplug()
        code, said = running.end()
    assert code == 1
    assert "not every instrument could be confirmed dark: " in said
    assert "charlie.pump: cannot confirm that the laser is dark" in said
    assert "the connection broke" in said
    assert "block the light by hand" in said
    record, events = running.record()
    assert record["status"] == "failed"
    assert "charlie.pump" in record["error"]
    kinds = {event["event"]: event for event in events}
    assert kinds["dark"]["confirmed"] is False
    assert site.laser.lit, "nobody can switch off what is unplugged"
    site.laser.plug_in()
    site.until(lambda: not site.laser.lit, "the watchdog of the run's agent did not make it dark")


def test_row_14_an_instrument_that_is_back_is_opened_identified_and_made_dark_by_its_agent(site):
    anna, events = site.light(), site.events()
    site.laser.unplug()
    broken = site.refused(anna, Get(0, site.pump, "power", 0), TransportError)
    assert "the connection broke" in broken.what
    site.refused(anna, Call(0, site.pump, "emission_off", 0), InstrumentError)
    assert site.laser.lit
    site.refused(anna, Do(0, site.pump, "safe_state", 0), InstrumentError)
    site.until(lambda: "not confirmed dark: charlie.pump" in site.status()["fault"])
    status = site.status()
    assert not status["dark"]
    assert "latched dark" in site.refused(anna, Set(0, site.pump, "power", 0.01, 0), InstrumentError).what

    back_s = time.monotonic()
    site.laser.plug_in()
    site.until(lambda: not site.laser.lit, "it was not made dark when it was back")
    site.until(lambda: site.status()["dark"])
    commands = site.laser.commands(back_s)
    assert commands.index("gsn?") < commands.index("l0"), "identified first"
    assert "charlie.pump" in site.heard(events, "child_dark")["text"]
    site.until(lambda: site.heard(events, "child_dark")["text"] == "")
    assert site.status()["fault"], "a person has to look"
    site.to_coordinator().request(Ack(0, "charlie"))
    site.until(site.well)
    site.light()


DYING = """
    import os
    from pathlib import Path
    from bellringer.drivers.lasers.cobolt import Cobolt06

    class Dying(Cobolt06):
        def _connect(self) -> None:
            if Path("{file}").exists():
                os._exit(1)
            super()._connect()
"""


def test_row_15_a_driver_that_dies_again_and_again_is_given_up_with_a_fault_until_acknowledged(cold_site, installed):
    site = cold_site
    cause = site.folder / "cause"
    cause.touch()
    site.environment = installed("dying", textwrap.dedent(DYING).format(file=cause), "Dying")
    site.laser.driven_by("dying")
    site.start_coordinator()
    site.start_agent()
    fault = site.until(lambda: site.status()["fault"])
    assert f"{MOST_RESTARTS} restarts within 60 s did not help" in fault
    status = site.status()
    assert status["restarts"] == MOST_RESTARTS
    assert not status["dark"]
    site.until(lambda: site.node()["fault"], "the coordinator shows it")
    anna = site.client()
    assert "given up" in site.refused(anna, Get(0, site.pump, "power", 0), InstrumentError).what
    assert "latched dark" in site.refused(anna, Set(0, site.pump, "power", 0.01, 0), InstrumentError).what
    assert "given up" in site.refused(anna, Do(0, site.pump, "safe_state", 0), InstrumentError).what
    assert site.status()["restarts"] == MOST_RESTARTS, "it rests"

    cause.unlink()
    site.to_coordinator().request(Ack(0, "charlie"))
    site.until(site.well, "an acknowledgement did not revive it")
    site.light()


def test_row_15_an_instrument_that_is_not_there_is_looked_for_less_and_less_often(monkeypatch):
    """By hand, without processes: the agent's side of a child whose instrument never answers."""
    now, sent, news = [1000.0], [], []
    monkeypatch.setattr(children.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(children.Child, "_start", lambda child: setattr(child, "_heard", now[0]))
    child = children.Child(None, {"charlie.pump": None}, {}, "", lambda kind, text: news.append((kind, text)))
    child._pipe = SimpleNamespace(send=sent.append, flush=lambda: None, unsent=0)
    child.dark("start", reopen=True)
    tried_s = []
    for _ in range(4000):
        now[0] += 0.1
        child._heard = now[0]
        if child.darkening:
            order = [message for message in sent if isinstance(message, Dark)][-1]
            assert order.reopen
            tried_s.append(now[0])
            child._darkened(Darkened(order.id, ("charlie.pump: nobody there",)))
        child.watch()
    waits = [later - earlier for earlier, later in itertools.pairwise(tried_s)]
    assert waits[0] < 2.5
    assert all(later >= earlier - 0.3 for earlier, later in itertools.pairwise(waits))
    assert waits[-1] == pytest.approx(60.0, abs=0.5)
    assert news == [("dark", "charlie.pump: nobody there")], "told once"


def test_row_16_a_setpoint_that_was_accepted_but_not_taken_keeps_the_run_from_lighting(cold_site):
    site = cold_site
    site.laser.twin._set_power = lambda value: None
    with Running(site) as running:
        code, said = running.end()
    assert code == 1
    assert "0.01 W was accepted, but the laser's setpoint is 0 W" in said
    assert "l1" not in site.laser.commands()
    record, _ = running.record()
    assert record["status"] == "failed"


def test_row_16_a_setpoint_not_taken_is_told_to_who_set_it(site):
    site.laser.twin._set_power = lambda value: None
    error = site.refused(site.client(), Set(0, site.pump, "power", 0.02, 0), InstrumentError)
    assert "was accepted, but" in error.what
    assert error.hint
