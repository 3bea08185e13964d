"""Rows 35 and 37: slow readers disturb nobody, and killed writers leave everything that was acknowledged."""

import json
import random
import select
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import zmq
from bellringer.analysis.files import read_tags
from bellringer.analysis.tagfile import ClockState, TagFileReader
from bellringer.drivers.interfaces import ClockMap, Recording
from bellringer.orchestrator.agent.recorder import TagRecorder
from bellringer.orchestrator.records import list_runs
from bellringer.orchestrator.wire import Enrolled, KeyPair, Publisher, Subscriber, Zap
from bellringer.orchestrator.wire.messages import EStop, Set, Status

pytestmark = pytest.mark.process

SEED = 20260131


def test_row_35_a_slow_subscriber_loses_display_frames_and_knows_how_many_and_no_recording_is_lost(tmp_path):
    """400 recordings of 90 kB, more than all buffers between the two hold."""
    keys = KeyPair.ephemeral("agent"), KeyPair.ephemeral("display")
    enrolled = Enrolled()
    enrolled.enrol(keys[1].public, "display", "observer")
    clock = ClockMap(0, 0.0, 0, 0.0, "host clock", True)
    recording = Recording(np.arange(10_000), np.ones(10_000, np.uint8), 10_000, clock)
    with zmq.Context() as context:
        zap = Zap(context)
        with (
            Publisher("tcp://127.0.0.1:*", keys[0], zap, enrolled, name="stream", hwm=20) as publisher,
            Subscriber(publisher.endpoint, keys[0].public, keys[1], context=context, hwm=20) as display,
        ):
            recorder = TagRecorder(tmp_path, publisher)
            kept = []

            def keep():
                recorder.keep("alice.tagger", recording, kept.append)
                assert select.select([recorder.wake], [], [], 20.0)[0], "it was not written"
                recorder.turn()

            while not publisher.subscribed():
                threading.Event().wait(0.01)
            for _ in range(400):  # never waits for the display, which does not look
                keep()
            seen = []
            while (published := display.receive(1.0)) is not None:
                seen.append(published.number)
            keep()  # the loss shows with the next one that arrives
            seen.append(display.receive(20.0).number)
            recorder.close()
        zap.close()
    assert kept == 401 * [None]
    assert 0 < len(seen) < 401
    assert seen[-1] == 401
    assert display.lost["tags"] == 401 - len(seen), "the numbers tell exactly"
    files = sorted(tmp_path.iterdir())
    assert len(files) == 401
    assert all(len(read_tags(file)) == 10_000 for file in (files[0], files[-1]))


FROZEN = """
    import json, sys
    from bellringer.orchestrator.wire import KeyPair, Subscriber
    endpoint, server, *pair = json.loads(sys.stdin.readline())
    with Subscriber(endpoint, server, KeyPair(*pair), ("",), hwm=1) as subscriber:
        while subscriber.receive(0.1) is None:
            pass
        print("here", flush=True)
        sys.stdin.read()
"""


def test_row_35_a_frozen_subscriber_does_not_hold_up_commands_or_the_estop(site):
    keys, where = site.keys["otto"], f"tcp://127.0.0.1:{site.ports['events']}"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FROZEN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as frozen:
        frozen.stdin.write(json.dumps([where, site.keys["coordinator"].public, *keys.parts]) + "\n")
        frozen.stdin.flush()
        assert frozen.stdout.readline() == "here\n"
        frozen.send_signal(signal.SIGSTOP)
        try:
            anna = site.light()
            for power in range(1, 11):
                anna.request(Set(0, site.pump, "power", power / 1000, 0))
                site.to_coordinator().request(Status(0))
            site.to_coordinator("otto", "estop").request(EStop(0, "smoke"))
            site.until(lambda: not site.laser.lit)
        finally:
            frozen.kill()


WRITER = """
    import itertools, sys
    import numpy as np
    from pathlib import Path
    from bellringer.analysis import Tags
    from bellringer.orchestrator.records import RunFolder
    folder = RunFolder.create(Path(sys.argv[1]), "scan", "bellringer: 1\\n", {"sequence": "scan"})
    for n in itertools.count(1):
        folder.event(n, "step", number=n, text="x" * (n % 500))
        print("event", n, flush=True)
        if n % 5 == 0:
            folder.write_tags(n, "alice", Tags(np.arange(n), np.ones(n, np.uint8)), {"n": n})
            print("tags", n, flush=True)
            folder.write_json("results.json", {"n": n})
            print("results", n, flush=True)
"""


def killed_writer(runs, acknowledged):
    """Start a writer, kill it after it acknowledged so many writes, and return what it had acknowledged by then."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(runs)], stdout=subprocess.PIPE, text=True
    ) as writer:
        said = [writer.stdout.readline() for _ in range(acknowledged)]
        writer.kill()
        said += writer.stdout.readlines()
    last = {"event": 0, "tags": 0, "results": 0}
    for line in said:
        kind, _, number = line.partition(" ")
        if line.endswith("\n"):
            last[kind] = int(number)
    return last


@pytest.mark.parametrize("attempts", [6, pytest.param(200, marks=pytest.mark.soak)])
def test_row_37_a_killed_writer_leaves_every_record_that_was_acknowledged(tmp_path, attempts):
    chance = random.Random(SEED)
    for attempt in range(attempts):
        runs = tmp_path / str(attempt)
        last = killed_writer(runs, chance.randrange(1, 400))
        (folder,) = runs.iterdir()
        *whole, torn = (folder / "events.jsonl").read_bytes().split(b"\n")
        numbers = [json.loads(line)["number"] for line in whole]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= last["event"] > 0
        assert torn == b"", "a line is written at once or not at all"
        for number in range(5, last["tags"] + 1, 5):
            assert len(read_tags(folder / "tags" / f"{number:04d}-alice.tags")) == number
        if last["results"]:
            assert json.loads((folder / "results.json").read_text())["n"] >= last["results"]
        (listed,) = list_runs(runs)
        assert listed["status"] == "interrupted"


RECORDER = """
    import itertools, select, sys
    import numpy as np
    from pathlib import Path
    from bellringer.drivers.interfaces import ClockMap, Recording, TagBlock
    from bellringer.orchestrator.agent.recorder import TagRecorder

    class Published:
        def publish(self, topic, event, *arrays):
            print("recording", event.body["number"], flush=True)

    recorder, size = TagRecorder(Path(sys.argv[1]), Published()), int(sys.argv[2])
    clock = ClockMap(0, 0.0, 0, 0.0, "PPS", True)
    stream = recorder.begin("alice.tagger", clock, "s")
    for n in itertools.count():
        low = n * 10**9
        times, ones = np.arange(low, low + size), np.ones(size, np.uint8)
        block = TagBlock(low, low + 10**9, times, ones, np.array([[low + 10**8, low + 10**8 + 7]]))
        told = []
        stream.append(block, lambda error: (told.append(error), print("block", stream.number, n, flush=True)))
        if n % 5 == 0:
            recorder.keep("alice.tagger", Recording(times, ones, 10**12, clock), told.append)
        while len(told) < 1 + (n % 5 == 0):  # one look may find both
            select.select([recorder.wake], [], [])
            recorder.turn()
        assert "numba" not in sys.modules, "an agent compiles nothing"
"""


def killed_recorder(folder, said):
    """Start a recorder of an agent, kill it after so many lines, and return (recordings, blocks by file) it told of."""
    size = str(random.Random(said).choice([1, 1000, 200_000]))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RECORDER), str(folder), size], stdout=subprocess.PIPE, text=True
    ) as writer:
        lines = [writer.stdout.readline() for _ in range(said)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    words = [line.split() for line in lines if line.endswith("\n")]
    recordings = [int(word[1]) for word in words if word[0] == "recording"]
    ((number, last),) = [(int(w[1]), int(w[2])) for w in words if w[0] == "block"][-1:]
    return recordings, number, last, int(size)


@pytest.mark.parametrize("attempts", [4, pytest.param(100, marks=pytest.mark.soak)])
def test_row_37_a_killed_agent_leaves_every_recording_it_answered_with_and_counts_on(tmp_path, attempts):
    """And of a stream that it recorded every block that it told of, with gaps and the clock's state."""
    chance, before = random.Random(SEED), 0
    for _ in range(attempts):
        recordings, stream, last, size = killed_recorder(tmp_path, chance.randrange(4, 60))
        assert stream > before, "a number is never used twice"
        before = max([stream, *recordings])
        for number in recordings:
            assert len(read_tags(tmp_path / f"{number:06d}-alice.tagger.tags")) == size
        with TagFileReader(tmp_path / f"{stream:06d}-alice.tagger.tags") as reader:
            told = reader.read_told()
            assert not reader.ended
        blocks = len(told.tags) // size
        assert last + 1 <= blocks <= last + 2
        expected = [np.arange(n * 10**9, n * 10**9 + size) for n in range(blocks)]
        assert np.array_equal(told.tags.times_ps[: blocks * size], np.concatenate(expected))
        assert told.tags.gaps[:, 0].tolist()[: last + 1] == [n * 10**9 + 10**8 for n in range(last + 1)]
        assert told.clocks == ((0, ClockState("PPS", True)),)


def test_row_37_a_torn_tail_of_the_journal_is_cut_off_and_the_coordinator_starts(cold_site):
    site = cold_site
    first = site.start_coordinator()
    site.to_coordinator("otto", "estop").request(EStop(0, "smoke"))
    first.send(signal.SIGKILL)
    first.end()
    journal = site.folder / "coordinator" / "journal.jsonl"
    whole = journal.read_bytes()
    with open(journal, "ab") as file:
        file.write(b'{"n":2,"utc":"2026-01-31T12')
    site.start_coordinator()
    assert journal.read_bytes() == whole
    assert site.to_coordinator().request(Status(0))["estop"]["latched"], "what was acknowledged is kept"
