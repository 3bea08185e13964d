"""Measured latencies: percentiles, what is lost, which newer ones count, and what programs are judged by."""

import numpy as np
import pytest
from bellringer.testbed.attempts import program as program_of
from bellringer.testbed.attempts.compile import place_corrections, unmeasured
from bellringer.testbed.attempts.latency import MeasuredLatency, Measurement
from bellringer.testbed.errors import BellringerError, ProgramError

from .conftest import fields


def of(took_ps, lost=0, latency_class="S1", node="alice"):
    return Measurement.of(latency_class, "charlie", node, took_ps, lost)


def kept(*measurements):
    return MeasuredLatency(testbed="lab", measured_utc="then", measurements=measurements)


def test_percentiles_are_those_of_the_inverted_distribution_function():
    """Exact, 12 345 draws, seed 3; numpy computes them in another way."""
    took = np.random.default_rng(3).integers(0, 10**10, 12_345)
    found = of(took.tolist())
    wanted = np.quantile(took, [0.5, 0.99, 0.999], method="inverted_cdf").tolist()
    assert [found.p50_ps, found.p99_ps, found.p999_ps] == wanted
    assert found.samples == 12_345


def test_of_a_thousand_messages_one_may_take_longer_than_p999():
    found = of(list(range(1, 1001)))
    assert (found.p50_ps, found.p99_ps, found.p999_ps) == (500, 990, 999)


def test_what_was_lost_counts_as_later_than_all_others():
    found = of(list(range(1, 1999)), lost=2)
    assert (found.p50_ps, found.p999_ps, found.samples) == (1000, 1998, 2000)


@pytest.mark.parametrize(("took", "lost"), [([5] * 1998, 3), ([], 0), ([], 10)])
def test_where_too_much_was_lost_nothing_is_measured(took, lost):
    with pytest.raises(BellringerError, match=f"{lost} of {len(took) + lost} messages never came"):
        of(took, lost)


def test_a_message_that_came_before_it_was_sent_shows_that_clocks_disagree():
    with pytest.raises(BellringerError, match="a message came 7 ps before it was sent"):
        of([*[5] * 1000, -7])


def test_a_newer_measurement_takes_the_place_of_the_older_one_of_its_way_and_class():
    first, second, other = of([1] * 1000), of([2] * 1000), of([3] * 1000, node="bob")
    gateware = of([4] * 1000, latency_class="H2")
    found = kept(first, other, gateware).with_newer([second], "now")
    assert set(found.measurements) == {second, other, gateware}
    assert found.measured_utc == "now"
    assert MeasuredLatency.from_json(found.to_json()) == found


def test_only_who_owes_a_correction_has_to_be_measured():
    program = program_of(**fields())
    assert unmeasured(program, None) == ("alice",)
    assert unmeasured(program, kept(of([1] * 1000, node="bob"))) == ("alice",)
    assert unmeasured(program, kept(of([1] * 1000))) == ()


def test_a_deadline_that_the_link_does_not_meet_is_refused_with_how_much_is_missing():
    program = program_of(**fields())
    (owed,) = (each for each in program.feedforward if each.operation != "I")
    slow = kept(of([owed.deadline_ps + 17] * 10_000))
    with pytest.raises(ProgramError, match="S1 misses it by 17 ps"):
        place_corrections(program, slow, 0.01)
    quick = kept(of([owed.deadline_ps - 17] * 10_000))
    (made,) = (each for each in place_corrections(program, quick, 0.01) if each.latency_class)
    assert (made.latency_class, made.margin_ps) == ("S1", 17)
