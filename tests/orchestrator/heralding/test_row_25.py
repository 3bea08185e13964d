"""Row 25: the coordinator dies before or after every single write to its store, and after every single message.

All points of a history without other faults are tried, one history each: afterwards every batch has its one end, no
number was used twice, no acknowledged result is lost, and every other rule of ``simulated_rules`` holds too.
"""

import pytest

from ..dying import Dying
from .simulated_parties import Coordinator, Killed, SharedStore
from .simulated_world import Schedule, World

SCHEDULE = Schedule(5, length_s=3.6)
"""Some five batches; the clocks are steady after 2 s. Points are counted up to this length."""


class Fragile(Dying, SharedStore):
    """See ``Dying``."""

    killed = Killed


def history(dies_at=None, after=False):
    """Return a history, and how many transactions it had within the schedule's length."""
    store = type("Dying", (Fragile,), {"dies_at": dies_at, "after": after, "done": 0})
    world = World(SCHEDULE, coordinator=type("Fragile", (Coordinator,), {"Store": store}))
    world.until(SCHEDULE.length_s)
    return world, store.done


def test_the_history_has_every_kind_of_point():
    world, transactions = history()
    ends = list(world.rules.ends.values())
    assert ends.count("RECORDED") == len(ends) >= 3
    assert world.rules.pairs
    assert transactions > 6 * len(ends)  # allocated, committed, three results, concluded; and pairs


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_row_25_killed_at_every_write_every_batch_ends_and_no_number_comes_back(after):
    _, transactions = history()
    recorded = 0
    for point in range(2, transactions + 1):  # the first one only claims the empty store
        world, _ = history(point, after)
        assert not world.processes["c1"].alive or world.newest().epoch == 2, point
        world.run()
        recorded += sum(end == "RECORDED" for end in world.rules.ends.values())
    assert recorded > transactions  # most batches are recorded, whenever it dies


def test_row_25_killed_after_every_effect_every_batch_ends():
    class Counting(Coordinator):
        effects = 0

        def carry_out(self, effect):
            Counting.effects += 1
            super().carry_out(effect)

    World(SCHEDULE, coordinator=Counting).until(SCHEDULE.length_s)
    for point in range(1, Counting.effects + 1):
        world = World(SCHEDULE)
        world.processes["c1"].doomed = point
        assert world.run().newest().epoch == 2, point
