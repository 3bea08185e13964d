"""How long heralds are waited for: closed forms of the waiting time for n pairs, or n packets of pairs.

Attempts succeed independently with a probability p each, so the n-th success comes after a negative-binomial number of
attempts: mean n / p, variance n (1 - p) / p^2 (Feller, An Introduction to Probability Theory, vol. 1, VI.8). At the
small p of photonic links its distribution is that of a Gamma waiting time; counts then differ in distribution from
Poisson ones by at most p in total variation (Barbour, Hall, Math. Proc. Camb. Phil. Soc. 95, 473, 1984).
"""

import math
from dataclasses import dataclass

MOST_CERTAIN = 1e-3
"""No rate is taken as better known than this, relative: one standard deviation."""
_TERMS = 100_000
_TINY = 1e-300


@dataclass(frozen=True)
class Waiting:
    """A random time, s, by its mean and its variance (s^2) of counting statistics alone."""

    mean_s: float
    variance: float

    def times(self, n: int) -> "Waiting":
        """Return the time for ``n`` of these one after another."""
        return Waiting(n * self.mean_s, n * self.variance)

    def sigma_s(self, rate_error: float) -> float:
        """Return the standard deviation in s, for a rate known to ``rate_error`` (relative, one sigma)."""
        return math.sqrt(self.variance + (self.mean_s * rate_error) ** 2)

    def chance(self, within_s: float, rate_error: float) -> float:
        """Return the probability that it is over ``within_s`` (s) from now.

        The time is taken as Gamma with this mean and variance (exact for single pairs at p << 1), the rate as Gamma
        with relative standard deviation ``rate_error``; then m / (m + k), with m = shape * within / mean and
        k = rate_error^-2, is the argument of a regularised incomplete beta function: I(shape, k). (A Poisson count
        whose mean is Gamma distributed is negative binomial: Greenwood, Yule, J. R. Stat. Soc. 83, 255, 1920.)
        """
        if within_s <= 0:
            return 0.0
        if math.isinf(self.mean_s):
            return 0.0
        shape, known = self.mean_s**2 / self.variance, max(rate_error, MOST_CERTAIN) ** -2
        mean = shape * within_s / self.mean_s
        return regularised_beta(mean / (mean + known), known / (mean + known), shape, known)


def pair_waiting(probability: float, period_s: float) -> Waiting:
    """Return the waiting time for a pair: period / p, variance (1 - p) (period / p)^2. p 1e-4, 1 us: 10 ms +- 10 ms.

    Raises:
        ValueError: no probability, or no period.
    """
    if not (0 <= probability < 1 and 0 < period_s < math.inf):
        raise ValueError(f"probability {probability}, period {period_s} s: 0 <= p < 1 and a positive period are needed")
    mean_s = period_s / probability if probability else math.inf
    return Waiting(mean_s, (1 - probability) * mean_s**2)


def packet_waiting(rate_hz: float, pairs: int, window_s: float) -> Waiting:
    """Return the waiting time for ``pairs`` heralds of a Poisson process within ``window_s`` (s).

    For a collector that starts anew with the first herald after its window is over: it waits A for a first herald,
    1 / r on average; then the s - 1 others come within the window w with probability q = P(s - 1, r w) (regularised
    incomplete gamma function), after a truncated Erlang time S, or all w are lost. Of geometrically many failures
    (mean (1 - q) / q, variance (1 - q) / q^2) each costs A + w, and success A + S. Exact for 2 pairs and an upper bound
    of the mean beyond, because the service lets only the oldest pair go. s 2, r 1 Hz, w 1 s: 2.582 s.
    """
    if pairs < 2 or not (0 <= rate_hz < math.inf and 0 < window_s < math.inf):
        raise ValueError(f"{pairs} pairs at {rate_hz} Hz within {window_s} s are no packet")
    if rate_hz == 0:
        return Waiting(math.inf, math.inf)
    others, mean = pairs - 1, rate_hz * window_s
    q = at_least(others, mean)
    if q == 0:
        return Waiting(math.inf, math.inf)
    first = others / rate_hz * at_least(others + 1, mean) / q
    second = others * (others + 1) / rate_hz**2 * at_least(others + 2, mean) / q
    lost_s, failures = 1 / rate_hz + window_s, (1 - q) / q
    return Waiting(
        mean_s=failures * lost_s + 1 / rate_hz + first,
        variance=(failures + 1) / rate_hz**2 + failures / q * lost_s**2 + second - first**2,
    )


def at_least(count: int, mean: float) -> float:
    """Return the probability of ``count`` or more events of a Poisson process that expects ``mean``.

    It is the regularised incomplete gamma function P(count, mean), summed on the side where terms fall.
    """
    if count <= 0 or mean <= 0:
        return 1.0 if count <= 0 else 0.0
    above = count > mean
    n, total = (count if above else count - 1), 0.0
    term = math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
    while term > total * 1e-17 and n >= 0:
        total += term
        term *= mean / (n + 1) if above else n / mean
        n += 1 if above else -1
    return min(total, 1.0) if above else max(1.0 - total, 0.0)


def regularised_beta(x: float, y: float, a: float, b: float) -> float:
    """Return I_x(a, b) with ``y`` = 1 - x; error below 1e-6 for a, b up to 1e6.

    The continued fraction of NIST DLMF 8.17.22, which converges fast below the mean; above it I_x(a, b) =
    1 - I_y(b, a).
    """
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_below(y, x, b, a)
    return _beta_below(x, y, a, b)


def _beta_below(x: float, y: float, a: float, b: float) -> float:
    """Evaluate the fraction forwards by the modified Lentz method (DLMF 3.10)."""
    if x <= 0:
        return 0.0
    front = a * math.log(x) + b * math.log(y) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    c, d, fraction = 1.0, 0.0, 1.0
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _not_zero(1.0 + step * d)
        c = _not_zero(1.0 + step / c)
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-13:
            return min(math.exp(front) / fraction, 1.0)
    raise ArithmeticError(f"I({a}, {b}) at {x} did not converge")


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
