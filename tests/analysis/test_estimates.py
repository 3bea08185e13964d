"""Numbers with errors: how they read, and what a rate claims."""

import math

import pytest
from bellringer.analysis import Estimate, rate


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(2.7312, 0.0119), "2.731 ± 0.012"),
        (Estimate(12345.6, 43.2, "1/s"), "12346 ± 43 1/s"),
        (Estimate(0.0, 0.5, "Hz"), "0.00 ± 0.50 Hz"),
        (Estimate(-2.3456e-6, 1.2e-12), "(-2.3456000 ± 0.0000012)e-06"),
        (Estimate(5.5e-10, 1.5e-12, "s"), "(5.500 ± 0.015)e-10 s"),
        (Estimate(9.1234567, None, "sigma", "it has none"), "9.12346 sigma"),
        (Estimate(None, None, "", "no coincidences"), "none (no coincidences)"),
        (Estimate(None, None), "none"),
    ],
)
def test_an_estimate_reads_with_two_digits_of_its_error(estimate, text):
    assert str(estimate) == text


def test_an_estimate_survives_being_written_as_plain_values():
    estimate = Estimate(1.0, None, "s", "no error known")
    assert Estimate(**estimate.as_dict()) == estimate


def test_a_rate_has_the_poisson_error():
    assert rate(400, 2.0) == Estimate(200.0, 10.0, "1/s")


def test_no_counts_are_a_rate_of_zero_with_the_upper_limit_as_error():
    found = rate(0, 2.0)
    assert found.value == 0.0
    assert math.exp(-found.error * 2.0) == pytest.approx(1 - 0.8413, abs=1e-4)  # P(no count) at the upper limit


def test_no_live_time_gives_no_rate():
    assert rate(0, 0.0).value is None
    assert rate(0, 0.0).reason == "no live time"


@pytest.mark.parametrize(("count", "seconds"), [(-1, 1.0), (1, -1.0), (1, math.inf), (1, math.nan)])
def test_impossible_counts_and_times_are_refused(count, seconds):
    with pytest.raises(ValueError, match="counts in"):
        rate(count, seconds)
