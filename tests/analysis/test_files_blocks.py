"""Files read block by block: the same as whole, several at once in order, and never more than some blocks in memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from bellringer.analysis import CoincidenceCounter, Tags, coincidences
from bellringer.analysis.files import Recording, open_recording, read_recording, source, write_source
from bellringer.analysis.files import raw as raw_module
from bellringer.analysis.files.source import WholeSource
from bellringer.analysis.files.together import tags_by_channel, together
from bellringer.analysis.tagfile import ClockState, TagFileReader, TagFileWriter
from hypothesis import given, settings
from hypothesis import strategies as st

SWABIAN = np.dtype([("type", "u1"), ("free", "u1"), ("missed", "<u2"), ("channel", "<i4"), ("time", "<i8")])


def same(found: Recording, expected: Recording) -> None:
    assert found.tags.times_ps.tolist() == expected.tags.times_ps.tolist()
    assert found.tags.channels.tolist() == expected.tags.channels.tolist()
    assert found.tags.gaps.tolist() == expected.tags.gaps.tolist()
    assert (found.reasons, found.missed, found.about) == (expected.reasons, expected.missed, expected.about)
    assert (found.repairs, found.losses) == (expected.repairs, expected.losses)


# --- one file -----------------------------------------------------------------------------------------------------


def raw_files(folder):
    """Write a file of each raw format: 1000 random tags each, Swabian's with every kind of marker."""
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.integers(0, 9, 1000))
    body = np.zeros(1000, np.dtype([("t", "<i8"), ("c", "<i2")]))
    body["t"], body["c"] = times, rng.integers(0, 5, 1000)
    (folder / "a.qutag").write_bytes(bytes(40) + body.tobytes() + b"torn")
    records = np.zeros(1000, SWABIAN)
    records["type"] = np.where(rng.random(1000) < 0.1, rng.integers(1, 5, 1000), 0)
    records["missed"], records["channel"], records["time"] = rng.integers(0, 9, 1000), rng.integers(-3, 4, 1000), times
    (folder / "a.swabian").write_bytes(records.tobytes())
    (folder / "a.id900").write_bytes(times.astype("<u8").tobytes())
    (folder / "a.id900x").write_bytes(np.column_stack([times % 7, times]).astype("<u8").tobytes())
    (folder / "a.a1").write_bytes((times << 10 | rng.integers(0, 16, 1000)).astype("<u8").tobytes())
    return {"a.qutag": {}, "a.swabian": {}, "a.id900": {}, "a.id900x": {"reference_period_ps": 8}, "a.a1": {}}


@pytest.mark.parametrize("step", [1, 7, 999])
def test_raw_files_are_the_same_however_they_are_cut(tmp_path, monkeypatch, step):
    for name, options in raw_files(tmp_path).items():
        whole = read_recording(tmp_path / name, **options)
        monkeypatch.setattr(raw_module, "STEP", step)
        same(read_recording(tmp_path / name, **options), whole)
        opened = open_recording(tmp_path / name, **options)
        assert max(len(part.tags) for part in opened.parts()) <= 4 * step
        ends = [part.end_byte for part in opened.parts()]
        assert ends == sorted(ends)
        assert opened.size - ends[-1] < 5
        monkeypatch.undo()


@pytest.mark.parametrize("name", ["qutag", "id900", "a1", "swabian"])
def test_time_that_goes_back_between_two_blocks_is_told_with_its_place(tmp_path, monkeypatch, name):
    monkeypatch.setattr(raw_module, "STEP", 4)
    times = np.array([1, 2, 3, 9, 5, 6])
    if name == "qutag":
        body = np.zeros(6, np.dtype([("t", "<i8"), ("c", "<i2")]))
        body["t"] = times
        content = bytes(40) + body.tobytes()
    elif name == "swabian":
        records = np.zeros(6, SWABIAN)
        records["time"] = times
        content = records.tobytes()
    else:
        content = (times << 10 | 1 if name == "a1" else times).astype("<u8").tobytes()
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.bin.* go back at tag 4, from"):
        list(open_recording(tmp_path / "a.bin", name).parts())


def written(path, gaps_late=False):
    """Write a tag file of 5 blocks, with a change of the clock and gaps, perhaps told of only at the end."""
    with TagFileWriter(path, {"tagger": "T"}, fsync="never") as writer:
        for number in range(5):
            low = 100 * number
            gaps = [[low + 40, low + 60]] if not gaps_late else [[40, 60], [240, 260]] if number == 4 else []
            tags = Tags([low, low + 50, low + 99], [0, 1, number], gaps)
            clock = ClockState("PPS" if number < 2 else "internal", number < 2)
            writer.append(tags, clock, ["overflow"] * len(gaps), [number] * len(gaps))


@pytest.mark.parametrize("late", [False, True])
def test_a_tag_file_by_blocks_is_what_it_is_as_a_whole_gaps_clock_and_damage_included(tmp_path, late):
    path = tmp_path / "a.tags"
    written(path, late)
    same(source.Source.read(open_recording(path)), read_recording(path))
    content = bytearray(path.read_bytes())
    with TagFileReader(path) as reader:
        middle = next(itertools.islice(reader.blocks(), 2, 3)).end_byte
    content[middle - 3] ^= 1
    path.write_bytes(content)
    whole, opened = read_recording(path), open_recording(path)
    assert sum(len(part.tags) for part in opened.parts()) == 12
    assert opened.losses == whole.losses
    blocks = opened.look_through()[1]
    assert sorted(blocks.reasons) == sorted(whole.reasons)
    assert "lost to damage" in blocks.reasons
    counter = CoincidenceCounter([(0, 1)], 60)
    for tags in together([opened], [0]):
        counter.feed(tags)
    assert counter.read().tolist() == coincidences(whole.tags, [(0, 1)], 60).tolist()
    assert counter.live_time_ps == whole.tags.live_time_ps()


@pytest.mark.parametrize("suffix", [".tags", ".parquet", ".h5", ".npz"])
def test_a_copy_made_block_by_block_is_the_same(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(source, "STEP", 4)
    written(tmp_path / "a.tags")
    steps = []
    assert write_source(tmp_path / f"b{suffix}", open_recording(tmp_path / "a.tags"), stepped=steps.append).suffixes
    same(read_recording(tmp_path / f"b{suffix}"), read_recording(tmp_path / "a.tags"))
    assert len(steps) == 5 or suffix == ".npz"


# --- several ------------------------------------------------------------------------------------------------------

streams = st.lists(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=20).map(sorted), min_size=1, max_size=3
)


@settings(deadline=None)
@given(streams, st.integers(1, 5), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=3))
def test_several_files_at_once_are_their_merged_stream(pairs, step, holes):
    """Cut anyhow, with many equal times; gaps of one are gaps of all."""
    parts = [Tags([t for t, _ in each], [c for _, c in each]) for each in pairs]
    gaps = np.array(sorted((low, low + length) for low, length in holes), np.int64).reshape(-1, 2)
    gaps = gaps[np.concatenate([[True], gaps[1:, 0] > np.maximum.accumulate(gaps[:, 1])[:-1]])] if len(gaps) else gaps
    parts[0] = Tags(parts[0].times_ps, parts[0].channels, gaps)
    raised = [3 * number for number in range(len(parts))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "STEP", step)
        blocks = list(together([WholeSource(Recording(part)) for part in parts], raised))
    expected = Tags.merge(parts, [{c: c + up for c in range(3)} for up in raised])
    assert [t for block in blocks for t in block.times_ps.tolist()] == expected.times_ps.tolist()
    assert [c for block in blocks for c in block.channels.tolist()] == expected.channels.tolist()
    assert sorted(g for block in blocks for g in block.gaps.tolist()) == expected.gaps.tolist()


def test_what_is_in_a_file_is_found_by_looking_through_it(tmp_path):
    written(tmp_path / "a.tags")
    counts, span_ps = tags_by_channel(open_recording(tmp_path / "a.tags"), lambda done: None)
    assert counts[:5].tolist() == [6, 6, 1, 1, 1]
    assert span_ps == 499


# --- memory -------------------------------------------------------------------------------------------------------


def peak(work) -> int:
    """Return the bytes that ``work`` has at most, numpy's arrays included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def long_file(path, blocks):
    with TagFileWriter(path, fsync="never") as writer:
        for number in range(blocks):
            times = number * 10**10 + np.arange(0, 10**10, 10**5)
            writer.append(Tags(times, np.arange(len(times)) % 4))


@pytest.mark.parametrize("suffix", [".tags", ".h5"])
def test_copying_takes_no_more_memory_for_a_longer_file(tmp_path, suffix):
    """Blocks of 100 000 tags, 0.9 MB; 12 of them and 36."""
    peaks = []
    for blocks in (12, 36):
        long_file(tmp_path / f"{blocks}.tags", blocks)
        copy = tmp_path / f"{blocks}.copy{suffix}"
        peaks.append(peak(lambda path=tmp_path / f"{blocks}.tags", copy=copy: write_source(copy, open_recording(path))))
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 12 * 900_000


def test_a_big_raw_file_is_never_in_memory_as_a_whole(tmp_path):
    (tmp_path / "a.id900").write_bytes(np.arange(0, 4 * 10**6, dtype="<u8").tobytes())
    found = []
    at_most = peak(lambda: found.extend(len(part.tags) for part in open_recording(tmp_path / "a.id900").parts()))
    assert sum(found) == 4 * 10**6
    assert at_most < 4 * 10**6 * 9 / 3


def test_merging_holds_some_blocks_of_each_file_only(tmp_path):
    """Two files, one of which begins when the other is over: nothing of the second is read before."""
    long_file(tmp_path / "a.tags", 24)
    with TagFileWriter(tmp_path / "b.tags", fsync="never") as writer:
        for number in range(24, 48):
            writer.append(Tags(number * 10**10 + np.arange(0, 10**10, 10**5), np.zeros(10**5, np.uint8)))
    found = []
    sources = [open_recording(tmp_path / name) for name in ("a.tags", "b.tags")]
    at_most = peak(lambda: found.extend(len(tags) for tags in together(sources, [0, 4])))
    assert sum(found) == 48 * 10**5
    assert at_most < 12 * 900_000
