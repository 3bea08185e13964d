"""Clock offsets from simulated pairs: found at any sign and small pair fractions, honest errors, or no answer.

Truths are drawn from the seed; where a test says "sigma", the number of seeds and the accepted deviation stand there.
"""

import numpy as np
import pytest
from bellringer.analysis import ClockOffset, NoPeak, clock_offset

MS = 10**9
JITTER_PS = 60.0  # of the pairs' time difference


def recordings(
    seed: int,
    seconds: float,
    rates: tuple[float, float],
    pairs: float,
    offset: float,
    drift: float,
    jitter: float = JITTER_PS,
) -> tuple[np.ndarray, np.ndarray]:
    """Two ends of a source; ``pairs`` per second are tagged at both; Bob's clock has ``drift`` about mid-recording."""
    rng, length = np.random.default_rng(seed), seconds * 1e12
    emitted = rng.uniform(0, length, rng.poisson(pairs * seconds))
    ends = []
    for rate in rates:
        alone = rng.uniform(0, length, rng.poisson((rate - pairs) * seconds))
        seen = emitted + rng.normal(0, jitter / np.sqrt(2), len(emitted))
        ends.append(np.concatenate([seen, alone]))
    bob = ends[1] + offset + drift * (ends[1] - length / 2)
    return tuple(np.sort(np.rint(end).astype(np.int64)) for end in (ends[0], bob))


def errors_in_sigma(found: ClockOffset, seconds: float, offset: float, drift: float) -> tuple[float, float]:
    """Return how far the offset (at t_ref) and the drift are from the truth, in units of their claimed errors."""
    truth = offset + drift * (found.t_ref_ps - seconds * 5e11)
    return (found.offset_ps - truth) / found.offset_error_ps, (found.drift - drift) / found.drift_error


@pytest.mark.parametrize(
    ("rates", "pairs", "jitter"),
    [((1e5, 1e5), 1e4, JITTER_PS), ((1e5, 3e5), 5e3, 1500.0), ((4e4, 4e4), 1e3, JITTER_PS)],
    ids=["typical", "wide peak on background", "few pairs"],
)
def test_offset_and_drift_errors_are_honest(rates, pairs, jitter):
    """Seeds 0 to 59, 0.4 s each, +-20 ms, +-5 ppm: pulls with mean 0 and deviation 1 within 4 sigma of 60."""
    pulls = []
    for seed in range(60):
        truth = np.random.default_rng([seed, 1])
        offset, drift = truth.uniform(-19 * MS, 19 * MS), truth.uniform(-5e-6, 5e-6)
        a, b = recordings(seed, 0.4, rates, pairs, offset, drift, jitter)
        pulls.append(errors_in_sigma(clock_offset(a, b, 20 * MS, 5e-6), 0.4, offset, drift))
    means, deviations = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    assert (np.abs(means) < 4 / np.sqrt(60)).all()
    assert (np.abs(deviations - 1) < 4 / np.sqrt(2 * 60)).all()


def test_errors_shrink_to_what_the_pairs_allow():
    """Seed 1, 20 000 pairs, hardly any background: the Cramer-Rao bound jitter / sqrt(N), within 5 %."""
    a, b = recordings(1, 0.4, (1e5, 1e5), 5e4, 3e9, 1e-6)
    found = clock_offset(a, b, 20 * MS, 5e-6)
    assert found.offset_error_ps == pytest.approx(JITTER_PS / np.sqrt(20_000), rel=0.05)
    spread = 0.4e12 / np.sqrt(12)
    assert found.drift_error == pytest.approx(JITTER_PS / np.sqrt(20_000) / spread, rel=0.05)


@pytest.mark.parametrize("offset", [-0.93e12, -1e9, 0.61e12])
@pytest.mark.parametrize("drift", [-0.97e-6, 0.4e-6])
def test_ten_seconds_with_a_second_of_offset_at_both_signs(offset, drift):
    """Seed 2, 10 s at 20 kHz, 10 % pairs; within 5 sigma and 5 ps."""
    a, b = recordings(2, 10, (2e4, 2e4), 2e3, offset, drift)
    found = clock_offset(a, b)
    assert np.abs(errors_in_sigma(found, 10, offset, drift)).max() < 5
    assert found.offset_error_ps < 5


@pytest.mark.parametrize(("share", "seed"), [(0.02, 3), (0.02, 4), (0.01, 5), (0.01, 6), (0.005, 7)])
def test_small_pair_fractions_are_found(share, seed):
    """1 s at 1e5 /s, +-20 ms, 5 ppm; within 5 sigma."""
    offset, drift = (-1) ** seed * 17.3e9, (-1) ** seed * -4.7e-6
    a, b = recordings(seed, 1.0, (1e5, 1e5), share * 1e5, offset, drift)
    found = clock_offset(a, b, 20 * MS, 5e-6)
    assert np.abs(errors_in_sigma(found, 1.0, offset, drift)).max() < 5


def test_high_and_unequal_rates():
    """Seed 8, 1 s, 1e5 and 4e5 /s; within 5 sigma."""
    a, b = recordings(8, 1.0, (1e5, 4e5), 1e4, -12.3e9, 3e-6)
    assert np.abs(errors_in_sigma(clock_offset(a, b, 20 * MS, 1e-5), 1.0, -12.3e9, 3e-6)).max() < 5


@pytest.mark.parametrize("jitter", [0.0, 5.0, 5_000.0, 50_000.0])
def test_peaks_from_none_to_many_nanoseconds_wide(jitter):
    """Seed 9, 0.5 s; within 5 sigma. Without jitter the rounding to whole ps is what is left of the error."""
    a, b = recordings(9, 0.5, (5e4, 5e4), 1e4, 4.2e9, -2e-6, jitter)
    found = clock_offset(a, b, 20 * MS, 5e-6)
    assert np.abs(errors_in_sigma(found, 0.5, 4.2e9, -2e-6)).max() < 5
    assert found.offset_error_ps < 2 * (jitter + 1) / np.sqrt(5000)


def test_identical_recordings_claim_no_perfect_answer():
    a = np.sort(np.random.default_rng(10).integers(0, 10**12, 10_000))
    found = clock_offset(a, a + 777, 20 * MS)
    assert found.offset_ps == pytest.approx(777, abs=1e-6)
    assert found.offset_error_ps > 0.003
    assert found.drift_error > 0


def test_recordings_that_share_less_than_half():
    """Seed 11: Bob starts 0.6 s late and runs longer; within 5 sigma."""
    a, b = recordings(11, 2.0, (5e4, 5e4), 5e3, 8e9, 2e-6)
    a, b = a[a < 10**12], b[b > 0.6e12]
    found = clock_offset(a, b, 20 * MS, 5e-6)
    assert np.abs(errors_in_sigma(found, 2.0, 8e9, 2e-6)).max() < 5
    assert 0.7e12 < found.t_ref_ps < 0.9e12  # the middle of what they share


@pytest.mark.parametrize("start", [2**62, -(2**62)])
def test_times_near_the_ends_of_the_range_change_nothing(start):
    a, b = recordings(12, 0.4, (5e4, 5e4), 5e3, 8e9, 2e-6)
    near, far = clock_offset(a, b, 20 * MS, 5e-6), clock_offset(a + start, b + start, 20 * MS, 5e-6)
    assert (far.offset_ps, far.drift, far.t_ref_ps - start) == (near.offset_ps, near.drift, near.t_ref_ps)


def test_an_expected_offset_moves_the_search():
    """Seed 13: 3 s off, sought within 10 us of the expectation; within 5 sigma."""
    a, b = recordings(13, 0.4, (5e4, 5e4), 5e3, 3e12 + 4.4e6, 2e-6)
    found = clock_offset(a, b, 10**7, 5e-6, expected_offset_ps=3 * 10**12)
    assert np.abs(errors_in_sigma(found, 0.4, 3e12 + 4.4e6, 2e-6)).max() < 5
    with pytest.raises(NoPeak):
        clock_offset(a, b, 10**7, 5e-6, expected_offset_ps=3 * 10**12 + 3 * 10**7)


def test_a_known_drift_leaves_only_the_offset_to_find():
    """Seeds 0 to 39, 0.4 s, 3 % pairs: pulls of the offset within 4 sigma of 40; the drift comes back as given."""
    pulls = []
    for seed in range(40):
        offset = np.random.default_rng([seed, 2]).uniform(-19 * MS, 19 * MS)
        a, b = recordings(seed, 0.4, (1e5, 1e5), 3e3, offset, -3.3e-6)
        found = clock_offset(a, b, 20 * MS, drift=-3.3e-6)
        assert (found.drift, found.drift_error) == (-3.3e-6, 0.0)
        pulls.append((found.offset_ps - offset + 3.3e-6 * (found.t_ref_ps - 0.2e12)) / found.offset_error_ps)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(40)
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * 40)


def test_an_exactly_known_offset_and_drift_can_be_confirmed():
    a, b = recordings(14, 0.3, (5e4, 5e4), 5e3, 0.0, 0.0)
    found = clock_offset(a, b, max_offset_ps=0, drift=0.0)
    assert abs(found.offset_ps) < 5 * found.offset_error_ps


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_recordings_give_no_peak(seed):
    """Seeds 0 to 4, 0.5 s at 1e5 /s, +-20 ms, 5 ppm: nothing near the 7 sigma needed."""
    a, b = recordings(seed, 0.5, (1e5, 1e5), 0, 0, 0)
    with pytest.raises(NoPeak, match="7 are needed") as error:
        clock_offset(a, b, 20 * MS, 5e-6)
    assert error.value.significance < 4


def test_a_peak_outside_the_reach_is_not_mistaken_for_another():
    a, b = recordings(15, 0.4, (1e5, 1e5), 1e4, 25e9, 1e-6)
    with pytest.raises(NoPeak):
        clock_offset(a, b, 20 * MS, 5e-6)


def test_rates_that_change_together_are_no_peak():
    """Seed 16: both ends blocked 4 ms of every 10 ms, no pairs: the correlation has slow ripples, but no peak."""
    a, b = recordings(16, 0.5, (1e5, 1e5), 0, 0, 0)
    a, b = (t[t % (10 * MS) > 4 * MS] for t in (a, b))
    with pytest.raises(NoPeak):
        clock_offset(a, b, 20 * MS, 5e-6)


def test_a_peak_is_found_through_rates_that_change_together():
    """Seed 17: the same blocking with pairs; within 5 sigma."""
    a, b = recordings(17, 0.5, (1e5, 1e5), 1e4, 0, 0)
    open_a, open_b = (t[t % (10 * MS) > 4 * MS] for t in (a, b))
    found = clock_offset(open_a, open_b + 7_000_000_123, 20 * MS, 5e-6)
    assert abs(found.offset_ps - 7_000_000_123) < 5 * found.offset_error_ps


@pytest.mark.parametrize(("a", "b"), [([], []), ([1], []), ([], [1]), ([5], [5]), ([0, 10**12], [10**14, 2 * 10**14])])
def test_too_few_tags_give_no_peak(a, b):
    with pytest.raises(NoPeak):
        clock_offset(a, b, 20 * MS)


def test_a_handful_of_pairs_is_refused_rather_than_fitted():
    a = np.sort(np.random.default_rng(18).integers(0, 10**12, 9))
    with pytest.raises(NoPeak):
        clock_offset(a, a + 5, 20 * MS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_offset_ps": -1}, "max_offset_ps"),
        ({"max_drift": -1e-6}, "max_drift"),
        ({"max_drift": 0.1}, "max_drift"),
        ({"drift": float("nan")}, "drift"),
        ({"expected_offset_ps": 2**63}, "overlap"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        clock_offset([1, 2], [1, 2], **arguments)


def test_times_out_of_order_are_refused_by_name():
    with pytest.raises(ValueError, match="bob_ps is not ascending at index 1"):
        clock_offset([1, 2], [2, 1])


def test_to_alice_undoes_the_clock():
    """Exact to 1 ps over a second either side of the reference, times near 2^62 included."""
    for start in (0, 2**62):
        clock = ClockOffset(-123_456_789_012.75, 4e-6, 1.0, 1e-12, 100.0, start)
        alice = start + np.arange(-(10**12), 10**12, 7_777_777_777)
        since = alice - start
        bob = alice - 123_456_789_013 + np.rint(0.25 + 4e-6 * since).astype(np.int64)
        assert np.abs(clock.to_alice(bob) - alice).max() <= 1
