"""The real machines, journals and store over a bad network, with crashes, partitions, clock steps and takeovers.

What holds in every schedule is in ``simulated_rules``; ``test_schedules_caught`` shows that the rules catch what they
are for. A schedule is all there is to a history: ``World(Schedule(...)).run()`` repeats a failure from what is printed.
"""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from .simulated_schedules import drawn, schedules
from .simulated_world import Fault, Schedule, World

SOAK_FROM = int(os.environ.get("SOAK_SEED", "0"))


@settings(max_examples=300, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(schedules())
def test_no_schedule_breaks_a_rule(schedule):
    World(schedule).run()


@pytest.mark.soak
def test_no_schedule_of_two_thousand_breaks_a_rule():
    ends, pairs = Counter(), 0
    print(f"seeds {SOAK_FROM} to {SOAK_FROM + 1999}; SOAK_SEED=n begins elsewhere")
    for seed in range(SOAK_FROM, SOAK_FROM + 2000):
        try:
            world = World(drawn(seed)).run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        ends.update(str(end) for end in world.rules.ends.values())
        pairs += len(world.rules.pairs) // 2
    print(f"{dict(ends)}, {pairs} pairs")


def test_without_faults_every_batch_is_recorded_and_what_all_hold_is_delivered():
    world = World(Schedule(1)).run()
    assert len(world.rules.ends) >= 10
    assert world.rules.void == 0
    heralds = sum(len(kept) for (party, _), kept in world.rules.confirmed.items() if party == "charlie")
    assert 0 < len(world.rules.pairs) // 2 <= heralds


def test_the_same_schedule_gives_the_same_history():
    schedule = drawn(7)
    first, again = (World(schedule).run().rules for _ in range(2))
    assert first.starts == again.starts
    assert first.firings == again.firings
    assert list(first.ends.values()) == list(again.ends.values())


def void_share(loss, schedules, faults=()):
    ends = Counter()
    for seed in range(schedules):
        ends.update(World(Schedule(seed, loss, loss, loss, faults)).run().rules.ends.values())
    return ends["VOID"] / ends.total()


def test_row_29_with_loss_doubling_and_overtaking_no_rule_breaks_and_few_batches_are_void():
    """5 % each, 15 schedules of some 15 batches; a message that is 20 ms to 2 s late is as good as lost."""
    assert void_share(0.0, 3) == 0.0
    assert 0.0 < void_share(0.05, 15) < 0.5


@pytest.mark.parametrize("who", ["alice", "charlie", "coordinator"])
def test_row_29_after_a_stall_of_three_seconds_batches_are_recorded_again(who):
    schedule = Schedule(3, 0.05, 0.05, 0.05, (Fault("freeze", who, 2.5, 3.0),), length_s=12.0)
    world = World(schedule).run()
    late = [batch for batch, start_ps in world.rules.starts.items() if start_ps > 9.0e12]
    ends = {batch: end for (_, batch), end in world.rules.ends.items()}
    assert late
    assert any(ends[batch] == "RECORDED" for batch in late)
