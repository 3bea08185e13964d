"""Tag files give back what was appended, whole, block by block, or cut; what cannot be kept is refused."""

import os

import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.analysis.tagfile import ClockState, TagFileReader, TagFileWriter
from hypothesis import given, settings
from hypothesis import strategies as st

LIMIT = 2**62


def assert_same(found: Tags, expected: Tags) -> None:
    assert np.array_equal(found.times_ps, expected.times_ps)
    assert np.array_equal(found.channels, expected.channels)
    assert np.array_equal(found.gaps, expected.gaps)


@st.composite
def recordings(draw: st.DrawFn) -> list[Tags]:
    """A few blocks, one after the other: steps from 0 to days, 1 to 256 channels, gaps before, in and after tags."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    now = draw(st.sampled_from([0, -(LIMIT - 1), 2**53, LIMIT - 2**60]))
    parts = []
    for size in draw(st.lists(st.integers(0, 40), max_size=4)):
        scale = draw(st.sampled_from([1, 10**5, 2**29, 2**33, 2**52]))
        times = now + np.cumsum(rng.integers(0, scale, size))
        edges = np.unique(rng.integers(now, now + max(2, size) * scale, 2 * draw(st.integers(0, 3))))
        last = draw(st.sampled_from([0, 1, 7, 15, 255]))
        parts.append(Tags(times, rng.integers(0, last + 1, size), edges[: len(edges) // 2 * 2].reshape(-1, 2)))
        now = max([now, *times.tolist(), *edges.tolist()])
    return parts


@given(recordings(), st.data())
@settings(max_examples=60, deadline=None)
def test_whole_and_block_by_block_it_gives_back_what_was_appended(tmp_path_factory, parts, data):
    path = tmp_path_factory.mktemp("tags") / "a.tags"
    with TagFileWriter(path, {"tagger": "x"}, fsync="never") as writer:
        numbers = [writer.append(part) for part in parts]
    assert numbers == list(range(len(parts)))
    with TagFileReader(path) as reader:
        for block, part in zip(reader.blocks(), parts, strict=True):
            assert_same(block.tags, part)
        whole = Tags.merge(parts)
        assert np.array_equal(reader.read().times_ps, whole.times_ps)
        assert np.array_equal(reader.read().channels, whole.channels)
        assert reader.read().gaps.tolist() == [gap for part in parts for gap in part.gaps.tolist()]
        assert (reader.losses(), reader.ended, reader.metadata) == ([], True, {"tagger": "x"})
        if len(whole):
            edges = sorted(data.draw(st.tuples(*[st.sampled_from(whole.times_ps.tolist())] * 2)))
            cut = reader.read(*edges)
            assert np.array_equal(cut.times_ps, whole.between(*edges).times_ps)
            assert cut.live_time_ps(*edges) == whole.live_time_ps(*edges)


def test_more_tags_than_a_block_holds_make_several(tmp_path):
    rng = np.random.default_rng(3)
    tags = Tags(np.cumsum(rng.integers(0, 250_000, 300_000)), rng.integers(0, 8, 300_000), [[5, 9]])
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        assert writer.append(tags) == 2
        assert writer.tags_written == 300_000
    with TagFileReader(tmp_path / "a.tags") as reader:
        assert [len(block.tags) for block in reader.blocks()] == [131_072, 131_072, 37_856]
        assert_same(reader.read(), tags)
    # Entropy of this stream: log2 of 250 000 steps and 8 channels, 2.62 bytes.
    assert 2.62 < (tmp_path / "a.tags").stat().st_size / 300_000 < 2.9


def test_a_step_too_long_for_a_word_begins_a_new_block(tmp_path):
    times = np.repeat(np.array([-(2**61), 0, 2**61]), 256)
    tags = Tags(times, np.tile(np.arange(256), 3))
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        assert writer.append(tags) == 2
    with TagFileReader(tmp_path / "a.tags") as reader:
        assert_same(reader.read(), tags)


def test_gaps_tell_why_and_how_many_and_blocks_tell_the_clock(tmp_path):
    with TagFileWriter(tmp_path / "a.tags", fsync="block") as writer:
        writer.append(Tags([1, 2], [0, 1], [[3, 5], [7, 8]]), ClockState("10 MHz in", True),
                      reasons=["overflow", "missed events"], missed=[None, 12])  # fmt: skip
        writer.append(Tags([], [], [[9, 20]]), ClockState("10 MHz in", False), reasons=["lost lock"])
        writer.append(Tags([9, 30], [255, 0]))
    with TagFileReader(tmp_path / "a.tags") as reader:
        first, second, third = reader.blocks()
        assert_same(reader.read(), Tags([1, 2, 9, 30], [0, 1, 255, 0], [[3, 5], [7, 8], [9, 20]]))
        assert reader.read(10, 19).gaps.tolist() == [[10, 19]]
    assert (first.reasons, first.missed) == (("overflow", "missed events"), (None, 12))
    assert (first.clock, second.clock, third.clock) == (
        ClockState("10 MHz in", True), ClockState("10 MHz in", False), None)  # fmt: skip
    assert second.reasons == ("lost lock",)


def test_a_gap_reported_late_joins_the_others(tmp_path):
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        writer.append(Tags([1], [0], [[10, 20]]))
        writer.append(Tags([30], [0], [[5, 12], [40, 50]]))
    with TagFileReader(tmp_path / "a.tags") as reader:
        assert reader.read().gaps.tolist() == [[5, 20], [40, 50]]
        assert reader.read(28, 35).times_ps.tolist() == [30]
        assert reader.read(11, 13).gaps.tolist() == [[11, 13]], "the block with the gap has its tag elsewhere"


REFUSED = [
    (Tags([99], [0]), {}, r"go back by 1 ps, from 100 ps to 99 ps, after block 0.*rolled over"),
    (Tags([LIMIT], [0]), {}, r"4611686018427387904 ps: .* below 2\^62"),
    (Tags([], [], [[-LIMIT, 0]]), {}, r"below 2\^62"),
    (Tags([100], [0], [[1, 2]]), {"reasons": ["heat"]}, "'heat' is no reason.*overflow"),
    (Tags([100], [0], [[1, 2]]), {"missed": []}, "0 missed for 1 gaps"),
]


@pytest.mark.parametrize(("tags", "more", "message"), REFUSED, ids=lambda case: str(case)[:20])
def test_what_it_refuses_leaves_the_file_as_it_was(tmp_path, tags, more, message):
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        writer.append(Tags([100], [0]))
        before = (tmp_path / "a.tags").read_bytes()
        with pytest.raises(ValueError, match=message):
            writer.append(tags, **more)
        assert (tmp_path / "a.tags").read_bytes() == before
        writer.append(Tags([100], [1]))
    with TagFileReader(tmp_path / "a.tags") as reader:
        assert_same(reader.read(), Tags([100, 100], [0, 1]))


def test_a_full_disk_leaves_whole_blocks_and_another_try_is_allowed(tmp_path, monkeypatch):
    write = os.write

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    tags = Tags(np.arange(500), np.arange(500) % 256)
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        writer.append(Tags([0], [7]))
        before = (tmp_path / "a.tags").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", lambda fd, parts: write(fd, b"".join(parts)[:200]))
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space"):
                writer.append(tags)
        assert (tmp_path / "a.tags").read_bytes() == before
        assert writer.append(tags) == 1
    with TagFileReader(tmp_path / "a.tags") as reader:
        assert len(reader.read()) == 501
        assert reader.losses() == []


def test_an_existing_file_is_never_touched(tmp_path):
    (tmp_path / "a.tags").write_text("precious")
    with pytest.raises(FileExistsError):
        TagFileWriter(tmp_path / "a.tags")
    assert (tmp_path / "a.tags").read_text() == "precious"


def test_wrong_settings_and_uses_after_the_end_are_errors(tmp_path):
    with pytest.raises(ValueError, match="fsync is 'always'"):
        TagFileWriter(tmp_path / "a.tags", fsync="always")
    with pytest.raises(ValueError, match="plain JSON"):
        TagFileWriter(tmp_path / "a.tags", {"x": object()})
    assert not (tmp_path / "a.tags").exists()
    writer = TagFileWriter(tmp_path / "a.tags", fsync="never")
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(Tags([1], [1]))
    reader = TagFileReader(tmp_path / "a.tags")
    assert len(reader.read()) == 0
    assert reader.ended


@pytest.mark.parametrize(("policy", "most"), [("block", 99), ("second", 3), ("never", 0)])
def test_fsync_follows_the_policy(tmp_path, monkeypatch, policy, most):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(fd))
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    with TagFileWriter(tmp_path / "a.tags", fsync=policy) as writer:
        for time in range(10):
            before = len(calls)
            writer.append(Tags([time], [0]))
            assert (len(calls) > before) == (policy == "block" or (policy == "second" and time == 0))
    assert len(calls) <= most
    assert bool(calls) == (policy != "never")


def test_after_a_second_the_next_block_is_synced(tmp_path, monkeypatch):
    calls, now = [], [0.0]
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(now[0]))
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with TagFileWriter(tmp_path / "a.tags", fsync="second") as writer:
        for now[0] in (0.5, 0.9, 1.0, 1.5, 1.9, 2.0, 9.0):
            writer.append(Tags([int(now[0])], [0]))
        assert calls == [0.5, 0.5, 1.5, 9.0], "the first time with the folder"


def test_a_file_is_readable_while_it_grows(tmp_path):
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        for time in range(3):
            writer.append(Tags([time], [0]))
            with TagFileReader(tmp_path / "a.tags") as reader:
                assert reader.read().times_ps.tolist() == list(range(time + 1))
                assert not reader.ended
                (loss,) = reader.losses()
                assert "still being written" in loss.what
