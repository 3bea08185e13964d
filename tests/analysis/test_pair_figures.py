"""Rates, accidentals, heralding and CAR: pulsed sources against their formulas, continuous ones against their pulls."""

import itertools

import numpy as np
import pytest
from bellringer.analysis import Tags, accidentals_from_rates, g2, heralded_g2, pair_figures, rate, singles
from hypothesis import given, settings
from hypothesis import strategies as st

S = 10**12
PERIOD = 10_000


def thermal(rng, pulses, mu):
    """Pairs in each pulse, one mode: p(n) = mu^n / (1 + mu)^(n + 1)."""
    return rng.geometric(1 / (1 + mu), pulses) - 1


def pulsed(clicks):
    """Return the stream of detectors that click (bool[pulses] each) in the middle of their pulses."""
    times = [PERIOD * np.flatnonzero(each) + PERIOD // 2 for each in clicks]
    return Tags.merge([Tags(t, np.full(len(t), c)) for c, t in enumerate(times)])


def test_a_pulsed_thermal_source_has_the_car_and_klyshko_efficiency_of_its_statistics():
    """S(x) = 1 / (1 + mu x) for one mode: p_s = 1 - S(eta_s), p_c = 1 - S(eta_s) - S(eta_i) + S(eta_s + eta_i -
    eta_s eta_i), CAR p_c / (p_s p_i) (Christ et al., New J. Phys. 13, 033027, 2011). Seed 1, 2e6 pulses, 4 sigma.
    """
    rng, mu, eta_s, eta_i = np.random.default_rng(1), 0.1, 0.2, 0.1
    pairs = thermal(rng, 2_000_000, mu)
    tags = pulsed([rng.binomial(pairs, eta) > 0 for eta in (eta_s, eta_i)])
    found = pair_figures(tags, 0, 1, 1000, shifts_ps=[k * PERIOD for k in range(-20, 21) if k])
    s = lambda x: 1 / (1 + mu * x)  # noqa: E731
    p_s, p_i = 1 - s(eta_s), 1 - s(eta_i)
    p_c = 1 - s(eta_s) - s(eta_i) + s(eta_s + eta_i - eta_s * eta_i)
    assert abs(found.car.value - p_c / (p_s * p_i)) < 4 * found.car.error < 0.1 * found.car.value
    expected = (p_c - p_s * p_i) / p_i
    assert abs(found.heralding[0].value - expected) < 4 * found.heralding[0].error < 0.05
    assert abs(found.accidentals.value - p_s * p_i * S / PERIOD) < 4 * found.accidentals.error
    assert abs(found.singles[0].value - p_s * S / PERIOD) < 4 * found.singles[0].error


def continuous(seed):
    """Return 0.05 s of 2e5 pairs/s, efficiencies 0.3 and 0.2, 4e5 unrelated tags/s a channel, b 777 ps after a."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, S // 20, 10_000))
    ends = []
    for eta, shift in ((0.3, 0), (0.2, 777)):
        seen = times[rng.random(len(times)) < eta] + shift
        ends.append(np.sort(np.concatenate([seen, rng.integers(0, S // 20, rng.poisson(20_000))])))
    return Tags.merge([Tags(t, np.full(len(t), c)) for c, t in enumerate(ends)])


def test_figures_of_a_continuous_source_are_as_wrong_as_they_say():
    """Seeds 0 to 149; every fifth stretch of 1 ms is a gap. Pulls of accidentals, heralding, coincidences; 4 sigma."""
    gaps = [[k * S // 1000, (k + 1) * S // 1000] for k in range(0, 50, 5)]
    pulls = {"accidentals": [], "heralding": [], "coincidences": [], "from_rates": []}
    for seed in range(150):
        tags = continuous(seed)
        tags = Tags(tags.times_ps, tags.channels, gaps)
        found = pair_figures(tags, 0, 1, 500, {1: -777})
        # The number of pairs is fixed: what is left to chance is who sees them (binomial), and the unrelated tags.
        r_a, r_b = 2e5 * 0.3 + 4e5, 2e5 * 0.2 + 4e5
        accidental = (r_a * r_b) * 1001e-12
        pulls["accidentals"].append((found.accidentals.value - accidental) / found.accidentals.error)
        pulls["heralding"].append((found.heralding[0].value - 2e5 * 0.06 / r_b) / found.heralding[0].error)
        pulls["coincidences"].append((found.coincidences.value - 2e5 * 0.06 - accidental) / found.coincidences.error)
        pulls["from_rates"].append(
            (found.accidentals_from_rates.value - accidental) / found.accidentals_from_rates.error
        )
        assert found.live_s == pytest.approx(0.04, rel=1e-3)
    for name, values in pulls.items():
        assert abs(np.mean(values)) < 4 / np.sqrt(150), (name, np.mean(values))
        assert abs(np.std(values) - 1) < 4 / np.sqrt(300), (name, np.std(values))


events = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 1)), min_size=2, max_size=25).map(sorted)
edges = st.lists(st.integers(0, 80), max_size=6, unique=True).map(lambda x: sorted(x)[: len(x) // 2 * 2])


@settings(deadline=None)
@given(events, edges, st.lists(st.sampled_from([-40, -20, -7, 9, 30]), min_size=1, unique=True))
def test_windows_at_given_shifts_count_what_is_there_over_the_time_that_both_tags_can_be_there(pairs, gaps, shifts):
    """Every tag and every ps by hand; window 2 ps."""
    cut = np.reshape(gaps, (-1, 2)).astype(np.int64)
    tags = Tags([t for t, _ in pairs], [c for _, c in pairs], cut)
    low, high = tags.span_ps
    total, exposure = 0, 0
    for shift in shifts:
        grown = [(begin + min(0, -shift), end + max(0, -shift)) for begin, end in cut.tolist()]
        lost = {t for begin, end in grown for t in range(begin, end)}
        first, second = ([t for t, c in pairs if c == channel] for channel in (0, 1))
        for t, u in itertools.product(first, (u - shift for u in second)):
            total += abs(u - t) <= 2 and not lost & set(range(min(t, u), max(t, u) + 1))
        exposure += len(set(range(max(low, low - shift), min(high, high - shift))) - lost)
    found = pair_figures(tags, 0, 1, 2, shifts_ps=shifts).accidentals
    if exposure:
        assert found.value == pytest.approx(total / exposure * 1e12)
    else:
        assert found.value is None


def test_accidentals_from_rates_are_two_windows_times_the_rates():
    """1e5/s and 1e5/s within 1 ns full width give 10/s; four channels n w^(n-1) R^n, here against the sum by hand."""
    both = [rate(10**5, 1.0)] * 2
    found = accidentals_from_rates(both, 500)
    assert found.value == pytest.approx(10, rel=2e-3)
    assert found.error == pytest.approx(found.value * np.sqrt(2e-5), rel=1e-6)
    four = accidentals_from_rates([rate(10**7, 1.0)] * 4, 2000)
    assert four.value == pytest.approx(4 * 2e-9**3 * 1e7**4, rel=2e-3)
    tuples = sum(max(x) - min(x) <= 3 for x in ((0, i, j) for i in range(-3, 4) for j in range(-3, 4)))
    assert accidentals_from_rates([rate(10**6, 1.0)] * 3, 3).value == pytest.approx(tuples * 1e18 * 1e-24)
    assert accidentals_from_rates([rate(0, 0.0)], 3).reason == "no live time"


def test_singles_leave_gaps_out():
    tags = Tags([0, 5, 10, 20, 99], [0, 0, 1, 0, 1], [[5, 15]])
    assert singles(tags, 0).value == pytest.approx(2 / 90e-12)
    assert singles(tags, [0, 1]).value == pytest.approx(3 / 90e-12)


def test_where_there_is_nothing_figures_say_why():
    empty = pair_figures(Tags([], []))
    assert empty.car.value is None
    assert empty.singles[0].reason == "no live time"
    alone = pair_figures(Tags([0, 10**9], [0, 0]))
    assert alone.heralding[0].reason == "no heralds"
    assert alone.car.reason == "no accidental coincidences were seen"
    assert heralded_g2(Tags([0], [0]), 0, 1, 2).reason == "1 heralds, with 0 and 0 tags near them"
    assert np.isnan(g2(Tags([], []), 0, 1, 10, 100).values).all()


@pytest.mark.parametrize("words", [dict(a=1), dict(window_ps=-1), dict(shifts_ps=[]), dict(shifts_ps=[5000, 5100])])
def test_requests_that_make_no_sense_are_refused(words):
    with pytest.raises(ValueError, match=r"itself|window"):
        pair_figures(Tags([1], [1]), **words)


def test_unrelated_light_has_a_g2_of_one_whatever_the_gaps():
    """Seed 4, 2e6 tags a second and channel for 50 ms, cut into stretches down to 100 ns; 200 bins, 4 sigma.

    Without the live time of each delay the outer bins would lie at 0.85.
    """
    rng = np.random.default_rng(4)
    edges = np.unique(rng.integers(0, 5 * 10**10, 80_000))
    times = np.sort(rng.integers(0, 5 * 10**10, 200_000))
    tags = Tags(times, rng.integers(0, 2, 200_000), edges[: len(edges) // 2 * 2].reshape(-1, 2))
    for stop in (0, 1):
        found = g2(tags, 0, stop, 1000, 100_000)
        pulls = (found.values - 1) / found.errors
        if stop == 0:
            pulls = pulls[:100]  # the other half is the same pairs once more
        assert abs(pulls.mean()) < 4 / np.sqrt(len(pulls))
        assert abs(pulls.std() - 1) < 4 / np.sqrt(2 * len(pulls))


def test_g2_of_one_photon_at_a_time_vanishes_and_of_pairs_shows_their_rate():
    """Emitter that is dead for 20 ns after each photon, behind a splitter: no coincidences within. Seed 5."""
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.exponential(80_000, 100_000).astype(np.int64) + 20_000)
    found = g2(Tags(times, rng.integers(0, 2, len(times))), 0, 1, 1000, 200_000)
    centre = np.abs(found.histogram.centres_ps) < 19_000
    assert found.values[centre].max() == 0
    assert (found.errors[centre] > 0).all()
    assert abs(found.values[~centre][:100].mean() - 1) < 0.02


@pytest.mark.parametrize(("mu", "eta_h", "expected"), [(0.1, 0.2, 0.29153), (0.05, 0.2, 0.16113)])
def test_heralded_g2_of_a_thermal_source(mu, eta_h, expected):
    """One mode, herald that clicks for any of n photons with 1 - (1 - eta)^n: <n(n-1)> / <n>^2 given a click, by
    number statistics (Christ et al., New J. Phys. 13, 033027, 2011). Seed 6, 4e6 pulses, 4 sigma."""
    rng = np.random.default_rng(6)
    pairs = thermal(rng, 4_000_000, mu)
    n, p = np.arange(200), (mu / (1 + mu)) ** np.arange(200) / (1 + mu)
    p = p * (1 - (1 - eta_h) ** n)
    assert (n * (n - 1) * p).sum() * p.sum() / (n * p).sum() ** 2 == pytest.approx(expected, abs=1e-5)
    first = rng.binomial(pairs, 0.5)
    ends = [(rng.binomial(pairs, eta_h) > 0).astype(int), first, pairs - first]
    times = [np.repeat(PERIOD * np.arange(len(k), dtype=np.int64), k) for k in ends]  # a tag for each photon
    tags = Tags.merge([Tags(t, np.full(len(t), c)) for c, t in enumerate(times)])
    found = heralded_g2(tags, 0, 1, 2, 100)
    assert abs(found.value - expected) < 4 * found.error < 0.06


def test_heralded_g2_of_unrelated_light_is_one_with_gaps_and_delays():
    """Seed 7, 2e7 tags/s a channel for 20 ms, window 2 ns; spans instead of gates would give 0.75."""
    rng = np.random.default_rng(7)
    tags = Tags(np.sort(rng.integers(0, 2 * 10**10, 1_200_000)), rng.integers(0, 3, 1_200_000))
    gaps = [[k * 10**6, k * 10**6 + 5 * 10**5] for k in range(20_000)]
    for each in (tags, Tags(tags.times_ps, tags.channels, gaps)):
        found = heralded_g2(each, 0, 1, 2, 2000, {1: 300_000 if each is tags else 300})
        assert abs(found.value - 1) < 4 * found.error < 0.15
