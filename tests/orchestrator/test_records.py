"""Run records: whole files or none, nothing lost that was acknowledged, clear errors."""

import json
import os

import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.analysis.files import read_recording
from bellringer.drivers.interfaces import ClockMap
from bellringer.orchestrator.records import RunFolder, TagKeeper, find_run, list_runs, read_run
from bellringer.testbed.errors import BellringerError


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.create(tmp_path, "chsh", "name: x\n", {"sequence": "chsh", "seed": 1})
    yield folder
    if folder._events is not None:
        folder.finish("completed")


def test_what_was_asked_is_written_first(folder):
    asked = json.loads((folder.path / "run.json").read_text())
    assert asked["status"] == "running"
    assert asked["seed"] == 1
    assert (folder.path / "testbed.yaml").read_text() == "name: x\n"


def test_events_are_on_disk_as_they_happen_and_values_are_plain(folder):
    folder.event(12, "set", value=np.float64(0.5), bad=float("nan"), counts=np.arange(3))
    lines = (folder.path / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1]) == {"t_ps": 12, "event": "set", "value": 0.5, "bad": None, "counts": [0, 1, 2]}


def test_tags_come_back_bit_by_bit(folder):
    tags = Tags([1, 2, 2**62 - 1], [1, 2, 1], [[5, 9]])
    clock_map = {"source": "host clock", "locked": True}
    stored = read_recording(folder.path / folder.write_tags(3, "alice", tags, {"label": "x", "clock_map": clock_map}))
    assert (stored.tags.times_ps == tags.times_ps).all()
    assert (stored.tags.channels == tags.channels).all()
    assert stored.tags.gaps.tolist() == [[5, 9]]
    assert stored.about["label"] == "x"


def test_a_file_that_cannot_be_written_leaves_the_old_one(folder):
    folder.write_json("results.json", {"a": 1})
    with pytest.raises(TypeError):
        folder.write_json("results.json", {"a": object()})
    assert json.loads((folder.path / "results.json").read_text()) == {"a": 1}
    assert not list(folder.path.glob("*.part"))


def test_runs_are_found_by_name_and_latest(tmp_path):
    with pytest.raises(BellringerError, match="no run 'latest'"):
        find_run(tmp_path, "latest")
    first = RunFolder.create(tmp_path, "chsh", "", {})
    first.finish("failed")
    assert find_run(tmp_path, "latest") == first.path
    assert find_run(tmp_path, first.name) == first.path
    assert [run["status"] for run in list_runs(tmp_path)] == ["failed"]
    with pytest.raises(BellringerError, match="did you mean"):
        find_run(tmp_path, first.name[:-1] + "_")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"run": "x"}', "\xff"])
def test_a_damaged_record_is_named_and_hides_no_other(tmp_path, text):
    whole, damaged = (RunFolder.create(tmp_path, "chsh", "", {}) for _ in range(2))
    for folder in (whole, damaged):
        folder.finish("completed")
    (damaged.path / "run.json").write_text(text, encoding="latin-1")
    found = {run["run"]: run for run in list_runs(tmp_path)}
    assert {name: run["status"] for name, run in found.items()} == {whole.name: "completed", damaged.name: "damaged"}
    assert str(damaged.path) in found[damaged.name]["error"]
    with pytest.raises(BellringerError, match="record of this run is damaged"):
        read_run(damaged.path)


def test_a_run_that_nobody_writes_any_more_was_interrupted(tmp_path):
    folder = RunFolder.create(tmp_path, "chsh", "", {})
    assert read_run(folder.path)["status"] == "running"
    folder.add(status="paused")
    assert read_run(folder.path)["status"] == "paused"
    folder._events.close()  # as the kernel does for a killed process
    assert read_run(folder.path)["status"] == "interrupted"
    assert [run["status"] for run in list_runs(tmp_path)] == ["interrupted"]


def test_what_is_written_whole_is_on_the_disk_with_its_name(folder, mocker):
    synced = mocker.patch("os.fsync")
    replaced = mocker.spy(os, "replace")
    folder.write_json("results.json", {"a": 1})
    assert [synced.call_count, replaced.call_count] == [2, 1], "the file, then its folder"


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BellringerError, match="cannot make the run folder"):
        RunFolder.create(tmp_path / "file", "chsh", "", {})


def test_a_recording_of_which_half_found_room_leaves_no_file(tmp_path, mocker):
    clock_map = ClockMap(0, 0.0, 0, 0.0, "PPS", True)
    keeper = TagKeeper(tmp_path / "a.tags", clock_map, {}, "never")
    gaps = np.array([[7, 7], [8, 9]])
    keeper.append(np.arange(5), np.ones(5, np.uint8), gaps)
    assert read_recording(tmp_path / "a.tags").tags.gaps.tolist() == [[8, 9]], "an empty gap is none"
    mocker.patch("os.writev", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(BellringerError, match="No space left on device"):
        keeper.append(np.arange(10, 15), np.ones(5, np.uint8), gaps[:0])
    keeper.discard()
    assert list(tmp_path.iterdir()) == []


def test_tags_that_go_back_cannot_be_kept_and_say_so(tmp_path):
    keeper = TagKeeper(tmp_path / "a.tags", ClockMap(0, 0.0, 0, 0.0, "PPS", True), {}, "never")
    with pytest.raises(BellringerError, match=r"these tags cannot be kept: .* not ascending"):
        keeper.append(np.array([5, 4]), np.ones(2, np.uint8), np.empty((0, 2), np.int64))
