"""``bellringer tags``: what it shows is what the files hold, as tables and as JSON; errors say what, where and next."""

import json
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis import Histogram, Tags
from bellringer.analysis.files import Recording, read_recording, read_tags, write_recording
from bellringer.analysis.tagfile import ClockState, TagFileWriter
from bellringer.console import tags_files
from bellringer.console.main import main
from bellringer.console.tags_correlate import bars
from bellringer.testbed.errors import BellringerError

DATA = Path(__file__).parents[1] / "data"


class Bellringer:
    """The command line in this process; what it printed last is in ``out`` and ``errors``."""

    def __init__(self, capsys, monkeypatch) -> None:
        self._capsys, self._patch = capsys, monkeypatch

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        self._patch.setattr(sys, "argv", ["bellringer", "tags", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        self.out, self.errors = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, self.errors
        return self.out

    def json(self, *words: str | Path):
        return json.loads(self(*words, "--json").splitlines()[-1])

    def fails(self, *words: str | Path) -> str:
        self(*words, code=1)
        return " ".join(self.errors.split())


@pytest.fixture
def bellringer(capsys, monkeypatch) -> Bellringer:
    monkeypatch.setenv("COLUMNS", "100")
    return Bellringer(capsys, monkeypatch)


def pairs(folder: Path, name: str, seconds: float = 1.0, channel: int = 0) -> Path:
    """Write a file of 10 000 pairs a second, channel + 1 coming 2 ns after channel, and as many single tags of each."""
    rng = np.random.default_rng(8)
    first = np.sort(rng.integers(0, int(seconds * 1e12), int(20_000 * seconds)))
    second = np.sort(np.concatenate([first[::2] + 2000, rng.integers(0, int(seconds * 1e12), int(10_000 * seconds))]))
    tags = Tags.merge([Tags(first, np.full(len(first), channel)), Tags(second, np.full(len(second), channel + 1))])
    write_recording(folder / name, Recording(tags))
    return folder / name


# --- info ---------------------------------------------------------------------------------------------------------


def test_info_of_the_recorded_files_has_their_ground_truth(bellringer):
    first, second = bellringer.json("info", DATA / "v30_t2.ptu", DATA / "v20.ht3")
    assert (first["format"], first["tags"], first["from_ps"]) == ("ptu", 305_565, 24_433_765)
    assert [row["tags"] for row in second["channels"]] == [7102, 26_648, 3085, 7306]
    assert "7102" in bellringer("info", DATA / "v20.ht3")


def test_info_tells_of_gaps_clock_twice_tags_and_damage(bellringer, tmp_path):
    with TagFileWriter(tmp_path / "a.tags", {"tagger": "T", "channels": {"3": "herald"}}, fsync="never") as writer:
        writer.append(Tags([1, 1, 5], [3, 3, 0], [[2, 4]]), ClockState("10 MHz in", True), ["overflow"], [77])
        writer.append(Tags([9], [0]), ClockState("10 MHz in", False))
        writer.append(Tags([20], [0]))
    (body,) = bellringer.json("info", tmp_path / "a.tags")
    assert (body["gaps"], body["gap_reasons"], body["missed_events"], body["tags_twice"]) == (1, {"overflow": 1}, 77, 1)
    assert body["clock"][1] == {"from_ps": 9, "source": "10 MHz in", "locked": False}
    assert body["channels"][1]["name"] == "herald"
    assert body["losses"] == []
    raw = bytearray((tmp_path / "a.tags").read_bytes())
    raw[-150] ^= 1
    (tmp_path / "a.tags").write_bytes(raw[:-1])
    shown = bellringer("info", tmp_path / "a.tags")
    for text in ("1 overflow", "77 events missed", "NOT locked", "tagger: T", "same channel): 1", "missing: torn off"):
        assert text in shown


def test_info_lists_the_formats(bellringer):
    assert {"tags", "ptu", "swabian"} <= {each["name"] for each in bellringer.json("info", "--formats")}
    assert "qutools" in bellringer("info")


# --- count --------------------------------------------------------------------------------------------------------


def test_count_shows_singles_pairs_and_groups(bellringer, tmp_path):
    path = pairs(tmp_path, "a.tags")
    body = bellringer.json("count", path, "--window", "1 ns", "--delay", "1=-2 ns")
    (row,) = body["coincidences"]
    assert [each["count"] for each in body["singles"]] == [20_000, 20_000]
    # 10 000 pairs and 20 000^2 x 2 ns = 0.8 accidental ones
    assert 10_000 <= row["count"] <= 10_006
    assert row["heralding"][0]["value"] == pytest.approx(0.5, abs=0.001)
    assert row["accidentals_from_rates"]["value"] == pytest.approx(0.8, rel=0.01)
    assert row["car"]["value"] > 3000
    without = bellringer.json(
        "count", path, "--window", "1 ns", "--group", "0,1", "--group", "1", "--how", "one_to_one"
    )
    assert without["coincidences"][0]["count"] < 10
    assert without["coincidences"][1]["count"] == 20_000
    assert "0, 1" in bellringer("count", path, "--window", "1 ns", "--delay", '1="-2 ns"')


def test_several_files_are_one_stream_with_channels_of_their_own(bellringer, tmp_path):
    write_recording(tmp_path / "a.tags", Recording(Tags([10, 50], [0, 3])))
    write_recording(tmp_path / "b.npz", Recording(Tags([12, 90], [0, 1])))
    body = bellringer.json("count", tmp_path / "a.tags", tmp_path / "b.npz", "--group", "0,4", "--window", "2 ps")
    assert body["coincidences"][0]["count"] == 1
    assert body["notes"] == ["b.npz: channel numbers are raised by 4"]
    write_recording(tmp_path / "c.tags", Recording(Tags([1], [253])))
    assert "more than 256 channels" in bellringer.fails("count", tmp_path / "a.tags", tmp_path / "c.tags")


def test_tags_in_gaps_do_not_count_and_the_live_time_is_less(bellringer, tmp_path):
    write_recording(tmp_path / "a.tags", Recording(Tags([0, 5, 50, 55, 99], [0, 1, 0, 1, 0], [[40, 60]])))
    body = bellringer.json("count", tmp_path / "a.tags", "--window", "10 ps")
    assert body["coincidences"][0]["count"] == 1
    assert body["tags_in_gaps"] == 2
    assert body["live_s"] == pytest.approx(80e-12)
    assert "2 tags lie in gaps" in bellringer("count", tmp_path / "a.tags")


def test_an_empty_file_counts_nothing(bellringer, tmp_path):
    write_recording(tmp_path / "a.tags", Recording(Tags([], [])))
    assert bellringer.json("count", tmp_path / "a.tags")["coincidences"] == []
    assert bellringer.json("correlate", tmp_path / "a.tags")["peak"]["centre"]["value"] is None
    assert "0 tags" in bellringer("info", tmp_path / "a.tags")


def test_count_info_and_correlate_hold_a_few_blocks_of_a_long_file(bellringer, tmp_path):
    """Files of 10 and of 40 blocks of 100 000 tags, 0.9 MB each in memory; an hour of tags takes no more."""
    peaks = []
    for blocks in (10, 40):
        path = tmp_path / f"{blocks}.tags"
        with TagFileWriter(path, fsync="never") as writer:
            for number in range(blocks):
                times = number * 10**11 + np.arange(0, 10**11, 10**6)
                writer.append(Tags(times, np.arange(len(times)) % 2))
        for words in (["count", "--delay", "1=1 ns"], ["correlate"], ["info"]):
            bellringer.json(*words, path)  # loads what it needs
            tracemalloc.start()
            bellringer.json(*words, path)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    short, long = peaks[:3], peaks[3:]
    assert all(more < 1.25 * less for less, more in zip(short, long)), (short, long)
    assert max(long) < 20 * 900_000


# --- correlate ----------------------------------------------------------------------------------------------------


def test_correlate_finds_the_peak_and_draws_it(bellringer, tmp_path):
    path = pairs(tmp_path, "a.tags")
    body = bellringer.json("correlate", path, "--span", "50 ns")
    assert body["peak"]["centre"]["value"] == pytest.approx(2049.5)
    assert sum(body["counts"]) == pytest.approx(10_000 + 20_000**2 * 100e-9, abs=40)
    for name in ("a.png", "a.svg"):
        shown = bellringer("correlate", path, "--span", "50 ns", "--plot", tmp_path / name)
        assert "peak at 2049" in shown
        assert "█" in shown
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    flat = bellringer("correlate", path, "--span", "50 ns", "--delay", "1=1 us")
    assert "no peak" in flat


def test_bars_fit_their_width_and_show_every_bin_by_its_highest():
    counts = np.zeros(1000, np.int64)
    counts[500], counts[0] = 800, 100
    lines = bars(Histogram(counts, np.arange(-50_000, 50_001, 100)), 60)
    assert all(len(line) <= 62 for line in lines)
    assert lines[0].endswith(" 800")
    assert [line.count("█") for line in lines[:8]] == [1] * 7 + [2]
    assert lines[-1].startswith("-50 ns")
    assert lines[-1].endswith("50 ns")


# --- convert, repair ----------------------------------------------------------------------------------------------


def test_convert_keeps_the_tags_and_never_overwrites(bellringer, tmp_path):
    for source, target in (("v20.ht3", "a.tags"), ("v30_t2.ptu", "b.parquet"), ("v30_t2.ptu", "c.h5")):
        body = bellringer.json("convert", DATA / source, tmp_path / target)
        before, after = read_tags(DATA / source), read_tags(tmp_path / target)
        assert body["tags"] == len(after)
        assert np.array_equal(before.times_ps, after.times_ps)
        assert np.array_equal(before.channels, after.channels)
    assert "bytes a tag" in bellringer("convert", tmp_path / "b.parquet", tmp_path / "d.npz")
    assert "there is such a file already" in bellringer.fails("convert", DATA / "v20.ht3", tmp_path / "a.tags")
    assert "nothing is written as ptu" in bellringer.fails("convert", tmp_path / "a.tags", tmp_path / "x.ptu")


def test_repair_brings_a_sound_file_and_tells_what_is_lost(bellringer, tmp_path):
    path = tmp_path / "a.tags"
    with TagFileWriter(path, fsync="never") as writer:
        for time in range(5):
            writer.append(Tags([10 * time], [0]))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw[:-50])
    shown = bellringer("repair", path)
    assert "missing: damaged or missing" in shown
    assert "torn off" in shown
    assert read_tags(tmp_path / "a.repaired.tags").times_ps.tolist() == [0, 10, 30, 40]
    assert bellringer.json("repair", path, tmp_path / "b.tags")["blocks"] == 4
    assert "there is such a file already" in bellringer.fails("repair", path)
    assert "is no tag file" in bellringer.fails("repair", DATA / "v20.ht3")
    sound = bellringer("repair", tmp_path / "a.repaired.tags", tmp_path / "c.tags")
    assert "4 blocks" in sound


# --- errors -------------------------------------------------------------------------------------------------------

WRONG = [
    (["info", "none.tags"], "No such file", "check its name"),
    (["info", "text.bin"], "it looks like text", "--formats"),
    (["info", "numbers.bin"], "it looks like bare numbers; if it is one of qutag", "--formats"),
    (["info", "numbers.bin", "--format", "swab"], "no format 'swab'", "--formats"),
    (["info", "numbers.bin", "--format", "qutag", "--option", "unit"], "no NAME=NUMBER", "unit_ps=81"),
    (["count", "a.npz", "--window", "5"], "a number without a unit", "5 ps"),
    (["count", "a.npz", "--window", "5 V"], "not a quantity in ps", "1 ns"),
    (["count", "a.npz", "--window", "0.5 ps"], "not a whole number of ps", "250 ps"),
    (["count", "a.npz", "--group", "x"], "no list of channels", "--group 0,1"),
    (["count", "a.npz", "--how", "most"], "how is 'most'", "count --help"),
    (["count", "a.npz", "--delay", "5"], "names no channel", "--delay 1="),
    (["correlate", "a.npz", "--bin", "300 ps", "--span", "1 ns"], "no whole number of bins", "correlate --help"),
    (["correlate", "a.npz", "--plot", "x.gif"], ".png or .svg", "g2.svg"),
]


@pytest.mark.parametrize(("words", "what", "hint"), WRONG, ids=[" ".join(words) for words, *_ in WRONG])
def test_errors_say_what_and_what_next(bellringer, tmp_path, monkeypatch, words, what, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.bin").write_text("hello\n")
    (tmp_path / "numbers.bin").write_bytes(bytes(range(64)))
    write_recording(tmp_path / "a.npz", Recording(Tags([1, 2], [0, 1])))
    told = bellringer.fails(*words)
    assert told.startswith("error: ")
    assert what in told
    assert hint in told.partition("next:")[2]


def test_a_missing_package_is_named_with_the_command_that_brings_it(bellringer, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ptufile", None)
    told = bellringer.fails("info", DATA / "v30_t2.ptu")
    assert "reading .ptu files takes ptufile" in told
    assert "next: pip install 'bellringer[files]'" in told


def test_a_bar_shows_only_what_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(tags_files, "PATIENCE_S", 0.0)
    with tags_files.Slow("reading a.tags", 10) as bar:
        bar._timer.join()
        bar.at(5)
    assert "reading a.tags" in capsys.readouterr().err
    monkeypatch.setattr(tags_files, "PATIENCE_S", 60.0)
    with pytest.raises(BellringerError), tags_files.Slow("reading a.tags"):
        raise BellringerError("x")
    assert capsys.readouterr().err == ""


def test_a_run_folders_gaps_are_kept(bellringer, tmp_path):
    np.savez(tmp_path / "0001-alice.npz", times_ps=np.array([5, 9]), channels=np.array([1, 2], np.uint8),
             about=np.array(json.dumps({"instrument": "alice.tagger", "gaps_ps": [[6, 8]]})))  # fmt: skip
    bellringer("convert", tmp_path / "0001-alice.npz", tmp_path / "a.tags")
    assert read_recording(tmp_path / "a.tags").about == {"instrument": "alice.tagger"}
    assert read_tags(tmp_path / "a.tags").gaps.tolist() == [[6, 8]]
