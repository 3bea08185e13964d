"""Raw dumps and tables: a hand-made stream comes back as it was, markers become gaps, wrong files say what they are."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.analysis.files import (
    Recording,
    formats,
    identify,
    read_recording,
    read_tags,
    write_recording,
)
from bellringer.analysis.tagfile import ClockState, TagFileWriter

SWABIAN = np.dtype([("type", "u1"), ("free", "u1"), ("missed", "<u2"), ("channel", "<i4"), ("time", "<i8")])


def assert_same(found: Tags, expected: Tags) -> None:
    assert found.times_ps.tolist() == expected.times_ps.tolist()
    assert found.channels.tolist() == expected.channels.tolist()
    assert found.gaps.tolist() == expected.gaps.tolist()


def swabian(path: Path, *records: tuple[int, int, int, int]) -> Path:
    """Write (type, missed, channel, time) records."""
    rows = [(kind, 0, missed, channel, time) for kind, missed, channel, time in records]
    path.write_bytes(np.array(rows, SWABIAN).tobytes())
    return path


# --- raw dumps ----------------------------------------------------------------------------------------------------


def test_qutag(tmp_path):
    body = np.array([(5, 1), (7, 4), (7, 2), (2**60, 255)], np.dtype([("t", "<i8"), ("c", "<i2")]))
    (tmp_path / "a.qutag").write_bytes(b"h" * 40 + body.tobytes())
    assert_same(read_tags(tmp_path / "a.qutag"), Tags([5, 7, 7, 2**60], [1, 4, 2, 255]))
    (tmp_path / "a.qutag").write_bytes(b"h" * 40 + body.tobytes()[:-3])
    found = read_recording(tmp_path / "a.qutag", unit_ps=81)
    assert found.tags.times_ps.tolist() == [405, 567, 567]
    assert found.losses == ("the last record is cut off: 7 of 10 bytes",)


def test_qutag_without_a_header(tmp_path):
    body = np.array([(5, 0), (7, 104)], np.dtype([("t", "<i8"), ("c", "<i2")]))
    (tmp_path / "a.qutag").write_bytes(body.tobytes())
    assert_same(read_tags(tmp_path / "a.qutag", header=0), Tags([5, 7], [0, 104]))
    with pytest.raises(ValueError, match="has 20 bytes; its header alone has 40"):
        read_tags(tmp_path / "a.qutag")


def test_a_swabian_dump_keeps_both_edges(tmp_path):
    path = swabian(tmp_path / "a.swabian", (0, 0, 1, 10), (0, 0, -1, 15), (0, 0, 18, 20))
    found = read_recording(path)
    assert_same(found.tags, Tags([10, 15, 20], [1, 129, 18]))
    assert found.about["channels"] == {"129": "-1 (falling edge)"}
    assert read_tags(path, channels={1: 0, -1: 1, 18: 2}).channels.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"channels \[18\] have no number"):
        read_tags(path, channels={1: 0, -1: 1})
    with pytest.raises(ValueError, match=r"channels \[1001\] have no number"):
        read_tags(swabian(path, (0, 0, 1001, 10)))


def test_what_a_swabian_dump_says_it_lost_is_a_gap(tmp_path):
    found = read_recording(swabian(
        tmp_path / "a.swabian", (0, 0, 1, 10), (2, 0, 0, 20), (4, 300, 1, 30), (4, 12, 2, 30), (0, 0, 1, 35),
        (3, 0, 0, 40), (0, 0, 1, 50), (4, 7, 1, 60), (0, 0, 1, 70), (1, 0, 0, 75), (0, 0, 1, 80), (2, 0, 0, 90),
        (0, 0, 1, 99)))  # fmt: skip
    assert_same(found.tags, Tags([10, 35, 50, 70, 80, 99], [1] * 6, [[20, 40], [50, 60], [70, 75], [90, 100]]))
    assert found.reasons == ("overflow", "missed events", "unknown", "overflow")
    assert found.missed == (312, 7, None, None)
    assert found.tags.live_time_ps(10, 100) == 90 - 20 - 10 - 5 - 10


def test_a_recording_that_begins_in_an_overflow_has_a_gap_from_its_start(tmp_path):
    found = read_recording(swabian(tmp_path / "a.swabian", (0, 0, 1, 10), (3, 0, 0, 40), (0, 0, 1, 50)))
    assert found.tags.gaps.tolist() == [[10, 40]]
    assert len(read_tags(swabian(tmp_path / "a.swabian", (2, 0, 0, 40))).gaps) == 1


def test_id900_one_file_a_channel_or_with_the_references_index(tmp_path):
    (tmp_path / "a.id900").write_bytes(np.array([3, 9, 9, 2**61], "<u8").tobytes())
    assert_same(read_tags(tmp_path / "a.id900", channel=3), Tags([3, 9, 9, 2**61], [3] * 4))
    (tmp_path / "a.id900x").write_bytes(np.array([500, 0, 100, 1, 200, 7], "<u8").tobytes())
    assert read_tags(tmp_path / "a.id900x", reference_period_ps=1000).times_ps.tolist() == [500, 1100, 7200]
    with pytest.raises(ValueError, match="need the reference's period"):
        read_tags(tmp_path / "a.id900x")
    (tmp_path / "b.id900").write_bytes(np.array([500, 100, 200], "<u8").tobytes())
    with pytest.raises(ValueError, match=r"go back at time stamp 1; .*id900-indexed"):
        read_tags(tmp_path / "b.id900")


def test_a1_patterns_become_channels_and_units_picoseconds(tmp_path):
    events = [(256, 1), (257, 0b1010), (300, 0), (2**54 - 1, 8)]
    words = np.array([t << 10 | pattern for t, pattern in events], "<u8")
    (tmp_path / "a.a1").write_bytes(words.tobytes())
    found = read_recording(tmp_path / "a.a1")
    last = (2 * (2**54 - 1) * 125 + 32) // 64  # rounded half up
    assert_same(found.tags, Tags([1000, 1004, 1004, last], [1, 2, 4, 4]))
    assert found.about == {"events_without_detector": 1}
    swapped = words << np.uint64(32) | words >> np.uint64(32)
    (tmp_path / "a.a1x").write_bytes(swapped.tobytes())
    assert_same(read_tags(tmp_path / "a.a1x"), found.tags)


def test_a1_of_the_older_card_counts_eighths_of_nanoseconds(tmp_path):
    """Bits 4 to 12 hold its phase pattern, of which three would be read as time."""
    words = np.array([t << 15 | phase << 4 | 2 for t, phase in ((8, 0x1FF), (9, 0x0C0))], "<u8")
    (tmp_path / "a.a1x").write_bytes((words << np.uint64(32) | words >> np.uint64(32)).tobytes())
    assert_same(read_tags(tmp_path / "a.a1x", eighths=1), Tags([1000, 1125], [2, 2]))
    assert read_tags(tmp_path / "a.a1x").times_ps.tolist() == [1027, 1137]


def test_a1_with_its_words_swapped_is_told(tmp_path):
    words = np.array([t << 10 | 1 for t in (2**30 + 5, 2**31, 2**31 + 7)], "<u8")
    (tmp_path / "a.a1").write_bytes((words << np.uint64(32) | words >> np.uint64(32)).tobytes())
    with pytest.raises(ValueError, match="the format is a1-swapped"):
        read_tags(tmp_path / "a.a1")


OUT_OF_ORDER = [
    ("qutag", b"h" * 40 + np.array([(9, 1), (5, 1)], np.dtype([("t", "<i8"), ("c", "<i2")])).tobytes()),
    ("swabian", np.array([(0, 0, 0, 1, 9), (0, 0, 0, 1, 5)], SWABIAN).tobytes()),
    ("id900", np.array([9, 5], "<u8").tobytes()),
    ("a1", np.array([9 << 10 | 1, 5 << 10 | 1], "<u8").tobytes()),
]


@pytest.mark.parametrize(("name", "raw"), OUT_OF_ORDER, ids=[name for name, _ in OUT_OF_ORDER])
def test_times_that_go_back_are_an_error_that_names_file_and_place(tmp_path, name, raw):
    (tmp_path / "a.bin").write_bytes(raw)
    with pytest.raises(ValueError, match=r"a\.bin.* 1[:;,. ]|a\.bin.* 1$"):
        read_tags(tmp_path / "a.bin", name)


@pytest.mark.parametrize("name", ["qutag", "swabian", "id900", "id900-indexed", "a1"])
def test_random_bytes_are_no_tags(tmp_path, name):
    (tmp_path / "a.bin").write_bytes(np.random.default_rng(5).bytes(4000))
    options = {"reference_period_ps": 1000} if name == "id900-indexed" else {}
    with pytest.raises(ValueError, match=r"a\.bin"):
        read_tags(tmp_path / "a.bin", name, **options)


# --- tables and back ----------------------------------------------------------------------------------------------


def full() -> Recording:
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.integers(0, 10**6, 300_000)) - 2**61
    gaps = np.array([[0, 5], [5, 9], [20, 2**61]]) - 2**61
    clock = [{"from_ps": int(times[0]), "source": "internal", "locked": None},
             {"from_ps": int(times[200_000]), "source": "10 MHz", "locked": True}]  # fmt: skip
    return Recording(Tags(times, rng.integers(0, 256, 300_000), gaps), ("overflow", "lost lock", "unknown"),
                     (17, None, 0), {"tagger": "µ", "clock": clock}, ("one sorted",), ("two lost",))  # fmt: skip


@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".npz"])
@pytest.mark.parametrize("recording", [full(), Recording(Tags([], []))], ids=["full", "empty"])
def test_exports_come_back_exactly(tmp_path, suffix, recording):
    write_recording(tmp_path / f"a{suffix}", recording)
    assert identify(tmp_path / f"a{suffix}").name == {".h5": "hdf5"}.get(suffix, suffix[1:])
    found = read_recording(tmp_path / f"a{suffix}")
    assert_same(found.tags, recording.tags)
    for name in ("reasons", "missed", "about", "repairs", "losses"):
        assert getattr(found, name) == getattr(recording, name), name


def test_a_tag_file_keeps_all_of_a_recording_and_its_story_as_metadata(tmp_path):
    recording = full()
    write_recording(tmp_path / "a.tags", recording)
    found = read_recording(tmp_path / "a.tags")
    assert_same(found.tags, recording.tags)
    assert (found.reasons, found.missed) == (recording.reasons, recording.missed)
    assert found.about == {**recording.about, "repairs_before": ["one sorted"], "losses_before": ["two lost"]}
    write_recording(tmp_path / "b.tags", Recording(Tags([], [])))
    assert len(read_tags(tmp_path / "b.tags")) == 0


def test_a_damaged_tag_file_is_a_recording_with_a_gap_and_a_loss(tmp_path):
    with TagFileWriter(tmp_path / "a.tags", fsync="never") as writer:
        for time in (10, 20, 30):
            writer.append(Tags([time], [0]), ClockState("internal", True))
    raw = bytearray((tmp_path / "a.tags").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "a.tags").write_bytes(raw)
    found = read_recording(tmp_path / "a.tags")
    assert_same(found.tags, Tags([10, 30], [0, 0], [[11, 30]]))
    assert (found.reasons, found.missed) == (("lost to damage",), (1,))
    (loss,) = found.losses
    assert "1 block, 1 tags, between 10 ps and 30 ps" in loss


def test_run_folders_archives_and_pairs_of_arrays(tmp_path):
    about = {"instrument": "alice.tagger", "gaps_ps": [[7, 9]]}
    np.savez(tmp_path / "0001-alice.npz", times_ps=np.array([5, 9]), channels=np.array([1, 2], np.uint8),
             about=np.array(json.dumps(about)))  # fmt: skip
    found = read_recording(tmp_path / "0001-alice.npz")
    assert_same(found.tags, Tags([5, 9], [1, 2], [[7, 9]]))
    assert (found.about, found.reasons) == ({"instrument": "alice.tagger"}, ("unknown",))
    np.save(tmp_path / "x.times.npy", np.array([5, 9]))
    with pytest.raises(ValueError, match=r"no x\.channels\.npy beside it"):
        read_tags(tmp_path / "x.times.npy")
    np.save(tmp_path / "x.channels.npy", np.array([0, 3]))
    assert_same(read_tags(tmp_path / "x.times.npy"), Tags([5, 9], [0, 3]))
    np.save(tmp_path / "x.gaps.npy", np.array([[6, 8]]))
    assert read_tags(tmp_path / "x.times.npy").gaps.tolist() == [[6, 8]]
    with pytest.raises(ValueError, match=r"times are in NAME\.times\.npy"):
        read_tags(tmp_path / "x.channels.npy")


def test_other_peoples_tables_are_named_by_what_is_in_them(tmp_path):
    pa, parquet, h5py = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet", "h5py"))
    parquet.write_table(pa.table({"t": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"has the columns \['t'\]; tags are in 'time_ps'"):
        read_tags(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"time_ps": [1, 4], "channel": [0, 1]}), tmp_path / "b.parquet")
    assert_same(read_tags(tmp_path / "b.parquet"), Tags([1, 4], [0, 1]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["photon_data"] = [1]
    with pytest.raises(ValueError, match=r"it has \['photon_data'\]; tags are in 'times_ps'"):
        read_tags(tmp_path / "a.h5")
    np.savez(tmp_path / "a.npz", x=np.array([1]))
    with pytest.raises(ValueError, match=r"has the arrays \['x'\]; tags are in 'times_ps'"):
        read_tags(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".npz", ".times.npy"])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_table_cut_off_is_an_error_with_its_name(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    if suffix == ".times.npy":
        np.save(path, np.arange(1000))
        np.save(tmp_path / "a.channels.npy", np.zeros(1000, np.uint8))
    else:
        write_recording(path, full())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"a\.(parquet|h5|npz|times\.npy)"):
        read_tags(path)


# --- which format -------------------------------------------------------------------------------------------------

WRONG = [
    ("a.ptu", b"hello, this is text\n", r"is no PicoQuant unified, T2 and T3: it looks like text"),
    (
        "a.tags.gz",
        b"\x1f\x8b\x08\0",
        "in no format that can be told by its content: it looks like compressed with gzip",
    ),
    ("a.qutag", b"%PDF-1.7", "is no qutools quTAG, 10 bytes a tag: it looks like a PDF"),
    ("a.bin", bytes(range(64)), "it looks like bare numbers; if it is one of qutag, swabian"),
    ("a.bin", b"", "it looks like an empty file"),
    ("a.phu", b"PQHISTO\0", "it looks like a PicoQuant histogram"),
    ("a.ttbin", bytes(range(64)), "a Swabian .ttbin, which is closed"),
    ("a.pt3", bytes(range(64)), r"convert it to \.ptu"),
    ("a.tags", b"rubbish", "is no tag file"),
]


@pytest.mark.parametrize(("name", "raw", "message"), WRONG, ids=[f"{n}-{r[:4]!r}" for n, r, _ in WRONG])
def test_a_wrong_file_type_is_named(tmp_path, name, raw, message):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        read_tags(tmp_path / name)


def test_a_format_or_option_that_does_not_exist_is_an_error_with_those_that_do(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="no format 'swab'; there are: tags, ptu"):
        read_tags(tmp_path / "a.bin", "swab")
    with pytest.raises(ValueError, match="qutag has no option 'unit'; it has: unit_ps"):
        read_tags(tmp_path / "a.bin", "qutag", unit=3)
    with pytest.raises(ValueError, match=r"nothing is written as ptu; there are: tags \(\.tags\), npz"):
        write_recording(tmp_path / "b.ptu", full())
    with pytest.raises(ValueError, match=r"nothing is written as \.xyz"):
        write_recording(tmp_path / "b.xyz", full())
    with pytest.raises(FileExistsError, match=r"a\.bin exists already"):
        write_recording(tmp_path / "a.bin", full(), "tags")
    assert (tmp_path / "a.bin").read_bytes() == b""
    with pytest.raises(FileNotFoundError):
        read_tags(tmp_path / "none.tags")


PACKAGES = [
    (".ptu", b"PQTTTR", "ptufile"),
    (".ht3", b"HydraHarp\0\0\0\0\0\0\0001.0\0\0\0", "tttrlib"),
    (".parquet", b"PAR1", "pyarrow"),
    (".h5", b"\x89HDF\r\n\x1a\n", "h5py"),
]


@pytest.mark.parametrize(("suffix", "raw", "package"), PACKAGES, ids=[each[2] for each in PACKAGES])
def test_without_the_package_it_says_which_to_install(tmp_path, monkeypatch, suffix, raw, package):
    (tmp_path / f"a{suffix}").write_bytes(raw)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{package}: pip install 'bellringer\[files\]'"):
        read_tags(tmp_path / f"a{suffix}")


def test_names_and_suffixes_are_unique():
    names = [each.name for each in formats()]
    suffixes = [suffix for each in formats() for suffix in each.suffixes]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)
