"""Waiting times against what they stand for: binomial tails summed term by term, numerical integrals, drawn heralds."""

import math

import numpy as np
import pytest
from bellringer.orchestrator.heralding.waiting import (
    Waiting,
    at_least,
    packet_waiting,
    pair_waiting,
    regularised_beta,
)


def binomial_tail(n, attempts, p):
    """Return the probability of n or more successes, as 1 - the sum of the probabilities of fewer."""
    logs = [
        math.lgamma(attempts + 1) - math.lgamma(k + 1) - math.lgamma(attempts - k + 1)
        + k * math.log(p) + (attempts - k) * math.log1p(-p)
        for k in range(n)
    ]  # fmt: skip
    return 1 - math.fsum(map(math.exp, logs))


def test_the_mean_and_spread_for_n_pairs_are_those_of_the_negative_binomial():
    p, n = 0.02, 7
    attempts = np.arange(n, 6000)
    logs = [math.lgamma(m) - math.lgamma(n) - math.lgamma(m - n + 1) + (m - n) * math.log1p(-p) for m in attempts]
    weights = np.exp(np.array(logs) + n * math.log(p))
    mean = weights @ attempts
    found = pair_waiting(p, 2.0).times(n)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert found.mean_s == pytest.approx(2 * mean)
    assert found.variance == pytest.approx(4 * (weights @ (attempts - mean) ** 2))


@pytest.mark.parametrize(("n", "p", "attempts"), [(1, 1e-4, 8_000), (10, 1e-4, 120_000), (100, 1e-3, 95_000)])
def test_the_chance_to_be_done_is_the_binomial_tail_to_within_p(n, p, attempts):
    found = pair_waiting(p, 1.0).times(n).chance(attempts, rate_error=0.0)
    assert found == pytest.approx(binomial_tail(n, attempts, p), abs=p)


def test_one_pair_in_a_mean_time_has_the_chance_of_one_less_than_1_over_e():
    assert pair_waiting(1e-6, 1e-6).chance(1.0, 0.0) == pytest.approx(1 - math.exp(-1), abs=2e-6)


def test_an_uncertain_rate_is_averaged_over():
    """Against the integral of the Erlang probability over a Gamma density of the rate, by the trapezium rule."""
    n, error, within = 20, 0.3, 25.0
    k = error**-2
    rates = np.linspace(1e-6, 5, 20_001)
    density = np.exp((k - 1) * np.log(rates) - k * rates + k * math.log(k) - math.lgamma(k))
    done = np.array([at_least(n, rate * within) for rate in rates])
    expected = float(np.trapezoid(density * done, rates))
    assert Waiting(20.0, 20.0).chance(within, error) == pytest.approx(expected, abs=1e-6)
    assert Waiting(20.0, 20.0).chance(within, error) < Waiting(20.0, 20.0).chance(within, 0.0)


def test_the_spread_has_both_parts():
    assert Waiting(100.0, 9.0).sigma_s(0.04) == pytest.approx(5.0)


def test_a_link_that_gives_nothing_is_waited_for_without_end():
    never = pair_waiting(0.0, 1.0).times(3)
    assert (never.mean_s, never.chance(1e9, 0.1)) == (math.inf, 0.0)
    assert packet_waiting(0.0, 2, 1.0).chance(1e9, 0.1) == 0.0
    assert packet_waiting(1e-200, 3, 1e-150).mean_s == math.inf


def test_no_time_no_chance():
    assert Waiting(1.0, 1.0).chance(0.0, 0.1) == Waiting(1.0, 1.0).chance(-5.0, 0.1) == 0.0


def test_a_packet_of_two_takes_one_over_r_and_one_over_rq():
    """Elementary for two: 1/r for the first, then 1/r a try, each fitting with q = 1 - exp(-r w)."""
    rate, window = 3.0, 0.2
    q = 1 - math.exp(-rate * window)
    assert packet_waiting(rate, 2, window).mean_s == pytest.approx(1 / rate + 1 / (rate * q))


@pytest.mark.parametrize(("size", "rate", "window"), [(2, 1.0, 1.0), (3, 2.0, 1.0), (5, 3.0, 1.5), (2, 1000.0, 1.0)])
def test_packets_take_as_long_as_drawn_ones(size, rate, window):
    """Seed 7, 20,000 packets: mean within 4 sigma of itself; variance within 8 % (about 4 sigma of an exponential)."""
    rng = np.random.default_rng(7)
    times = np.zeros(20_000)
    todo = np.arange(times.size)
    while todo.size:
        rest = rng.gamma(size - 1, 1 / rate, todo.size)
        times[todo] += rng.exponential(1 / rate, todo.size) + np.minimum(rest, window)
        todo = todo[rest > window]
    found = packet_waiting(rate, size, window)
    assert abs(times.mean() - found.mean_s) < 4 * math.sqrt(found.variance / times.size)
    assert times.var() == pytest.approx(found.variance, rel=0.08)


def test_letting_only_the_oldest_go_is_no_slower():
    """The service's own rule, 5,000 packets of 3, seed 7: a mean below the bound, and by more than 4 sigma."""
    rng, rate, window, held, times, last, now = np.random.default_rng(7), 1.0, 1.0, [], [], 0.0, 0.0
    while len(times) < 5000:
        now += rng.exponential(1 / rate)
        held = [t for t in held if t >= now - window] + [now]
        if len(held) == 3:
            times.append(now - last)
            held, last = [], now
    found = packet_waiting(rate, 3, window)
    assert np.mean(times) < found.mean_s - 4 * math.sqrt(found.variance / 5000)


@pytest.mark.parametrize(("count", "mean"), [(0, 3.0), (1, 3.0), (3, 3.0), (9, 3.0), (1, 900.0), (1000, 900.0)])
def test_a_poisson_tail_is_the_sum_of_its_terms(count, mean):
    terms = [math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(count)]
    assert at_least(count, mean) == pytest.approx(1 - math.fsum(terms), rel=1e-9, abs=1e-14)


def test_poisson_tails_without_a_mean():
    assert (at_least(0, 0.0), at_least(1, 0.0)) == (1.0, 0.0)


@pytest.mark.parametrize(("a", "b", "x"), [(1, 1, 0.3), (2, 5, 0.1), (2, 5, 0.6), (40, 60, 0.4), (3, 1000, 0.002)])
def test_the_beta_function_is_the_binomial_tail_for_whole_numbers(a, b, x):
    """I_x(a, b) is the probability of a or more successes in a + b - 1 attempts of probability x."""
    assert regularised_beta(x, 1 - x, a, b) == pytest.approx(binomial_tail(a, a + b - 1, x), rel=1e-10)


def test_a_million_pairs_are_no_trouble():
    million = pair_waiting(1e-3, 1.0).times(10**6)
    assert million.chance(1e9, 0.0) == pytest.approx(0.5, abs=1e-3)
    assert million.chance(0.9e9, 0.0) < 1e-9
    assert million.chance(1.1e9, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("p", "period_s"), [(1.0, 1.0), (-0.1, 1.0), (math.nan, 1.0), (0.1, 0.0), (0.1, math.inf)])
def test_what_is_no_probability_or_period_is_refused(p, period_s):
    with pytest.raises(ValueError, match="are needed"):
        pair_waiting(p, period_s)


@pytest.mark.parametrize(("rate", "size", "window"), [(1.0, 1, 1.0), (1.0, 2, 0.0), (math.inf, 2, 1.0)])
def test_what_is_no_packet_is_refused(rate, size, window):
    with pytest.raises(ValueError, match="no packet"):
        packet_waiting(rate, size, window)
