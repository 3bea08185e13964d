"""Clocks followed block by block: honest errors while they wander, honest loss of lock."""

import math

import numpy as np
import pytest
from bellringer.analysis import ClockOffset, ClockTracker, Lock, NoPeak, Wander
from bellringer.analysis._clock_filter import ahead, covariance, innovation, updated
from hypothesis import given
from hypothesis import strategies as st

S = 10**12
WANDER = Wander(10.0, 1e-11)
JITTER_PS = 180.0


def clocks(rng, seconds, wander, offset=-3e9, drift=5e-7):
    """Return (time in ps, Bob's offset, drift): white frequency noise and a random walk of frequency, 1 ms steps."""
    steps, dt = round(seconds * 1000), 1e-3
    drifts = drift + np.concatenate([[0], np.cumsum(rng.normal(0, wander.drift * math.sqrt(dt), steps))])
    moves = drifts[:-1] * dt * 1e12 + rng.normal(0, wander.phase_ps * math.sqrt(dt), steps)
    return np.arange(steps + 1) * 1e9, offset + np.concatenate([[0], np.cumsum(moves)]), drifts


def recording(rng, seconds, times, offsets, rate=1e4, pairs=2e3):
    """Both ends of a steady source, Bob's clock as given; pairs' differences have 180 ps deviation."""
    length = seconds * 1e12
    emitted, ends = rng.uniform(0, length, rng.poisson(pairs * seconds)), []
    for _ in range(2):
        alone = rng.uniform(0, length, rng.poisson((rate - pairs) * seconds))
        ends.append(np.concatenate([emitted + rng.normal(0, JITTER_PS / math.sqrt(2), len(emitted)), alone]))
    ends[1] += np.interp(ends[1], times, offsets)
    return tuple(np.sort(np.rint(end).astype(np.int64)) for end in ends)


def blocks(a, b, length_ps):
    """Cut both ends by their own clocks."""
    for low in range(0, int(max(a[-1], b[-1])) + length_ps, length_ps):
        yield tuple(end[(end >= low) & (end < low + length_ps)] for end in (a, b))


def run(tracker, a, b, length_ps=3 * S // 10):
    return [clock for block in blocks(a, b, length_ps) for clock in tracker.feed(*block)]


def followed(seed, wander, seconds=12):
    rng = np.random.default_rng(seed)
    times, offsets, drifts = clocks(rng, seconds, wander)
    return ClockTracker(10**10, wander=wander), times, offsets, drifts, recording(rng, seconds, times, offsets)


@pytest.mark.parametrize("wander", [WANDER, Wander(30.0, 1e-10)], ids=["quiet", "more than the photons' own noise"])
def test_the_errors_of_a_followed_clock_are_honest(wander):
    """Seeds 0 to 11, 12 s each, about 11 steps: pulls of offset and drift with mean 0 and width 1 within 5 sigma.

    Pulls of one seed are correlated by less than a step (the drift is remembered over few), hence 5 and not 4 sigma.
    """
    pulls = []
    for seed in range(12):
        tracker, times, offsets, drifts, ends = followed(seed, wander)
        for clock in run(tracker, *ends):
            truth = [np.interp(clock.t_ref_ps, times, each) for each in (offsets, drifts)]
            pulls.append([
                (clock.offset_ps - truth[0]) / clock.offset_error_ps, (clock.drift - truth[1]) / clock.drift_error,
            ])  # fmt: skip
        assert tracker.state is Lock.LOCKED
        assert tracker.jumps == tracker.losses == 0
    assert len(pulls) > 110
    assert (np.abs(np.mean(pulls, axis=0)) < 5 / math.sqrt(len(pulls))).all()
    assert (np.abs(np.std(pulls, axis=0) - 1) < 5 / math.sqrt(2 * len(pulls))).all()


def test_remembering_gains_on_steady_clocks():
    """Seed 20, no wander: after 12 steps the errors are those of one fit to all (Cramer-Rao) within 15 %."""
    rng, steady = np.random.default_rng(20), Wander(0.0, 0.0)
    times, offsets, drifts = clocks(rng, 12, steady)
    tracker = ClockTracker(10**10, wander=steady)
    last = run(tracker, *recording(rng, 12, times, offsets))[-1]
    seconds = last.t_ref_ps * 1e-12 + 0.5
    middle = last.at(round(seconds / 2 * 1e12))
    least = JITTER_PS / math.sqrt(2e3 * seconds)
    assert middle.offset_error_ps == pytest.approx(least, rel=0.15)
    assert middle.drift_error == pytest.approx(least * math.sqrt(12) / (seconds * 1e12), rel=0.15)
    assert abs(middle.offset_ps - np.interp(middle.t_ref_ps, times, offsets)) < 5 * middle.offset_error_ps
    assert abs(middle.drift - drifts[0]) < 5 * middle.drift_error


@pytest.mark.parametrize("length", [S // 50, 7 * S // 3, 20 * S])
def test_it_does_not_matter_how_the_tags_are_cut_into_blocks(length):
    """Seed 21: blocks of 20 ms, 2.3 s and all at once, against 0.3 s."""
    tracker, *_, ends = followed(21, WANDER, 6)
    whole = run(tracker, *ends)
    assert run(ClockTracker(10**10, wander=WANDER), *ends, length) == whole
    assert len(whole) >= 4


def test_lock_is_lost_when_the_pairs_are_gone_and_found_again():
    """Seed 22: Bob's tags are unrelated from 5 s to 14 s: coasting with a growing error, nothing, then lock again."""
    tracker, times, offsets, _, (a, b) = followed(22, WANDER, 22)
    rng, dark = np.random.default_rng(23), (b > 5 * S) & (b < 14 * S)
    b = np.sort(np.concatenate([b[~dark], rng.integers(5 * S, 14 * S, dark.sum())]))
    story, errors = [], []
    for block in blocks(a, b, S // 2):
        tracker.feed(*block)
        if not story or story[-1] is not tracker.state:
            story.append(tracker.state)
        clock = tracker.clock
        assert (clock is None) == (tracker.state is Lock.SEARCHING)
        if clock is not None:
            assert abs(clock.offset_ps - np.interp(clock.t_ref_ps, times, offsets)) < 5 * clock.offset_error_ps
        if tracker.state is Lock.COASTING and clock is not None:
            errors.append(clock.offset_error_ps)
        if tracker.losses == 1 and tracker.state is Lock.SEARCHING:
            assert "given up" in tracker.reason or "no correlation peak" in tracker.reason
    assert story == [Lock.SEARCHING, Lock.LOCKED, Lock.COASTING, Lock.SEARCHING, Lock.LOCKED]
    assert errors == sorted(errors)
    assert errors[-1] > 2 * errors[0]
    assert tracker.losses == 1


def test_lock_is_lost_when_one_end_falls_silent():
    """Seed 24: no tag of Bob's after 4 s, while Alice's go on."""
    tracker, *_, (a, b) = followed(24, WANDER, 20)
    run(tracker, a, b[b < 4 * S])
    assert tracker.state is Lock.SEARCHING
    assert tracker.losses == 1
    with pytest.raises(NoPeak, match="not known"):
        tracker.at(20 * S)


def test_an_error_beyond_what_is_allowed_ends_the_lock():
    """Seed 25: the same silence is over sooner for a clock of which little is expected."""
    rng = np.random.default_rng(25)
    times, offsets, _ = clocks(rng, 12, WANDER)
    a, b = recording(rng, 12, times, offsets)
    alone = np.sort(np.random.default_rng(26).integers(4 * S, 12 * S, 80_000))
    b = np.concatenate([b[b < 4 * S], alone])
    patient = [ClockTracker(10**10, wander=WANDER, patience_ps=10**14, hold_ps=hold) for hold in (1e6, 15.0)]
    for tracker in patient:
        run(tracker, a, b)
    assert [tracker.losses for tracker in patient] == [0, 1]


def test_a_jump_is_followed_and_told():
    """Seed 27: Bob's clock jumps by 5 ns at 6 s; every clock given afterwards is right within 5 sigma."""
    rng = np.random.default_rng(27)
    times, offsets, _ = clocks(rng, 12, WANDER)
    offsets = offsets + 5000.0 * (times > 6 * S)
    tracker = ClockTracker(10**10, wander=WANDER)
    seen = run(tracker, *recording(rng, 12, times, offsets))
    assert tracker.jumps >= 1
    late = [clock for clock in seen if clock.t_ref_ps > 7.1 * S]
    assert len(late) >= 3
    for clock in late:
        assert abs(clock.offset_ps - np.interp(clock.t_ref_ps, times, offsets)) < 5 * clock.offset_error_ps


def test_unrelated_ends_are_never_locked():
    """Seeds 0 and 1, 4 s each at 5e3 /s."""
    for seed in range(2):
        rng, tracker = np.random.default_rng([seed, 30]), ClockTracker(10**9)
        assert run(tracker, *(np.sort(rng.integers(0, 4 * S, 20_000)) for _ in "ab")) == []
        assert tracker.state is Lock.SEARCHING
        assert "no correlation peak" in tracker.reason


def test_blocks_out_of_order_are_refused_and_not_taken_in():
    tracker = ClockTracker(10**9)
    tracker.feed([10, 20], [5])
    with pytest.raises(ValueError, match="alice_ps begins at 19 ps, before the last block's end, 20 ps"):
        tracker.feed([19, 30], [])
    with pytest.raises(ValueError, match="bob_ps is not ascending at index 1"):
        tracker.feed([], [7, 6])
    tracker.feed([20, 30], [5, 6])


def test_a_long_silence_of_both_is_passed_over():
    """Tags 50 days apart: the steps between are not gone through one by one (4 million), and nothing is claimed."""
    tracker = ClockTracker(10**9)
    tracker.feed([0, 2 * S], [0, 2 * S])
    tracker.feed([2**62, 2**62 + 2 * S], [2**62, 2**62 + 2 * S])
    assert tracker.state is Lock.SEARCHING


@pytest.mark.parametrize("words", [{"step_ps": 0}, {"patience_ps": 0}, {"hold_ps": float("nan")}, {"search_ps": 10}])
def test_lengths_that_make_no_sense_are_refused(words):
    with pytest.raises(ValueError, match="must be above zero"):
        ClockTracker(**words)


def test_the_wander_of_a_line_through_a_wandering_clock():
    """Seed 31, 4000 clocks of 1 s: variances of the fitted line about the middle's state, within 5 sigma (11 %)."""
    rng, n, steps = np.random.default_rng(31), 4000, 400
    for wander in (Wander(10.0, 0.0), Wander(0.0, 1e-11)):
        dt = 1 / steps
        drift = np.cumsum(rng.normal(0, wander.drift * math.sqrt(dt), (n, steps + 1)), axis=1)
        moves = rng.normal(0, wander.phase_ps * math.sqrt(dt), (n, steps)) + (drift[:, 1:] + drift[:, :-1]) / 2 * dt * S
        phase = np.concatenate([np.zeros((n, 1)), np.cumsum(moves, axis=1)], axis=1)
        t = (np.arange(steps + 1) - steps / 2) * dt * S
        phase -= phase[:, [steps // 2]] + drift[:, [steps // 2]] * t
        slopes = phase @ t / (t @ t) * 1e12  # ps a second
        seen = np.array([phase.mean(axis=1).var(), slopes.var()])
        assert seen == pytest.approx(np.diag(wander.within(S)), rel=0.112)


@st.composite
def some_clock(draw):
    error, drift_error = draw(st.floats(0.1, 100)), draw(st.floats(1e-13, 1e-10))
    cross = draw(st.floats(-0.9, 0.9)) * error * drift_error
    return ClockOffset(draw(st.floats(-1e3, 1e3)), draw(st.floats(-1e-9, 1e-9)), error, drift_error, 50.0, 0, cross)


@given(some_clock(), some_clock())
def test_two_clocks_as_one_are_better_than_either(first, second):
    """Against the information form: weights are the inverse covariances."""
    both = updated(first, second)
    weights = [np.linalg.inv(covariance(each)) for each in (first, second)]
    states = [np.array([each.offset_ps, each.drift * 1e12]) for each in (first, second)]
    expected = np.linalg.solve(sum(weights), sum(w @ x for w, x in zip(weights, states)))
    assert both.offset_ps == pytest.approx(expected[0], rel=1e-6, abs=1e-6)
    assert both.drift * 1e12 == pytest.approx(expected[1], rel=1e-6, abs=1e-6)
    assert both.offset_error_ps <= min(first.offset_error_ps, second.offset_error_ps) * (1 + 1e-9)
    assert both.drift_error <= min(first.drift_error, second.drift_error) * (1 + 1e-9)
    assert innovation(first, second) >= 0


def test_ahead_in_two_steps_is_ahead_in_one():
    start = ClockOffset(5.0, 1e-9, 2.0, 1e-11, 50.0, 0, 1e-12)
    once, twice = ahead(start, 3 * S, WANDER), ahead(ahead(start, S, WANDER), 3 * S, WANDER)
    assert covariance(once) == pytest.approx(covariance(twice), rel=1e-9)
    assert once.offset_ps == pytest.approx(twice.offset_ps)
