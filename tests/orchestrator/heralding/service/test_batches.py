"""How long a batch is and when it stops, whatever is left to do, to spend and to keep in."""

import math

from bellringer.orchestrator.heralding.service.batches import Left, next_batch, tailored
from bellringer.orchestrator.heralding.service.requests import checked
from hypothesis import given, settings
from hypothesis import strategies as st


def batch(make, probability=1e-3, left=None, link=None, forecast=None, kind="measure", **changes):
    link = link or make.link()
    base = next(each for each in link.programs if each.keep == kind)
    more = {"max_age_s": 0.1} if kind == "keep" else {}
    request = checked(make.request(kind=kind, **more, **changes))
    full = Left(pairs=10, memories=4, attempts=math.inf, seconds=100.0)
    return next_batch(link, base, forecast or make.forecast(probability), request, left or full)


def test_a_batch_has_attempts_for_what_is_wanted_and_two_sigma_more(make):
    program = batch(make, 1e-3)
    assert program.most_attempts == math.ceil((10 + 2 * math.sqrt(10)) / 1e-3)
    assert program.most_ps == program.most_attempts * program.period_ps
    assert (program.stop.kind, program.stop.count) == ("count", 10)


def test_it_is_never_shorter_than_50_ms_nor_longer_than_1_s(make):
    assert batch(make, 0.5).most_ps == 5 * 10**10
    assert batch(make, 1e-6).most_ps == 10**12


def test_far_away_it_is_at_least_ten_round_trips_long(make):
    assert batch(make, 0.5, link=make.link(rtt_s=0.03)).most_ps == 3 * 10**11


def test_interleaved_calibration_comes_on_top(make):
    link = make.link(programs=(make.measuring(calibration={"every": 30, "length": 10}),))
    plain, more = batch(make, 1e-3), batch(make, 1e-3, link=link)
    assert (
        more.most_attempts == math.ceil(plain.most_attempts * 40 / 30)
        or abs(more.most_attempts - plain.most_attempts * 40 / 30) <= 1
    )


def test_kept_pairs_stop_it_when_the_memories_are_full(make):
    left = Left(pairs=10, memories=3, attempts=math.inf, seconds=100.0)
    one, many = (
        make.link(programs=(make.program(memory_modes=modes),)) for modes in (1, 8)
    )  # fmt: skip
    assert batch(make, left=left, kind="keep", link=one).stop.kind == "first"
    assert batch(make, left=left, kind="keep", link=many).stop.count == 3
    none = Left(pairs=10, memories=0, attempts=math.inf, seconds=100.0)
    assert batch(make, left=none, kind="keep") is None


def test_heralds_of_the_other_state_are_counted_in(make):
    assert batch(make, 1e-3, target="psi-").stop.count == 20


def test_what_the_link_does_not_make_is_not_tried(make):
    assert batch(make, 0.0) is None
    assert batch(make, forecast=make.forecast(probabilities={"psi+": 1e-3}), target="psi-") is None


def test_with_too_little_time_or_budget_left_there_is_none(make):
    assert batch(make, left=Left(10, 4, math.inf, 0.0499)) is None
    assert batch(make, left=Left(10, 4, 4999, 100.0)) is None
    assert batch(make, left=Left(10, 4, 5000, 0.05)) is not None
    assert batch(make, left=Left(0, 4, math.inf, 100.0)) is None


@settings(max_examples=150, deadline=None)
@given(
    probability=st.floats(1e-9, 0.9),
    pairs=st.integers(1, 10**6),
    attempts=st.integers(0, 10**7) | st.just(math.inf),
    seconds=st.floats(-1, 1e4),
    rtt_s=st.floats(0, 0.1),
    period_ps=st.integers(10**6, 10**12),
    longest_s=st.floats(1, 100),
)
def test_no_batch_breaks_a_limit(make, probability, pairs, attempts, seconds, rtt_s, period_ps, longest_s):
    link = make.link(programs=(make.measuring(period_ps=period_ps),), rtt_s=rtt_s, longest_batch_s=longest_s)
    program = batch(make, probability, Left(pairs, 0, attempts, seconds), link)
    shortest = max(0.05, 10 * rtt_s)
    if program is None:
        periods = math.ceil(shortest * 1e12 / period_ps - 1e-6)
        most = min(attempts, seconds * 1e12 / period_ps, longest_s * 1e12 // period_ps)
        assert most < periods + 1
        return
    length_s = program.most_ps * 1e-12
    assert shortest * (1 - 1e-9) <= length_s <= min(longest_s, seconds) * (1 + 1e-9)
    assert program.most_attempts <= attempts
    assert program.stop.kind == "first" or program.stop.count <= pairs


def test_the_bases_asked_for_are_those_of_each_node_whatever_the_order_of_the_link(make):
    base = make.measuring(readout=({"node": "alice", "bases": ("X",)}, {"node": "bob", "bases": ("X",)}))
    asked = checked(make.request(nodes=("bob", "alice"), bases=("ZZX", "XYZ")))
    program = tailored(base, asked)
    assert [program.basis("bob", k) for k in range(4)] == ["Z", "Z", "X", "Z"]
    assert [program.basis("alice", k) for k in range(4)] == ["X", "Y", "Z", "X"]
    assert tailored(base, checked(make.request())) is base
