"""``bellringer live`` and work by hand on a testbed that is up: what is shown is what the file predicts."""

import contextlib
import json
import os
import signal
import time

import pytest
from bellringer.testbed.loader import load
from bellringer.testbed.prediction import predict

from .processes import the_child_of

pytestmark = pytest.mark.process

PATIENCE_S = 90.0

QUICK = {
    "charlie.pump.model.warm_up": "0 s",
    "charlie.oven.model.time_constant": "0.2 s",
    "charlie.source.settings.settle_time": "0.5 s",
}


@pytest.fixture(scope="module")
def contact(bellringer_in, tmp_path_factory):
    """A testbed that is up, with light: its contact file."""
    folder = tmp_path_factory.mktemp("up")
    bellringer = bellringer_in(folder)
    words = [word for path, value in QUICK.items() for word in ("--set", f"{path}={value}")]
    up = ["up", bellringer.example, "--dry-run", "--json", "--seed", "1", "--state", folder / "state", *words]
    with bellringer.started(*up) as process:
        told = json.loads(process.stdout.readline())
        assert told["wrong"] == {}
        there = ["--contact", told["contact"], "--json"]
        assert len(done(bellringer, "apply", *there)["applied"]) == 10
        assert done(bellringer, "call", "charlie.source", "prepare", *there)["value"] is None
        yield told["contact"]
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture
def up(bellringer, contact, monkeypatch):
    """The command line, on the testbed that is up."""
    monkeypatch.setenv("BELLRINGER_CONTACT", contact)
    return bellringer


def done(bellringer, *words):
    """Run a command that must succeed; return its JSON."""
    ended = bellringer(*words)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@contextlib.contextmanager
def live(bellringer, *words):
    """A live view in a process of its own; gives a function that reads updates until one is as wanted."""
    with bellringer.started("live", "--json", *words) as process:

        def update(condition):
            end = time.monotonic() + PATIENCE_S
            for line in process.stdout:
                body = json.loads(line)
                if condition(body):
                    return body
                assert time.monotonic() < end, f"it never came; now: {body}"
            raise AssertionError(f"the live view ended: {bellringer.stderr()}")

        yield process, update


def ended(process):
    """Wait until a live view has ended and return its status; what it still tells must not fill the pipe."""
    process.communicate(timeout=30)
    return process.returncode


class Pace:
    """Whether updates have kept a pace for two seconds of tags: a busy machine may be slower, but not for ever."""

    def __init__(self, updates_a_second):
        self.wanted, self.seen = updates_a_second, []

    def __call__(self, body):
        seconds, shown = body["total"]["seconds"], body["display"]["shown"]
        self.seen.append((seconds, shown))
        earlier = [(s, n) for s, n in self.seen if seconds - 4.0 < s <= seconds - 2.0]
        return any(shown - n >= self.wanted * (seconds - s) - 1 for s, n in earlier)


def taggers(bellringer):
    """Return the owners and streams of both ends, from ``status``."""
    nodes = json.loads(bellringer("status", "--json").stdout)["nodes"]
    agents = [nodes[name]["agent"] for name in ("alice", "bob")]
    return [run for agent in agents for run in agent["owners"].values()], [len(agent["streams"]) for agent in agents]


def test_rates_are_those_the_file_predicts_and_plates_can_be_turned_meanwhile(up):
    testbed = load(up.example, QUICK).testbed
    prediction = predict(testbed, testbed.links["alice-bob"])
    with live(up) as (process, update):
        update(lambda body: body["state"] == "aligned")
        body = update(lambda body: body["total"]["aligned_seconds"] > 2.0)
        total, rows = body["total"], prediction.counts(0.0, 0.0)
        for (row, column), coincident, accidental in zip(
            [(0, 0), (0, 1), (1, 0), (1, 1)], *zip(*[r[2:4] for r in rows])
        ):
            expected = (coincident + accidental) * total["aligned_seconds"]
            assert abs(total["counts"]["coincidences"][row][column] - expected) < 5 * max(expected, 1.0) ** 0.5
            found = total["accidentals"][row][column]
            assert abs(found["value"] - accidental) < 5 * found["error"]
        for detector, share in ((0, rows[0][4]), (1, rows[2][4])):
            expected = share * total["seconds"] * (1 - share * 30e-9)  # after the dead time
            assert abs(total["counts"]["singles"][0][detector] - expected) < 5 * expected**0.5
        assert abs(total["E"]["value"] - prediction.correlation(0.0, 0.0)) < 5 * total["E"]["error"]
        assert body["clock"]["drift"] == pytest.approx(-1.1e-6, abs=1e-9)
        assert {name: each["lost"] + each["late"] for name, each in body["blocks"].items()} == {"alice": 0, "bob": 0}
        assert body["testbed"]["role"] == "owner"

        assert done(up, "set", "bob.plate.angle=22.5 deg", "--json")["values"]["angle"] == pytest.approx(22.5, abs=0.01)
        turned = update(lambda body: abs(body["recent"]["E"]["value"] or 1.0) < 0.1)
        assert sum(map(sum, turned["recent"]["counts"]["coincidences"])) > 0

        second = up("live", "--seconds", "2")
        assert second.returncode == 0, second.stderr
        assert "link alice-bob: observer: alice.tagger belongs to live-alice-bob-" in second.stdout
        assert "alice transmitted" in second.stdout

        os.kill(the_child_of(process.pid, "correlator.process"), signal.SIGKILL)
        again = update(lambda body: body["display"]["correlator_restarts"] == 1 and body["state"] == "aligned")
        assert again["blocks"]["alice"]["received"] < body["blocks"]["alice"]["received"] + 100
        assert taggers(up)[1] == [1, 1], "the streams did not notice"
        process.send_signal(signal.SIGINT)
        assert ended(process) == 0
    assert taggers(up) == ([], [0, 0])


def test_what_is_not_there_is_said(up):
    assert "did you mean 'alice-bob'" in up.here("live", "alice-bobb").stderr
    assert "has no method 'prepair'" in up.here("call", "charlie.source", "prepair").stderr
    assert "write NODE.INSTRUMENT METHOD" in up.here("call", "charlie.source.prepare", "").stderr


def test_it_updates_five_times_a_second_and_an_estop_ends_it(up):
    with live(up, "alice-bob") as (process, update):
        update(lambda body: body["state"] == "aligned")
        update(Pace(5.0))
        assert up("estop", "enough").returncode == 0
        assert ended(process) == 1
    assert "e-stop pressed" in up.stderr()
    assert taggers(up)[1] == [0, 0]
    refused = up.here("apply", "alice.plate")
    assert refused.returncode == 1
    assert "bellringer ack" in refused.stderr
