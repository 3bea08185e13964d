"""Damaged tag files: every flipped bit and every missing byte is noticed, costs one block, and is never wrong data.

300 flips and 100 of each other kind, numpy seed 11, on a file of 12 blocks; nothing statistical is accepted.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.analysis.tagfile import ClockState, TagFileReader, TagFileWriter, repair
from bellringer.analysis.tagfile.layout import BLOCK_MAGIC

BLOCKS = 12


def blocks_of_tags() -> list[Tags]:
    rng, now, parts = np.random.default_rng(7), 0, []
    for _ in range(BLOCKS):
        times = now + np.cumsum(rng.integers(1, 100_000, 40))
        parts.append(Tags(times, rng.integers(0, 8, 40), [[int(times[3]), int(times[4])]]))
        now = int(times[-1])
    return parts


PARTS = blocks_of_tags()


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.tags"
    with TagFileWriter(path, {"tagger": "x"}, fsync="never") as writer:
        for part in PARTS:
            writer.append(part, ClockState("internal", True))
    return path.read_bytes()


def starts(raw: bytes) -> list[int]:
    """Return where the 12 blocks and the end mark start."""
    found, at = [], raw.find(BLOCK_MAGIC)
    while at >= 0:
        found.append(at)
        at = raw.find(BLOCK_MAGIC, at + 1)
    assert len(found) == BLOCKS + 1
    return found


def blocks_found(path: Path) -> list[int]:
    """Read a damaged file in both ways; return the blocks it still has, each exactly as it was written."""
    with TagFileReader(path) as reader:
        numbers: list[int] = []
        holes: list[tuple[list[int], int | None]] = []
        for block in reader.blocks():
            if block.reasons == ("lost to damage",):
                assert len(block.tags) == 0
                holes.append((block.tags.gaps.tolist()[0], block.missed[0]))
                continue
            part = PARTS[block.number]
            assert block.tags.times_ps.tolist() == part.times_ps.tolist()
            assert block.tags.channels.tolist() == part.channels.tolist()
            assert block.tags.gaps.tolist() == part.gaps.tolist()
            numbers.append(block.number)
        assert numbers == sorted(set(numbers))
        assert reader.losses(), "damage went unnoticed"
        told = reader.losses()
    with TagFileReader(path) as reader:
        whole = reader.read()
        assert whole.times_ps.tolist() == [t for number in numbers for t in PARTS[number].times_ps.tolist()]
        for left, right in itertools.pairwise(numbers):
            if right > left + 1:
                hole = [int(PARTS[left].times_ps[-1]) + 1, int(PARTS[right].times_ps[0])]
                assert whole.live_time_ps(*hole) == 0, "a hole within the file is a gap"
                assert holes.pop(0) == (hole, 40 * (right - left - 1))
        assert not holes
        assert reader.losses() == told
    return numbers


def test_every_flipped_bit_is_noticed_and_costs_one_block(tmp_path, sound):
    rng, path = np.random.default_rng(11), tmp_path / "a.tags"
    for bit in rng.integers(0, 8 * len(sound), 300).tolist():
        raw = bytearray(sound)
        raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
        hit = sum(start <= bit // 8 for start in starts(sound)) - 1
        assert blocks_found(path) == [n for n in range(BLOCKS) if n != hit], f"bit {bit}"


def test_a_file_cut_anywhere_keeps_all_whole_blocks(tmp_path, sound):
    rng, path, ends = np.random.default_rng(11), tmp_path / "a.tags", starts(sound)[1:]
    for cut in [*rng.integers(ends[0], len(sound), 100).tolist(), *ends]:
        path.write_bytes(sound[:cut])
        assert blocks_found(path) == list(range(sum(end <= cut for end in ends))), f"cut at {cut}"


def test_bytes_taken_out_cost_only_the_blocks_they_were_of(tmp_path, sound):
    rng, path, begin = np.random.default_rng(11), tmp_path / "a.tags", starts(sound)
    for _ in range(100):
        first, last = sorted(rng.integers(begin[0], begin[-1], 2).tolist())
        path.write_bytes(sound[:first] + sound[last + 1 :])
        kept = [n for n in range(BLOCKS) if begin[n + 1] <= first or begin[n] > last]
        assert blocks_found(path) == kept, f"bytes {first} to {last} taken out"


def test_a_block_taken_out_exactly_or_exchanged_for_another_files_is_noticed(tmp_path, sound):
    path, begin = tmp_path / "a.tags", starts(sound)
    path.write_bytes(sound[: begin[4]] + sound[begin[6] :])
    assert blocks_found(path) == [0, 1, 2, 3, *range(6, BLOCKS)]
    with TagFileReader(path) as reader:
        (loss,) = reader.losses()
    assert (loss.blocks, loss.tags) == (2, 80)
    assert (loss.from_ps, loss.to_ps) == (PARTS[3].times_ps[-1], PARTS[6].times_ps[0])
    with TagFileWriter(tmp_path / "b.tags", fsync="never") as writer:
        for part in PARTS:
            writer.append(part)
    other = (tmp_path / "b.tags").read_bytes()
    theirs = starts(other)
    path.write_bytes(sound[: begin[4]] + other[theirs[4] : theirs[5]] + sound[begin[5] :])
    assert blocks_found(path) == [0, 1, 2, 3, *range(5, BLOCKS)]


def test_bytes_put_in_blocks_twice_and_blocks_out_of_order_cost_nothing(tmp_path, sound):
    path, begin = tmp_path / "a.tags", starts(sound)
    every = list(range(BLOCKS))
    for raw in (
        sound[: begin[4]] + b"rubbish" * 99 + sound[begin[4] :],
        sound[: begin[6]] + sound[begin[4] : begin[5]] + sound[begin[6] :],
        sound[: begin[4]] + sound[begin[5] : begin[6]] + sound[begin[4] : begin[5]] + sound[begin[6] :],
        sound + b"after the end",
        sound[: begin[0] - 9] + sound[begin[0] :],
    ):
        path.write_bytes(raw)
        assert blocks_found(path) == every


def test_a_lost_header_costs_the_metadata_only_and_a_repair_brings_a_sound_file(tmp_path, sound):
    path = tmp_path / "a.tags"
    path.write_bytes(b"\0" * 20 + sound[20:])
    assert blocks_found(path) == list(range(BLOCKS))
    with TagFileReader(path) as reader:
        assert reader.metadata == {}
    repair(path, tmp_path / "b.tags")
    with TagFileReader(tmp_path / "b.tags") as reader:
        assert reader.check() == []
        assert "metadata are lost" in reader.metadata["repairs"][0][0]["what"]


def test_repair_keeps_every_sound_block_and_what_was_lost_stays_on_record(tmp_path, sound):
    path, begin = tmp_path / "a.tags", starts(sound)
    raw = bytearray(sound[: begin[10] + 50])
    raw[begin[2] + 120] ^= 4
    raw[begin[7] + 3] ^= 4
    path.write_bytes(raw)
    steps: list[int] = []
    report = repair(path, tmp_path / "b.tags", steps.append)
    assert (report.blocks, report.tags, len(steps)) == (8, 320, 8)
    assert [(loss.blocks, loss.tags) for loss in report.losses] == [(1, 40), (1, 40), (None, None)]
    assert path.read_bytes() == raw, "the damaged file is not touched"
    assert blocks_found(tmp_path / "b.tags") == [0, 1, 3, 4, 5, 6, 8, 9]
    with TagFileReader(tmp_path / "b.tags") as reader:
        assert [loss.blocks for loss in reader.check()] == [1, 1, None]
        assert reader.losses()[-1].what == "torn off before the repair"
        assert reader.metadata["tagger"] == "x"
    again = repair(tmp_path / "b.tags", tmp_path / "c.tags")
    assert (again.blocks, again.tags) == (8, 320)
    with pytest.raises(FileExistsError):
        repair(path, tmp_path / "b.tags")


@pytest.mark.parametrize("raw", [b"", b"PK\3\4 something else", BLOCK_MAGIC * 3, b"\x8bBRTAGS\n"])
def test_what_is_no_tag_file_is_an_error_that_says_so(tmp_path, raw):
    (tmp_path / "a.tags").write_bytes(raw)
    with pytest.raises(ValueError, match=r"a\.tags (is no tag file|has lost its header)"):
        TagFileReader(tmp_path / "a.tags")
    with pytest.raises(ValueError, match=r"a\.tags"):
        repair(tmp_path / "a.tags", tmp_path / "b.tags")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tags"]


def test_a_later_version_is_refused(tmp_path, sound, monkeypatch):
    monkeypatch.setattr("bellringer.analysis.tagfile.layout.VERSION", 2)
    TagFileWriter(tmp_path / "a.tags", fsync="never").close()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="version 2 of the format, this program reads up to 1"):
        TagFileReader(tmp_path / "a.tags")


def test_a_writer_that_does_not_keep_the_order_is_found_out(tmp_path, sound, monkeypatch):
    path = tmp_path / "a.tags"
    monkeypatch.setattr(TagFileWriter, "_check", lambda self, tags: None)
    with TagFileWriter(path, fsync="never") as writer:
        writer.append(PARTS[1])
        writer.append(PARTS[0])
    with TagFileReader(path) as reader, pytest.raises(ValueError, match=r"a\.tags: block 1 goes back from"):
        reader.read()
