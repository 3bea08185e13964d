"""The compiler: what a back-end lacks is named, and corrections go where the measured testbed can make them."""

import pytest
from bellringer.testbed.attempts import program
from bellringer.testbed.attempts.compile import SOFTWARE_FLOOR_PS, compile_program
from bellringer.testbed.attempts.latency import CLASSES, SOFTWARE, MeasuredLatency, Measurement
from bellringer.testbed.attempts.traits import Traits
from bellringer.testbed.errors import BellringerError, ProgramError
from hypothesis import given, settings
from hypothesis import strategies as st

NODE = Traits(absolute_start=True, herald_in_loop=True, branching=True, records_heralds=False, feedforward_in=True)
STATION = Traits(absolute_start=True, herald_in_loop=True, branching=False, records_heralds=True, feedforward_in=False)
STREAMER = Traits(False, False, False, False, False, resolution_ps=1000)
ALL = {"alice": NODE, "bob": NODE, "charlie": STATION}
MS, US = 10**9, 10**6


def without(traits, **changes):
    return Traits(**{**vars(traits), **changes})


def measured(*rows, station="charlie", node="alice", samples=100_000):
    """Rows are (class, p50, p99, p99.9) in ps."""
    return MeasuredLatency(
        testbed="lab",
        measured_utc="2026-11-21",
        measurements=tuple(
            Measurement(latency_class=c, station=station, node=node, p50_ps=a, p99_ps=b, p999_ps=d, samples=samples)
            for c, a, b, d in rows
        ),
    )


USUAL = measured(
    ("S2", 20 * MS, 60 * MS, 150 * MS),
    ("S1", 2 * MS, 4 * MS, 9 * MS),
    ("H2", 60 * US, 60 * US, 61 * US),
    ("H1", 2 * US, 2 * US, 2 * US),
)


def due(small, deadline_ps):
    """A program whose only correction but I is due ``deadline_ps`` after the herald."""
    owed = tuple({**each, "deadline_ps": deadline_ps} for each in small()["feedforward"])
    return program(**small(feedforward=owed, max_age_ps=max(10**10, deadline_ps)))


# --- traits ---------------------------------------------------------------------------------------------------


def test_a_program_that_fits_becomes_a_plan(small):
    made = program(**small())
    plan = compile_program(made, ALL, USUAL)
    assert (plan.program, plan.digest, plan.externally_triggered) == (made, made.digest, ())
    assert [(p.correction.operation, p.latency_class) for p in plan.placements] == [("I", None), ("Z", "H2")]


@pytest.mark.parametrize(
    ("name", "trait", "said"),
    [
        ("alice", "absolute_start", "alice: lacks absolute_start: can only run full batches"),
        ("bob", "herald_in_loop", "bob: lacks herald_in_loop: the qubit would be overwritten"),
        ("bob", "branching", "bob: lacks branching: it cannot keep the heralded qubit"),
        ("charlie", "records_heralds", "charlie: lacks records_heralds: nobody would find the heralds"),
        ("alice", "feedforward_in", "alice: lacks feedforward_in: no correction can reach it"),
    ],
)
def test_each_missing_trait_is_named_with_its_core_and_a_way_out(small, name, trait, said):
    traits = {**ALL, name: without(ALL[name], **{trait: False})}
    with pytest.raises(ProgramError, match=said) as caught:
        compile_program(program(**small()), traits, USUAL)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "trait"),
    [
        ("bob", "feedforward_in"),
        ("bob", "records_heralds"),
        ("charlie", "herald_in_loop"),
        ("charlie", "branching"),
        ("charlie", "feedforward_in"),
    ],
)
def test_traits_that_the_program_does_not_need_may_be_missing(small, name, trait):
    compile_program(program(**small()), {**ALL, name: without(ALL[name], **{trait: False})}, USUAL)


def test_a_core_that_is_not_there_is_named(small):
    with pytest.raises(ProgramError, match="bob: has no core"):
        compile_program(program(**small()), {"alice": NODE, "charlie": STATION}, USUAL)


def measure_only(small, **changes):
    pulses = tuple({**pulse, "begin_ps": 1000, "length_ps": 2000} for pulse in small()["pulses"])
    fields = {"keep": "measure", "feedforward": (), "stop": {"kind": "full"}, "pulses": pulses, **changes}
    return program(**small(**fields))


def test_an_externally_triggered_generator_runs_full_batches_of_measured_qubits_only(small):
    traits = {"alice": STREAMER, "bob": NODE, "charlie": STATION}
    plan = compile_program(measure_only(small), traits)
    assert plan.externally_triggered == ("alice",)
    for refused in (
        measure_only(small, stop={"kind": "first"}),
        measure_only(small, readout=({"node": "alice", "bases": ("X",)},)),
        measure_only(small, period_ps=5_000_500),
        program(**small()),
    ):
        with pytest.raises(ProgramError, match="alice: "):
            compile_program(refused, traits, USUAL)


def test_all_that_is_missing_is_listed_at_once(small):
    with pytest.raises(ProgramError) as caught:
        compile_program(program(**small()), {"alice": STREAMER, "bob": STREAMER, "charlie": STREAMER})
    for trait in ("absolute_start", "herald_in_loop", "branching", "records_heralds", "feedforward_in"):
        assert trait in caught.value.what
    assert "H2 was not measured" in caught.value.what


# --- timing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deadline_ps", "budget", "chosen", "margin_ps"),
    [
        (200 * MS, None, "S2", 50 * MS),
        (150 * MS, None, "S2", 0),
        (150 * MS - 1, None, "S1", 141 * MS - 1),
        (20 * MS, None, "S1", 11 * MS),
        (20 * MS - 1, None, "H2", 20 * MS - 1 - 61 * US),
        (20 * MS - 1, 1e-3, "S1", 11 * MS - 1),
        (5 * MS, 1e-2, "S1", 1 * MS),
        (5 * MS, 1e-3, "H2", 5 * MS - 61 * US),
        (3 * MS, 0.5, "S1", 1 * MS),
        (61 * US, None, "H2", 0),
        (61 * US - 1, None, "H1", 59 * US - 1),
    ],
)
def test_a_correction_goes_into_the_slowest_class_that_makes_it(small, deadline_ps, budget, chosen, margin_ps):
    (placed,) = compile_program(due(small, deadline_ps), ALL, USUAL, budget).placements[1:]
    assert (placed.latency_class, placed.margin_ps) == (chosen, margin_ps)
    assert placed.miss_budget == (budget or 1e-3)


def test_a_deadline_that_nothing_makes_is_refused_with_how_much_each_class_misses_it_by(small):
    with pytest.raises(ProgramError) as caught:
        compile_program(due(small, US), ALL, USUAL)
    what = caught.value.what
    assert "Z at alice for psi- is due 1000000 ps after the herald" in what
    assert f"S2 misses it by {149_999 * US} ps; S1 misses it by {8_999 * US} ps" in what
    assert f"H2 misses it by {60 * US} ps; H1 misses it by {US} ps; H0 was not measured" in what
    assert "give it more time" in caught.value.hint


def test_what_was_not_measured_is_not_used(small):
    with pytest.raises(ProgramError, match="H0 was not measured") as caught:
        compile_program(due(small, 10 * MS), ALL)
    assert caught.value.hint == "measure this link's latencies first"
    elsewhere = measured(("H2", 1, 1, 1), node="bob")
    with pytest.raises(ProgramError, match="H2 was not measured"):
        compile_program(due(small, 10 * MS), ALL, elsewhere)


def test_software_below_20_ms_needs_a_stated_budget_and_says_so(small):
    software = measured(("S1", 1, 2, 3))
    with pytest.raises(ProgramError, match="S1 needs a stated miss_budget") as caught:
        compile_program(due(small, 10 * MS), ALL, software)
    assert "state miss_budget" in caught.value.hint
    assert compile_program(due(small, 10 * MS), ALL, software, 1e-3).placements[1].latency_class == "S1"


@pytest.mark.parametrize(("samples", "budget"), [(9_999, 1e-3), (999, 1e-2), (19, 0.5), (10**9, 9e-4)])
def test_a_tail_that_too_few_samples_or_no_percentile_shows_is_no_tail(small, samples, budget):
    with pytest.raises(ProgramError, match="H2 was measured too coarsely for a miss budget"):
        compile_program(due(small, 10 * MS), ALL, measured(("H2", 1, 1, 1), samples=samples), budget)


@pytest.mark.parametrize("budget", [0.0, 1.0, -1e-3, float("nan")])
def test_row_08_a_budget_that_is_no_share_is_refused(small, budget):
    with pytest.raises(ProgramError, match="miss_budget is"):
        compile_program(program(**small()), ALL, USUAL, budget)


@st.composite
def tails(draw):
    chosen = draw(st.lists(st.sampled_from(CLASSES), unique=True))
    rows = []
    for name in chosen:
        rows.append((name, *sorted(draw(st.lists(st.integers(0, 10**12), min_size=3, max_size=3)))))
    return measured(*rows, samples=draw(st.sampled_from([100, 10_000, 10**6])))


@settings(deadline=None)
@given(tails(), st.integers(1, 10**12), st.none() | st.sampled_from([0.6, 0.5, 1e-2, 2e-3, 1e-3, 1e-4]))
def test_no_plan_ever_misses_and_no_slower_class_would_have_done(small, latency, deadline_ps, budget):
    try:
        (placed,) = compile_program(due(small, deadline_ps), ALL, latency, budget).placements[1:]
        chosen = CLASSES.index(placed.latency_class)
    except ProgramError:
        placed, chosen = None, len(CLASSES)
    for index, name in enumerate(CLASSES[: chosen + 1]):
        found = latency.find(name, "charlie", "alice")
        tail = None if found is None else found.tail_ps(budget or 1e-3)
        stated = budget is not None or name not in SOFTWARE or deadline_ps >= SOFTWARE_FLOOR_PS
        makes_it = tail is not None and tail <= deadline_ps and stated
        assert makes_it == (index == chosen), name
    if placed is not None:
        assert placed.margin_ps == deadline_ps - latency.find(placed.latency_class, "charlie", "alice").tail_ps(
            budget or 1e-3
        )


# --- the file of measurements ---------------------------------------------------------------------------------


def test_measurements_come_back_from_their_file():
    assert MeasuredLatency.from_json(USUAL.to_json()) == USUAL


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"p50_ps": 60000000,', '"p50_ps": 6e7,', "measurements.2.p50_ps"),
        ('"p50_ps": 60000000,', '"p50_ps": 70000000,', "percentiles must rise"),
        ('"latency_class": "H1"', '"latency_class": "H2"', "H2 from charlie to alice stands there twice"),
        ('"samples": 100000', '"samples": 0', "measurements.0.samples"),
        ('"testbed"', '"tesbed"', "testbed"),
        ("{", "", "the file"),
    ],
)
def test_a_spoilt_file_of_measurements_is_refused_by_field(old, new, said):
    text = USUAL.to_json().replace(old, new, 1)
    with pytest.raises(BellringerError, match=said):
        MeasuredLatency.from_json(text)
