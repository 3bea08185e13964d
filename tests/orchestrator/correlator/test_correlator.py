"""The correlator's core against numbers: known coincidences, known clocks, blocks cut anyhow, lost, late, dark."""

import numpy as np
import pytest
from bellringer.drivers.interfaces import TagBlock
from bellringer.orchestrator.correlator import Correlator
from bellringer.orchestrator.correlator import correlator as core
from bellringer.orchestrator.correlator import ends as ends_module
from bellringer.orchestrator.correlator.ends import End
from hypothesis import given, settings
from hypothesis import strategies as st

S = 10**12
EVEN = [S // 5 * number for number in range(1, 60)]
WHOLE = ([], [])


def totals(correlator):
    body = correlator.total
    return (
        body.live_ps,
        body.aligned_ps,
        *(each.tolist() for each in (body.singles, body.heralds, body.coincidences, body.delayed)),
        body.exposure_s,
    )


def test_clocks_counts_and_correlation_come_out_as_they_were_put_in(make_source, ends):
    source, correlator = make_source(seconds=6.0), Correlator(ends)
    source.feed(correlator, (EVEN, EVEN))
    result = correlator.result()
    assert result["state"] == "aligned"
    clock = result["clock"]
    assert abs(clock["drift"] - source.drift) < 5 * clock["drift_error"] + 1e-14
    at_ref = clock["t_ref_ps"] + source.path_ps - source.late_ps
    wanted = at_ref * (1 + source.drift) - clock["t_ref_ps"]
    assert abs(clock["offset_ps"] - wanted) < 5 * clock["offset_error_ps"] + 1
    total = result["total"]
    seconds = total["aligned_seconds"]
    assert 4.3 < seconds <= total["seconds"] < 6.0
    coincidences = sum(sum(row) for row in total["counts"]["coincidences"])
    clicks = source.rate + source.noise
    accidentals = clicks**2 * 1201e-12
    assert abs(coincidences - (source.rate + accidentals) * seconds) < 5 * (source.rate * seconds) ** 0.5
    measured = sum(each["value"] for row in total["accidentals"] for each in row)
    error = sum(each["error"] ** 2 for row in total["accidentals"] for each in row) ** 0.5
    assert abs(measured - accidentals) < 5 * error
    assert abs(total["E"]["value"] - source.E) < 5 * total["E"]["error"]
    for each in total["heralding"]:
        assert abs(each["value"] - source.rate / clicks) < 5 * each["error"]
    assert result["recent"]["seconds"] == pytest.approx(1.0)


@pytest.fixture(scope="module")
def whole(make_source, ends):
    source, correlator = make_source(), Correlator(ends)
    source.feed(correlator, WHOLE)
    return source, totals(correlator), correlator.result()


cuts = st.lists(st.integers(1, 4 * S - 10**10 - 1), max_size=12, unique=True).map(sorted)


@settings(max_examples=25, deadline=None)
@given(first=cuts, second=cuts)
def test_any_cut_into_blocks_gives_the_totals_of_the_whole(whole, ends, first, second):
    source, wanted, result = whole
    correlator = Correlator(ends)
    source.feed(correlator, (first, second))
    assert totals(correlator) == wanted
    assert correlator.result()["recent"] == result["recent"]
    assert wanted[1] > 2 * S


def test_a_step_waits_for_clicks_that_come_a_little_later_at_the_other_end(make_source, ends):
    """Clicks on both sides of every step's end, a delayed window apart; the other end's block ends between them.

    300 pairs a second and nothing else: off the peak there is hardly a count but those.
    """
    source, whole, cut_there = make_source(rate=300.0, noise=0.0), Correlator(ends), Correlator(ends)
    edges = np.arange(1, 20, dtype=np.int64) * (S // 5)
    there = np.rint((edges + source.path_ps - source.late_ps) * (1 + source.drift)).astype(np.int64)
    for end, more in ((0, edges - 10), (1, there - 10 + 150_000)):
        times, inputs = source.tags[end]
        index = np.searchsorted(times, more)
        source.tags[end] = np.insert(times, index, more), np.insert(inputs, index, inputs[0])
    source.feed(whole, WHOLE)
    source.feed(cut_there, ([], (there + 1000).tolist()))
    assert totals(whole) == totals(cut_there)
    steps = whole.total.aligned_ps // (S // 5)
    assert steps > 10
    assert steps <= whole.total.delayed.sum() < 2 * steps


def test_counts_of_a_recording_are_those_by_hand(make_source, ends, correlator):
    source = make_source()
    result = correlator.correlate(source.recording(0), source.recording(1))
    assert (result["state"], result["source"]) == ("aligned", "recording")
    (times_a, inputs_a), (times_b, inputs_b) = source.tags
    clock = core.ClockOffset(**result["clock"])
    a = [times_a[inputs_a == n] for n in (1, 2)]
    b = [clock.to_alice(times_b)[inputs_b == n] for n in (3, 4)]
    near = [[sum(np.diff(np.searchsorted(y, [t - 600, t + 601]))[0] for t in x) for y in b] for x in a]
    assert result["total"]["counts"]["coincidences"] == near


def test_without_a_common_source_it_says_so_and_counts_singles_only(make_source, ends):
    source, correlator = make_source(rate=0.0), Correlator(ends)
    source.feed(correlator, (EVEN, EVEN))
    result = correlator.result()
    assert result["state"] == "no peak"
    assert "no correlation peak" in result["reason"]
    assert result["clock"] is None
    assert result["total"]["aligned_seconds"] == 0
    for table in ("coincidences", "accidentals"):
        assert all(each["value"] is None for row in result["total"][table] for each in row)
    assert result["total"]["E"]["value"] is None
    assert sum(each["value"] for row in result["total"]["singles"] for each in row) == pytest.approx(12000, rel=0.05)


def test_when_the_light_goes_out_coincidences_end_and_when_it_returns_the_clocks_are_followed_again(make_source, ends):
    source, correlator = make_source(seconds=12.0), Correlator(ends)
    for end in (0, 1):
        times, inputs = source.tags[end]
        dark = (times > 3 * S) & (times < 8 * S) & (np.arange(times.size) % 500 > 0)
        source.tags[end] = times[~dark], inputs[~dark]
    states = []
    before = correlator.feed
    correlator.feed = lambda *words: (before(*words), states.append(correlator.state))
    source.feed(correlator, (EVEN, EVEN))
    shown = [state for state, follower in zip(states, [*states[1:], ""]) if state != follower]
    assert shown == ["waiting", "searching", "aligned", "no peak", "aligned"]
    assert abs(correlator.clock.drift - source.drift) < 1e-9
    assert correlator.total.aligned_ps < 10 * S


def test_a_lost_block_is_counted_and_its_time_is_not(make_source, ends):
    source = make_source(seconds=6.0)
    whole, holed = Correlator(ends), Correlator(ends)
    source.feed(whole, (EVEN, EVEN))
    feed = holed.feed
    holed.feed = lambda end, stream, number, block, clock_map: (
        None if (end, number) == (1, 15) else feed(end, stream, number, block, clock_map)
    )
    source.feed(holed, (EVEN, EVEN))
    assert holed.result()["blocks"] == {
        "alice": {"received": 30, "lost": 0, "late": 0}, "bob": {"received": 29, "lost": 1, "late": 0}
    }  # fmt: skip
    assert whole.total.live_ps - holed.total.live_ps == pytest.approx(S // 5, abs=10**6)
    rates = [each.coincidences.sum() / each.aligned_ps * S for each in (whole.total, holed.total)]
    assert rates[0] == pytest.approx(rates[1], rel=0.03)


def test_gaps_take_away_live_time_and_clicks(make_source, ends):
    source = make_source()
    gap = 10**10
    recording = source.recording(1)
    gaps = np.arange(1, 30, dtype=np.int64)[:, None] * S // 10 + [0, gap]
    with_gaps = type(recording)(
        recording.times_ps, recording.channels, recording.duration_ps, recording.clock_map, gaps
    )
    correlator = Correlator(ends)
    plain = correlator.correlate(source.recording(0), recording)["total"]
    less = correlator.correlate(source.recording(0), with_gaps)["total"]
    assert plain["seconds"] - less["seconds"] == pytest.approx(29 * 0.01, rel=1e-5)
    rates = [each["singles"][0][0]["value"] for each in (plain, less)]
    assert rates[0] == pytest.approx(rates[1], rel=0.03)
    lost = [sum(map(sum, each["counts"]["singles"])) for each in (plain, less)]
    assert lost[1] < 0.95 * lost[0]


def test_a_new_stream_at_one_end_begins_afresh(make_source, ends):
    source, correlator = make_source(), Correlator(ends)
    source.feed(correlator, (EVEN, EVEN))
    first = correlator.total
    source.feed(correlator, (EVEN, EVEN), stream="2")
    assert correlator.total.coincidences.tolist() == first.coincidences.tolist()
    correlator.ended(0, "2a", "an e-stop was pressed")
    correlator.ended(1, "an older one", "no matter")
    assert (correlator.state, correlator.result()["reason"]) == ("ended", "alice: an e-stop was pressed")


def test_one_silent_end_does_not_fill_the_memory(make_source, ends):
    source, correlator = make_source(seconds=30.0, rate=100.0, noise=100.0), Correlator(ends)
    for number, block in enumerate(source.blocks(0, EVEN), 1):
        correlator.feed(0, "a", number, block, source.maps[0])
    side = correlator._sides[0]
    assert side.frontier_ps - side.earliest_ps <= ends_module.KEPT_PS
    assert side.late == len(EVEN) - 1 - len(side._blocks) > 0
    assert correlator.state == "waiting"


# --- one end --------------------------------------------------------------------------------------------------------


def block(begin, end, times=()):
    return TagBlock(begin, end, np.array(times, np.int64), np.full(len(times), 1, np.uint8))


def test_too_many_tags_are_given_up_oldest_first(monkeypatch):
    monkeypatch.setattr(ends_module, "MOST_TAGS", 5)
    end = End(1, 2)
    for number in range(4):
        end.feed(number + 1, block(10 * number, 10 * number + 10, [10 * number, 10 * number + 1]))
    assert (end.earliest_ps, end.late) == (20, 2)
    end.feed(5, block(40, 50, range(40, 50)))
    assert (end.earliest_ps, end.received) == (40, 5), "a block is kept whole, however large it is"


def test_what_came_before_is_late_and_numbers_that_are_missing_are_lost():
    end = End(1, 2)
    for number, begin in ((7, 0), (9, 20), (8, 10)):
        end.feed(number, block(begin, begin + 10, [begin]))
    assert (end.received, end.lost, end.late, end.frontier_ps) == (3, 1, 1, 30)
    assert end.tags(0, 30)[0].tolist() == [0, 20]
    assert end.gaps(5, 25).tolist() == [[10, 20]]
    assert end.gaps(-5, 40).tolist() == [[-5, 0], [10, 20], [30, 40]]


edges = st.lists(st.integers(0, 60), max_size=10, unique=True).map(sorted)


@given(edges, edges, st.integers(-5, 60), st.integers(0, 30))
def test_gaps_are_the_times_that_no_block_tells_of(cuts, gap_edges, low, length):
    """Every other stretch between cuts is a block; its own gaps are stretches of ``gap_edges``."""
    end, told = End(1, 2), set()
    for number, (begin, stop) in enumerate(zip(cuts[::2], cuts[1::2])):
        gaps = np.clip(np.array(gap_edges[: len(gap_edges) // 2 * 2], np.int64).reshape(-1, 2), begin, stop)
        end.feed(number + 1, TagBlock(begin, stop, np.empty(0, np.int64), np.empty(0, np.uint8), gaps))
        told |= set(range(begin, stop)) - {t for first, last in gaps.tolist() for t in range(first, last)}
    found = end.gaps(low, low + length)
    assert {t for first, last in found.tolist() for t in range(first, last)} == set(range(low, low + length)) - told
    assert (np.diff(found.ravel()) >= 0).all()
