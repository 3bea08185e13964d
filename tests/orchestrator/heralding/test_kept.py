"""What a party still has to tell after its batches."""

from types import SimpleNamespace

from bellringer.orchestrator.heralding.entries import Ended
from bellringer.orchestrator.heralding.kept import AT_ONCE, REPEAT_S, Kept
from bellringer.orchestrator.heralding.outbox import Outbox
from bellringer.orchestrator.heralding.recovered import Recovered


def test_results_are_repeated_in_turns_so_that_those_that_never_arrive_hold_no_other_up():
    kept = Kept(Recovered(), Outbox("boot", lambda: 1))
    now = SimpleNamespace(mono_s=0.0, hw_ps=0)
    batches = range(1, AT_ONCE + AT_ONCE // 2 + 1)
    for batch in batches:
        kept.publish(Ended("run", batch, 1, 0, "digest", True, "", 1, 0, 0), now)
    told = []
    for _ in range(3):
        now.mono_s += REPEAT_S
        told += [each.message.batch for each in kept.repeat(now)]
        assert kept.repeat(now) == []
    assert told == [*batches, *batches]
