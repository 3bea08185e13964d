"""Whole dry runs of sequences on memory links: coordinator, agents, cores, batches, journals, in lockstep.

Seed 1 each; every figure that the testbed file predicts within 3 sigma. The predictions of teleportation and swapping
are those of ``physics.protocols``, for the ages that the qubits really had.
"""

import contextlib
import json
import multiprocessing
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO, THREE = EXAMPLES / "memory_two_node.yaml", EXAMPLES / "memory_three_node.yaml"
NOT_LOOKED_AT = " is not armed: the clock is not locked"
"""A busy machine's batch that was prepared before its core was looked at; the next one takes its place."""


def run(bellringer, file, sequence, *words):
    ended = bellringer("run", file, sequence, "--dry-run", "--seed", "1", *words, "--json")
    assert ended.returncode == 0, ended.stderr
    return bellringer.folder / json.loads(ended.stdout.splitlines()[-1])["folder"]


def results(folder):
    return json.loads((folder / "results.json").read_text())["results"]


def pulls(folder):
    _, *rows = json.loads((folder / "data" / "prediction.json").read_text())["table"]
    return {row[0]: float(row[3]) for row in rows}


def entangled(bellringer, folder):
    return [each for each in bellringer.events(folder) if each["event"] == "entangled"]


def moments(bellringer, folder):
    """Return what happened, and when in lab time."""
    return [(each["t_ps"], each["event"], each.get("method")) for each in bellringer.events(folder)]


def spin():
    while True:
        pass


@contextlib.contextmanager
def busy_machine():
    """Keep every core busy."""
    spinning = [multiprocessing.get_context("fork").Process(target=spin, daemon=True) for _ in range(2)]
    for each in spinning:
        each.start()
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.join()


def test_heralded_bell_agrees_with_its_prediction_and_loses_no_herald(bellringer):
    """90 pairs, ten in each setting: five figures within 3 sigma."""
    folder = run(bellringer, TWO, "heralded_bell", "--pairs", "90")
    (told,) = entangled(bellringer, folder)
    assert (told["state"], told["pairs"], told["heralds"]) == ("OK", 90, 90)
    assert {how for how in told["batches"] if not how.endswith(NOT_LOOKED_AT)} == {"RECORDED"}
    found = pulls(folder)
    assert set(found) > {"herald_probability", "fidelity", "fidelity_tomography", "pair_rate"}
    assert all(abs(pull) < 3 for pull in found.values())
    assert results(folder)["selected_fraction"]["value"] == 1.0


def test_teleport_agrees_with_its_prediction_and_feeds_every_bell_measurement_forward(bellringer):
    """Three shots of each of six states; the mean fidelity within 3 sigma."""
    folder = run(bellringer, TWO, "teleport", "--shots", "3")
    told = entangled(bellringer, folder)
    assert [each["pairs"] for each in told] == [1] * 18
    assert {how for each in told for how in each["batches"] if not how.endswith(NOT_LOOKED_AT)} == {"RECORDED"}
    methods = [each["method"] for each in bellringer.events(folder) if each["event"] == "call"]
    assert methods.count("measure_bell") == methods.count("prepare") == methods.count("measure") == 18
    assert 4 < methods.count("operate") < 18, "three of four Bell states need a correction"
    assert abs(pulls(folder)["fidelity"]) < 3


def test_swap_agrees_with_its_prediction_over_two_cores_of_the_middle_node(bellringer):
    """Four swaps in each of XX, YY and ZZ; the fidelity of the outer pairs within 3 sigma."""
    folder = run(bellringer, THREE, "swap", "--shots", "4")
    told = entangled(bellringer, folder)
    assert [each["pairs"] for each in told] == [1] * 24
    calls = [each for each in bellringer.events(folder) if each["event"] == "call"]
    measured = [each["args"] for each in calls if each["method"] == "measure_bell"]
    assert measured == [[0, 0, "right"]] * 12
    assert abs(pulls(folder)["fidelity"]) < 3
    assert results(folder)["young_enough"]["value"] == 1.0


@pytest.mark.soak
def test_the_same_seed_gives_the_same_run_on_a_busy_machine(bellringer):
    """To the picosecond of every call: nothing depends on how fast processes are."""
    first = run(bellringer, TWO, "teleport", "--shots", "1")
    with busy_machine():
        second = run(bellringer, TWO, "teleport", "--shots", "1")
    assert moments(bellringer, first) == moments(bellringer, second)
    assert results(first) == results(second)


def test_a_run_that_is_aborted_in_a_batch_ends_in_the_dark(bellringer):
    """Twice Ctrl-C while 20,000 pairs are waited for."""
    words = ("run", TWO, "heralded_bell", "--dry-run", "--seed", "1", "--pairs", "20000")
    with bellringer.started(*words) as process:

        def asked():
            begun = list((bellringer.folder / "runs").glob("*/events.jsonl"))
            return begun and any(each["event"] == "entangle" for each in bellringer.events(begun[0].parent))

        bellringer.wait_until(lambda: asked() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        bellringer.wait_until(lambda: "pauses" in bellringer.stderr())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    happened = bellringer.events(bellringer.run_folder())
    assert [each["event"] for each in happened][-3:] == ["dark", "closed", "aborted"], happened[-1]
    assert happened[-3]["confirmed"]
