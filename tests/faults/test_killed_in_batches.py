"""Row 25: kill -9 of an agent, the station's or the coordinator while pairs are made.

The number of a kill is its seed: whom, and in which phase of a batch. The soak's report (``--junitxml``) says in which
it really was, and how long it took until the request had its end.
"""

import random
import time

import pytest
from bellringer.orchestrator.coordinator.told import RESTARTED

from .memory_site import CORES, until
from .service_process import PATIENCE_S

pytestmark = pytest.mark.process

VICTIMS = ("alice", "coordinator", "charlie", "bob", "coordinator")
KILLS = [pytest.param(n, marks=[] if n <= len(VICTIMS) else pytest.mark.soak) for n in range(1, 1001 + len(VICTIMS))]
"""Five in `make test`, a thousand in `make soak`."""
LEASE_S, TURN_S = 1.5, 0.5
"""A node's light lease, and the time its agent may take to notice that it ran out."""
PAIRS = 60
"""Of a request; those of a batch are told at its end."""
PHASES = ("PREPARE", "COMMIT", "RUN", "HERALD", "RESULT", "between batches")
LOOK_S = 2.0
"""How long to look for a moment of that phase; the shortest ones are often missed, then the kill comes anyway."""


@pytest.fixture(scope="module")
def seen():
    """What the store held after the kill before: results and pairs, which must stay."""
    return {"results": set(), "pairs": set()}


@pytest.mark.parametrize("kill", KILLS)
def test_row_25_killed_while_pairs_are_made_nothing_acknowledged_is_lost_or_doubled(
    memories, seen, kill, record_property
):
    victim, dice = VICTIMS[kill % len(VICTIMS)], random.Random(kill)
    phase = dice.choice(PHASES)
    asked = memories.entangle(kind="measure", pairs=PAIRS, deadline_s=PATIENCE_S)
    end = time.monotonic() + LOOK_S
    while (found := memories.phase()) != phase and time.monotonic() < end:
        time.sleep(dice.uniform(0.0, 0.004))
    killed_s = memories.kill(victim)
    record_property("killed in", f"{victim}: {found}")
    for name in CORES if victim == "coordinator" else (victim,):
        assert memories.dark_since_s(name) - killed_s < LEASE_S + TURN_S
    memories.start_one(victim)
    memories.settle()
    taken = list(asked)
    record_property("seconds", f"{memories.lab.now_ps / 1e12 - killed_s:.1f}")

    if victim == "coordinator" and len(taken) < PAIRS:
        assert (asked.state, asked.why) == ("PARTIAL" if taken else "EXPIRED", RESTARTED)
    else:
        assert (asked.state, len(taken)) == ("OK", PAIRS)
    assert [pair.number for pair in taken] == [*range(1, len(taken) + 1)]
    until(lambda: memories.stored("SELECT 1 FROM batches WHERE state = ''") == [], "a batch has no end")
    assert {state for (state,) in memories.stored("SELECT state FROM batches")} <= {"RECORDED", "VOID"}
    assert memories.stored("SELECT * FROM conflicts") == []

    of_this = {(batch, hseq) for batch, hseq in memories.stored(
        f"SELECT batch, hseq FROM pairs WHERE run = '{asked.request['id']}'"
    )}  # fmt: skip
    acknowledged = {name: memories.acknowledged(name) for name in CORES}  # first: a void batch's results may still come
    told = [(pair.batch, pair.hseq) for pair in taken]
    assert len(set(told)) == len(told)
    assert set(told) <= of_this
    assert len(told) == PAIRS or set(told) == of_this, "a pair in the store was never told"
    found = {
        "results": set(memories.stored("SELECT run, batch, party, hash FROM results")),
        "pairs": set(memories.stored("SELECT n, run, batch, hseq, k, label, t_ps FROM pairs")),
    }
    assert all(before <= found[kind] for kind, before in seen.items())
    seen |= found
    for name in CORES:
        kept = {(run, batch): digest for run, batch, party, digest in found["results"] if party == name}
        assert acknowledged[name].items() <= kept.items()
