"""Rows 17, 20, 21 and 29 on whole processes: what goes wrong in a batch costs that batch, never a wrong pair."""

import time

import pytest

from .memory_site import until

pytestmark = pytest.mark.process

PAIRS = 200
"""Enough for several batches, so that one is under way when something goes wrong, on a busy machine too."""
RELOCK_S = 2.0
"""How long a clock must have been locked before anything is armed again."""


@pytest.fixture
def request_under_way(memories):
    """A request with a batch that runs, its pairs to come, and those that came before anything went wrong."""
    asked = memories.entangle(kind="measure", pairs=PAIRS)
    until(lambda: memories.lit("alice"), "no batch runs")
    return asked, iter(asked), []


def ends_well(memories, asked, pairs, taken):
    """Take the other pairs; every one is there once, and every batch has an end."""
    taken += pairs
    assert (asked.state, len(taken)) == ("OK", PAIRS), (asked.counts, memories.faults())
    assert len({(pair.batch, pair.hseq) for pair in taken}) == PAIRS
    until(lambda: memories.stored("SELECT 1 FROM batches WHERE state = ''") == [], "a batch has no end")


def void(asked):
    return {reason for reason in asked.counts if reason.startswith("batch VOID")}


def test_row_17_an_overflow_of_the_stations_input_costs_one_herald_and_is_counted_for_the_client(
    memories, request_under_way
):
    asked, pairs, taken = request_under_way
    memories.fault("charlie", "overflow")
    ends_well(memories, asked, pairs, taken)
    for _ in range(5):  # a busy machine may lose the very batch, and all that was in it
        if "overflow" in asked.counts or not void(asked):
            break
        memories.fault("charlie", "overflow")
        asked = memories.entangle(kind="measure", pairs=PAIRS)
        ends_well(memories, asked, iter(asked), [])
    assert asked.counts["overflow"] == 1, asked.counts
    assert asked.counts["delivered"] >= PAIRS


def test_row_20_a_clock_that_unlocks_in_a_batch_makes_dark_and_is_used_again_by_itself(memories, request_under_way):
    asked, pairs, taken = request_under_way
    memories.fault("alice", "unlock")
    memories.dark_since_s("alice")
    until(lambda: memories.state("alice") == "SAFE", "alice may be armed with an unlocked clock")
    time.sleep(0.5)
    assert (memories.state("alice"), memories.lit("alice")) == ("SAFE", False)
    memories.fault("alice", "lock")
    locked_s = memories.lab.now_ps / 1e12
    until(lambda: memories.lit("alice"), "alice is not used again")
    assert memories.lab.now_ps / 1e12 - locked_s >= RELOCK_S
    ends_well(memories, asked, pairs, taken)
    # Whoever is quicker says so: the node's core, or the coordinator, which hears of the clock from the node.
    assert any("untimed" in reason or "clock is not locked" in reason for reason in void(asked)), void(asked)


@pytest.mark.parametrize(("kind", "reason"), [("underflow", "underflow"), ("late_pulse", "late")])
def test_row_21_an_underflow_or_a_late_pulse_voids_its_batch_and_the_next_one_counts(
    memories, request_under_way, kind, reason
):
    asked, pairs, taken = request_under_way
    memories.fault("bob", kind)
    ends_well(memories, asked, pairs, taken)
    said = void(asked)
    for _ in range(20):  # it strikes at some attempt of bob's next batch, which may have its pairs before
        if any(reason in each for each in said):
            break
        memories.fault("bob", kind)
        again = memories.entangle(kind="measure", pairs=PAIRS)
        ends_well(memories, again, iter(again), [])
        said |= void(again)
    assert any(reason in each for each in said), said


@pytest.mark.parametrize("who", ["alice", "charlie", "coordinator"])
def test_row_29_a_process_that_stalls_for_three_seconds_costs_batches_and_no_pair(memories, request_under_way, who):
    asked, pairs, taken = request_under_way
    with memories.frozen(who):
        time.sleep(3.0)
    ends_well(memories, asked, pairs, taken)
