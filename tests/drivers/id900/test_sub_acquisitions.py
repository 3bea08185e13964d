"""Plans of sub-acquisitions and their tags, without an instrument."""

import numpy as np
import pytest
from bellringer.drivers.time_taggers import sub_acquisitions
from bellringer.drivers.time_taggers.sub_acquisitions import Plan, merge, unroll
from hypothesis import given
from hypothesis import strategies as st

from .far_ends import MS, PERIOD, WIDTH, packed


@given(st.integers(1_000_000, 3600 * 10**12))
def test_a_plan_covers_its_duration_with_sub_acquisitions_of_the_advised_length(duration_ps: int) -> None:
    plan = Plan.covering(duration_ps)
    assert plan.total_ps >= duration_ps
    assert plan.total_ps < duration_ps + plan.count * 1_040_000
    assert plan.period_ps == plan.width_ps + 40_000
    assert plan.width_ps <= 500_000_000_000
    assert plan.count == 1 or plan.width_ps >= 200_000_000_000


def test_gaps_are_the_40_ns_between_sub_acquisitions() -> None:
    plan = Plan.covering(1_500_000_000_000)
    assert (plan.count, plan.width_ps, plan.period_ps) == (3, WIDTH, PERIOD)
    assert plan.gaps_ps().tolist() == [[WIDTH, PERIOD], [PERIOD + WIDTH, 2 * PERIOD]]
    assert plan.gaps_ps().dtype == np.int64
    assert Plan.covering(3 * MS).gaps_ps().shape == (0, 2)


def test_gaps_end_with_the_duration() -> None:
    plan = Plan(duration_ps=WIDTH + 10_000, count=2, width_ps=WIDTH, period_ps=PERIOD)
    assert plan.gaps_ps().tolist() == [[WIDTH, WIDTH + 10_000]]


def test_unrolled_tags_count_on_through_empty_sub_acquisitions_and_end_with_the_duration() -> None:
    plan = Plan(2 * PERIOD + 100, count=3, width_ps=WIDTH, period_ps=PERIOD)
    tags = unroll([packed(0, 1, 1, WIDTH - 1), b"", packed(7, 99, 100, 101)], plan)
    assert tags.tolist() == [0, 1, 1, WIDTH - 1, 2 * PERIOD + 7, 2 * PERIOD + 99]
    assert tags.dtype == np.int64


def test_an_hour_of_tags_keeps_every_picosecond() -> None:
    plan = Plan.covering(3600 * 10**12)
    tags = unroll([packed(123_456_789_013)] * plan.count, plan)
    assert np.array_equal(tags, 123_456_789_013 + plan.period_ps * np.arange(plan.count))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([packed(1)], "1 messages for 2"),
        ([packed(1), packed(2), b""], "3 messages for 2"),
        ([packed(1)[:-1], b""], "no whole number"),
        ([packed(2, 1), b""], "do not ascend"),
        ([packed(1), packed(PERIOD)], "later than its end"),
        ([packed(1), packed(2**63 + 5)], "later than its end"),
    ],
)
def test_messages_that_cannot_be_a_recording_are_refused(messages: list[bytes], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unroll(messages, Plan.covering(10**12))


def test_a_message_so_long_that_it_may_be_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_acquisitions, "SPLIT_TAGS", 3)
    plan = Plan.covering(10**9)
    assert unroll([packed(1, 2)], plan).tolist() == [1, 2]
    with pytest.raises(ValueError, match="only a part"):
        unroll([packed(1, 2, 3)], plan)


def test_merging_orders_all_tags_and_keeps_equal_times_in_channel_order() -> None:
    times, channels = merge({3: np.array([5, 9]), 1: np.array([2, 5, 5]), 2: np.array([], np.int64)})
    assert times.tolist() == [2, 5, 5, 5, 9]
    assert channels.tolist() == [1, 3, 1, 1, 3]
    assert (times.dtype, channels.dtype) == (np.int64, np.uint8)
