"""A node's journal: what was synced survives everything, what was not may go, and a promise that broke is noticed."""

import os
import random

import pytest
from bellringer.orchestrator.heralding import frames
from bellringer.orchestrator.heralding.disk import FolderDisk
from bellringer.orchestrator.heralding.entries import (
    Acknowledged,
    Barred,
    Ended,
    Heralded,
    Met,
    Opened,
    result_of,
)
from bellringer.orchestrator.heralding.journal import RETAINED, NodeJournal
from bellringer.testbed.errors import BellringerError
from hypothesis import given, settings
from hypothesis import strategies as st

from .simulated_disk import ForgetfulDisk

SIZE = 2048


def heralded(batch, hseq):
    return Heralded("run", batch, hseq, hseq, 5, 10**12 + hseq, "psi-", "")


def batch(number, heralds=3, acknowledged=True):
    """Return the entries of one batch."""
    records = tuple(heralded(number, hseq) for hseq in range(heralds))
    ended = Ended("run", number, 1, 10**12, "d", True, "", 100, 0, 0, records)
    return [
        Opened("run", number, 1, 10**12, "d"),
        *records,
        ended,
        *([Acknowledged("run", number)] if acknowledged else []),
    ]


def keep(disk, entries, size=SIZE):
    journal = NodeJournal(disk, size)
    for entry in entries:
        journal.append(entry)
        journal.sync()
    return journal


def results(disk, size=SIZE):
    return {key[1]: result_of(body) for key, body in NodeJournal(disk, size).recovered.results.items()}


def test_what_was_synced_comes_back_with_the_records_of_each_result():
    disk = ForgetfulDisk()
    keep(disk, [Met(4), Barred(2), *batch(3), *batch(4, acknowledged=False), *batch(5, acknowledged=False)[:3]])
    recovered = NodeJournal(disk, SIZE).recovered
    assert (recovered.epoch, recovered.mark) == (4, 5)
    assert list(recovered.results) == [("run", 4)]
    assert result_of(recovered.results["run", 4]) == batch(4)[-2]
    assert result_of(recovered.acknowledged["run", 3]) == batch(3)[-2]
    opened, records = recovered.unfinished
    assert opened.batch == 5
    assert records == [heralded(5, 0), heralded(5, 1)]


def test_many_entries_share_one_sync():
    disk = ForgetfulDisk()
    journal = NodeJournal(disk, 1 << 16)
    before = disk.syncs
    for hseq in range(500):
        journal.append(heralded(1, hseq))
    assert journal.sync() == 500
    assert disk.syncs == before + 1
    assert journal.sync() == 500
    assert disk.syncs == before + 1


def test_cut_at_every_byte_all_whole_entries_survive_and_new_ones_follow():
    entries = [Met(1), *batch(1)]
    whole = ForgetfulDisk()
    journal = NodeJournal(whole, SIZE)
    ends = []
    for entry in entries:  # never synced, so nothing was promised
        journal.append(entry)
        ends.append(journal._offset)
    (name,) = journal._files
    data = bytes(whole.seen[name])
    for length in range(ends[-1] + 1):
        disk = ForgetfulDisk()
        disk.create(name, SIZE)
        disk.write(name, 0, data[:length])
        survivors = sum(end <= length for end in ends)
        again = NodeJournal(disk, SIZE)
        assert again.append(Met(9)) == survivors + 1
        again.sync()
        third = NodeJournal(disk, SIZE)
        assert third.recovered.epoch == 9
        assert third.append(Met(9)) == survivors + 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 2**32))
def test_after_a_power_cut_everything_synced_is_there_and_what_is_there_is_a_beginning(synced, seed):
    """Unsynced writes survive in any selection, also in part; files change, and the cut may come twice."""
    dice, disk = random.Random(seed), ForgetfulDisk()
    written, promised = [], 0
    for _ in range(2):
        journal = NodeJournal(disk, 512)
        for sync in synced:
            entry = heralded(1, len(written))
            journal.append(entry)
            written.append(entry)
            if sync:
                journal.sync()
                promised = len(written)
        disk.power_cut(dice)
        there = NodeJournal(disk, 512).recovered.records.get(("run", 1), [])
        assert there == written[: len(there)]
        assert len(there) >= promised
        written, promised = there, len(there)


def test_a_promise_that_cannot_be_read_any_more_is_damage_with_its_place():
    entries = [Met(1), *batch(1)]
    for number in range(len(entries) - 1):  # the last one's loss nobody could notice
        disk = ForgetfulDisk()
        journal = NodeJournal(disk, SIZE)
        offsets = []
        for entry in entries:
            offsets.append(journal._offset)
            journal.append(entry)
            journal.sync()
        (name,) = journal._files
        disk.seen[name][offsets[number] + frames.OVERHEAD] ^= 0x40
        with pytest.raises(BellringerError, match=f"entry {number + 1} was on disk") as caught:
            NodeJournal(disk, SIZE)
        assert caught.value.where == f"{name}, byte {offsets[number]}"


def test_what_lay_behind_a_hole_never_follows_a_new_entry():
    disk = ForgetfulDisk()
    journal = NodeJournal(disk, SIZE)
    for hseq in (1, 2, 3):
        journal.append(heralded(1, hseq))
    (name,) = journal._files
    length = journal._offset // 3
    disk.write(name, length, bytes(length))  # of three writes the power cut took the second one only
    keep(disk, [heralded(1, 7)])
    assert NodeJournal(disk, SIZE).recovered.records["run", 1] == [heralded(1, 1), heralded(1, 7)]


def test_an_entry_of_another_version_is_no_torn_end():
    disk = ForgetfulDisk()
    journal = keep(disk, [Met(1)])
    (name,) = journal._files
    disk.write(name, journal._offset, frames.pack(2, 1, b"\x81\xa5entry\xa3new"))
    with pytest.raises(BellringerError, match="entry 2 of the journal of batches cannot be understood"):
        NodeJournal(disk, SIZE)


def test_files_go_when_everything_in_them_was_acknowledged_and_take_no_promise_along():
    disk = ForgetfulDisk()
    journal = keep(disk, [Met(7), *batch(1, acknowledged=False)])
    for number in range(2, 200):
        for entry in batch(number):
            journal.append(entry)
        journal.sync()
    assert "batches-00000001" in disk.names()  # batch 1 was not acknowledged
    journal.append(Acknowledged("run", 1))
    journal.sync()
    assert len(disk.names()) == RETAINED + 2
    recovered = NodeJournal(disk, SIZE).recovered
    assert (recovered.epoch, recovered.mark) == (7, 199)
    assert recovered.results == {}
    assert recovered.unfinished is None


def test_a_result_whose_acknowledgement_was_lost_still_has_its_records():
    """Files may go only after the acknowledgement is on disk, or the result would come back with another body."""
    disk = ForgetfulDisk()
    journal = keep(disk, batch(1, 40, acknowledged=False))
    for number in range(2, 60):
        for entry in batch(number):
            journal.append(entry)
        journal.sync()
    journal.append(Acknowledged("run", 1))
    disk.power_cut(random.Random(0))
    there = results(disk).get(1)
    assert there is None or there == batch(1, 40)[-2]


def test_row_36_without_room_for_a_reserve_the_batch_is_finished_and_no_other_may_begin():
    disk = ForgetfulDisk(room=2 * SIZE)
    journal = NodeJournal(disk, SIZE)
    assert journal.room
    for entry in batch(1, 25, acknowledged=False):
        journal.append(entry)
    journal.sync()
    assert not journal.room
    assert not journal.make_room()
    assert results(disk)[1] == batch(1, 25)[-2]
    disk.room = None
    assert journal.make_room()
    assert journal.room


def test_row_36_a_batch_beyond_the_reserve_ends_with_an_error_and_what_was_synced_is_whole():
    disk = ForgetfulDisk(room=2 * SIZE)
    journal = NodeJournal(disk, SIZE)
    synced = []

    def fill():
        for hseq in range(1000):
            journal.append(heralded(1, hseq))
            journal.sync()
            synced.append(heralded(1, hseq))

    with pytest.raises(BellringerError, match="No space left") as caught:
        fill()
    assert "stays dark" in caught.value.hint
    with pytest.raises(BellringerError, match="an earlier write failed"):
        journal.append(Met(1))
    with pytest.raises(BellringerError, match="an earlier write failed"):
        journal.sync()
    disk.room = None
    assert NodeJournal(disk, SIZE).recovered.records["run", 1] == synced


def test_a_disk_without_any_room_is_told_at_once():
    with pytest.raises(BellringerError, match="No space left"):
        NodeJournal(ForgetfulDisk(room=100), SIZE)


def test_on_a_real_folder_it_is_the_same(tmp_path):
    with NodeJournal(FolderDisk(tmp_path / "batches"), 4096) as journal:
        for number in range(1, 60):
            for entry in batch(number, acknowledged=number > 50):
                journal.append(entry)
            journal.sync()
        with pytest.raises(FileNotFoundError):
            journal._disk.read("batches-99999999")
    files = sorted(path for path in (tmp_path / "batches").iterdir())
    assert {path.stat().st_size for path in files} == {4096}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    (tmp_path / "batches" / "batches-00009999.part").write_bytes(b"left by a process that died")
    with NodeJournal(FolderDisk(tmp_path / "batches"), 4096) as journal:
        assert [key[1] for key in journal.recovered.results] == list(range(1, 51))
        assert result_of(journal.recovered.results["run", 7]) == batch(7)[-2]
        journal.append(Acknowledged("run", 1))
        journal.sync()
    with NodeJournal(FolderDisk(tmp_path / "batches"), 4096) as journal:
        assert ("run", 1) not in journal.recovered.results


def test_a_write_that_the_system_takes_only_in_part_is_an_error(tmp_path, monkeypatch):
    real = os.pwrite
    with NodeJournal(FolderDisk(tmp_path), 4096) as journal:
        journal.append(Met(3))
        journal.sync()
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", lambda descriptor, data, at: real(descriptor, data[:9], at))
            with pytest.raises(BellringerError, match="only part"):
                journal.append(Met(4))
    with NodeJournal(FolderDisk(tmp_path), 4096) as journal:
        assert journal.recovered.epoch == 3
