"""What a link can do is promised with its time and chance; what it cannot is refused with the reason and a way out."""

import numpy as np
import pytest
from bellringer.orchestrator.heralding.service.admission import Promise, chosen, promise, work_time
from bellringer.orchestrator.heralding.service.replies import Code, Rejected
from bellringer.orchestrator.heralding.service.requests import checked


def asked(make, link, forecast, wait_s=0.0, now_s=0.0, **changes):
    request = checked(make.request(**changes))
    program = chosen(link, request)
    return program if isinstance(program, Rejected) else promise(link, program, forecast, request, wait_s, now_s)


def test_the_time_promised_is_that_of_drawn_attempts(make):
    """10 pairs at 1e-3 an attempt of 10 us: seed 3, 20,000 drawn requests; mean within 4 sigma, chance within 0.02."""
    found = asked(make, make.link(), make.forecast(1e-3, rate_error=0.0), deadline_s=0.2)
    drawn_s = np.random.default_rng(3).negative_binomial(10, 1e-3, 20_000) * 1e-5 + 10 * 1e-5
    estimate = found.estimate
    assert abs(drawn_s.mean() - estimate.work_s) < 4 * drawn_s.std() / 20_000**0.5
    assert drawn_s.std() == pytest.approx(estimate.sigma_s, rel=0.03)
    assert np.mean(drawn_s <= 0.2 - make.link().lead_s) == pytest.approx(estimate.chance, abs=0.02)


def test_what_would_be_late_more_often_than_not_is_refused_with_the_time_it_needs(make):
    found = asked(make, make.link(), make.forecast(1e-3), deadline_s=0.1)
    assert (found.code, found.where) == (Code.NOTIME, "deadline_s")
    assert "10 pairs take 0.1 +- " in found.what
    needs_s = float(found.hint.split()[-2])
    assert isinstance(asked(make, make.link(), make.forecast(1e-3), deadline_s=needs_s), Promise)


def test_work_of_others_comes_first(make):
    assert asked(make, make.link(), make.forecast(1e-3), wait_s=99.0, deadline_s=100.0).estimate.wait_s == 99.0
    assert asked(make, make.link(), make.forecast(1e-3), wait_s=99.95, deadline_s=100.0).code is Code.NOTIME


def test_too_little_fidelity_is_refused_and_by_how_much(make):
    found = asked(make, make.link(), make.forecast(fidelity=0.89, fidelity_error=0.02), min_fidelity=0.9)
    assert (found.code, found.where) == (Code.UNSUPP, "min_fidelity")
    assert "0.8900 +- 0.0200, 0.0100 less than 0.9" in found.what
    assert "at most 0.8900" in found.hint


def test_single_click_is_told_the_alpha_that_would_reach_it(make):
    """F = (1 - alpha)(1 + C) / 2 with C 0.9: 0.855 at alpha 0.1; 0.9 wants alpha 1 - 0.9 / 0.95, half the rate."""
    found = asked(make, make.link(), make.forecast(fidelity=0.95 * 0.9, bright=0.1), min_fidelity=0.9)
    assert "an alpha of 0.0526 instead of 0.1 would reach it, at 0.53 of the rate" in found.hint
    beyond = asked(make, make.link(), make.forecast(fidelity=0.95 * 0.9, bright=0.1), min_fidelity=0.96)
    assert "no bright-state alpha reaches it (at most 0.9500)" in beyond.hint


@pytest.mark.parametrize(
    ("now_s", "changes", "code"),
    [
        (3600.0, {}, None),
        (3600.1, {}, Code.UNCAL),
        (60.0, {"calibration_max_age_s": 60.0}, None),
        (60.1, {"calibration_max_age_s": 60.0}, Code.UNCAL),
    ],
)
def test_a_forecast_that_is_too_old_is_not_trusted(make, now_s, changes, code):
    found = asked(make, make.link(), make.forecast(), now_s=now_s, **changes)
    assert getattr(found, "code", None) is code


def test_without_a_forecast_nothing_is_promised(make):
    assert asked(make, make.link(), None).code is Code.UNCAL


def test_a_link_without_a_program_of_the_kind_is_refused(make):
    link = make.link(programs=(make.measuring(),))
    found = asked(make, link, make.forecast(), kind="keep", max_age_s=0.1)
    assert (found.code, found.where, found.hint) == (Code.UNSUPP, "kind", "it can: measure")


def test_a_bell_state_the_link_does_not_make_is_refused(make):
    found = asked(make, make.link(), make.forecast(), target="phi-")
    assert (found.code, found.where, found.hint) == (Code.UNSUPP, "target", "it makes: psi+, psi-")


def test_a_program_that_corrects_every_pair_is_preferred_to_one_that_throws_half_of_them_away(make):
    owed = make.program().feedforward[0].model_dump()
    both = tuple({**owed, "label": label, "operation": each} for label, each in (("psi+", "I"), ("psi-", "Z")))
    link = make.link(programs=(make.measuring(), make.measuring(feedforward=both)))
    request = checked(make.request(target="psi+"))
    assert chosen(link, request).digest == link.programs[1].digest
    half = work_time(link, link.programs[0], make.forecast(1e-3), request, 1).mean_s
    assert half == pytest.approx(2 * work_time(link, link.programs[1], make.forecast(1e-3), request, 1).mean_s)


def test_the_cut_off_asked_for_is_in_the_program_and_corrections_keep_it(make):
    found = asked(make, make.link(), make.forecast(), kind="keep", max_age_s=5e-4)
    assert found.program.max_age_ps == 5 * 10**8
    assert {each.deadline_ps for each in found.program.feedforward} == {5 * 10**8}
    longer = asked(make, make.link(), make.forecast(), kind="keep", max_age_s=100.0)
    assert longer.program.max_age_ps == 10**12, "not longer than the link's own"


def test_a_cut_off_shorter_than_the_round_trip_is_refused(make):
    found = asked(make, make.link(), make.forecast(), kind="keep", max_age_s=1e-6)
    assert (found.code, found.where) == (Code.UNSUPP, "max_age_s")
    assert "max_age_s is 1e-06 s, but a node knows the outcome only after" in found.what
    assert " ps" not in found.what


def test_a_link_that_makes_none_says_so(make):
    found = asked(make, make.link(), make.forecast(0.0))
    assert (found.code, found.hint) == (Code.NOTIME, "the link makes none of them")


def test_interleaved_calibration_and_packets_take_their_time(make):
    link = make.link(programs=(make.measuring(calibration={"every": 30, "length": 10}),))
    plain, packets = checked(make.request()), checked(make.request(packet_pairs=2, packet_window_s=1e-3))
    single = work_time(link, link.programs[0], make.forecast(1e-3), plain, 1).mean_s
    assert single == pytest.approx(1e-2 * 40 / 30)
    assert work_time(link, link.programs[0], make.forecast(1e-3), packets, 5).mean_s > 10 * single
