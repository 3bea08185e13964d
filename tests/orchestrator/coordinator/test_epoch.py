"""Epochs only grow, whatever happens to the process; a state folder has one coordinator at a time."""

import os
import signal
import subprocess
import sys

import pytest
from bellringer.orchestrator.coordinator import epoch as epoch_module
from bellringer.orchestrator.coordinator.epoch import claim_epoch
from bellringer.orchestrator.coordinator.lock import FolderLock
from bellringer.testbed.errors import BellringerError


def test_every_start_gets_a_higher_epoch(tmp_path):
    assert [claim_epoch(tmp_path) for _ in range(4)] == [1, 2, 3, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch"]


def test_an_epoch_is_above_what_the_nodes_have_seen(tmp_path):
    assert claim_epoch(tmp_path, above=41) == 42
    assert claim_epoch(tmp_path, above=7) == 43


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"x\n", b"-3\n", b"0\n", b"3.5\n", b"\x00\x00\n", b"3\n4\n", "٣\n".encode()]
)
def test_an_unreadable_epoch_file_stops_the_start_and_is_left_alone(tmp_path, content):
    (tmp_path / "epoch").write_bytes(content)
    with pytest.raises(BellringerError, match="not a number above 0") as caught:
        claim_epoch(tmp_path)
    assert caught.value.where == str(tmp_path / "epoch")
    assert "highest epoch that the nodes have seen" in caught.value.hint
    assert (tmp_path / "epoch").read_bytes() == content


def test_an_epoch_file_that_cannot_be_opened_stops_the_start(tmp_path):
    (tmp_path / "epoch").mkdir()
    with pytest.raises(BellringerError, match="cannot be read"):
        claim_epoch(tmp_path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_epoch_that_did_not_reach_the_disk_is_not_used(tmp_path, monkeypatch, step):
    claim_epoch(tmp_path)

    def fails(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(epoch_module.os, step, fails)
        with pytest.raises(BellringerError, match="the new epoch 2 cannot be written"):
            claim_epoch(tmp_path)
    assert (tmp_path / "epoch").read_bytes() == b"1\n"
    assert claim_epoch(tmp_path) == 2


def test_a_second_coordinator_on_a_folder_is_refused_with_the_process_of_the_first(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").write_text("99999999\n")  # of a process that has gone
    with FolderLock(tmp_path / "state"), pytest.raises(BellringerError, match=rf"process {os.getpid()}\n"):
        FolderLock(tmp_path / "state").__enter__()
    with FolderLock(tmp_path / "state"):
        pass


def test_a_killed_coordinator_leaves_no_lock_behind(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from bellringer.orchestrator.coordinator.lock import FolderLock\n"
        "with FolderLock(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as first:
        assert first.stdout.readline() == b"locked\n"
        with pytest.raises(BellringerError, match=rf"process {first.pid}\n"):
            FolderLock(tmp_path).__enter__()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with FolderLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BellringerError, match="cannot use its state folder") as caught:
        FolderLock(tmp_path / "file" / "state").__enter__()
    assert str(tmp_path / "file" / "state") in caught.value.where
