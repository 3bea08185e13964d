"""What was acknowledged survives every crash; what was torn was never acknowledged; damage is refused, not skipped."""

import os
import signal

import pytest
from bellringer.orchestrator.coordinator import journal as journal_module
from bellringer.orchestrator.coordinator.journal import Journal
from bellringer.orchestrator.coordinator.terms import Change, Ending
from bellringer.testbed.errors import BellringerError

BODIES = [
    ("registered", {"node": "alice", "instruments": ["alice.laser"]}),
    ("estop", {"who": "änna", "reason": 'smoke\nat "Bob"', "number": 1}),
    ("ack", {"node": "", "number": 1}),
]


def utc():
    return "2026-01-31T12:05:00+00:00"


def written(folder):
    with Journal(folder, utc) as journal:
        for what, body in BODIES:
            journal.append(3, what, body)
    return (folder / "journal.jsonl").read_bytes()


def contents(folder):
    with Journal(folder, utc) as journal:
        return [(record.what, record.body) for record in journal.records]


def test_what_was_written_comes_back_in_order(tmp_path):
    assert written(tmp_path).count(b"\n") == len(BODIES)
    with Journal(tmp_path, utc) as journal:
        assert [(record.n, record.utc, record.epoch) for record in journal.records] == [
            (n, utc(), 3) for n in (1, 2, 3)
        ]
    assert contents(tmp_path) == BODIES


def test_cut_at_every_byte_all_whole_records_survive_and_new_ones_follow(tmp_path):
    data = written(tmp_path)
    path = tmp_path / "journal.jsonl"
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        whole = data[:length].count(b"\n")
        with Journal(tmp_path, utc) as journal:
            assert [(record.what, record.body) for record in journal.records] == BODIES[:whole]
            journal.append(4, "released", {"run": "r"})
        assert contents(tmp_path) == [*BODIES[:whole], ("released", {"run": "r"})]


def test_every_damaged_record_before_the_end_is_refused_with_its_line(tmp_path):
    lines = written(tmp_path).splitlines(keepends=True)
    path = tmp_path / "journal.jsonl"
    for number in range(len(lines)):
        for damage in (b"\n", b"\x00" * 20 + b"\n", b"\xff\n", lines[number].replace(b'"n"', b'"m"'), b""):
            damaged = b"".join([*lines[:number], damage, *lines[number + 1 :]])
            if damage == b"" and number == len(lines) - 1:
                continue  # a missing last record leaves no trace
            path.write_bytes(damaged)
            with pytest.raises(BellringerError, match="journal is damaged") as caught:
                Journal(tmp_path, utc)
            assert caught.value.where == f"{path}:{number + 1}"
            assert path.read_bytes() == damaged


@pytest.mark.parametrize("step", ["write", "fdatasync"])
def test_a_record_that_did_not_reach_the_disk_is_an_error(tmp_path, monkeypatch, step):
    def fails(*args):
        raise OSError(28, "No space left on device")

    with Journal(tmp_path, utc) as journal, monkeypatch.context() as patched:
        patched.setattr(journal_module.os, step, fails)
        with pytest.raises(BellringerError, match="No space left") as caught:
            journal.append(1, "estop", {})
    assert "the nodes go dark" in caught.value.hint


def test_a_record_that_was_written_in_part_is_an_error_and_cut_off_at_the_next_start(tmp_path, monkeypatch):
    real = journal_module.os.write
    with Journal(tmp_path, utc) as journal:
        journal.append(1, "estop", {})
        with monkeypatch.context() as patched:
            patched.setattr(journal_module.os, "write", lambda descriptor, data: real(descriptor, data[:10]))
            with pytest.raises(BellringerError, match="only part"):
                journal.append(1, "ack", {"node": ""})
    assert contents(tmp_path) == [("estop", {})]


def test_a_journal_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(BellringerError, match="cannot be used") as caught:
        Journal(tmp_path, utc)
    assert caught.value.where == str(tmp_path / "journal.jsonl")


SHORT = [Change("estop", {"number": 7}), Change("owned", {"run": "r"})]


def test_a_compacted_journal_holds_what_it_was_given_and_goes_on(tmp_path):
    written(tmp_path)
    with Journal(tmp_path, utc) as journal:
        journal.compact(4, SHORT)
        journal.append(4, "released", {"run": "r"})
        assert journal.path.stat().st_mode & 0o777 == 0o600
    assert contents(tmp_path) == [*((change.name, change.body) for change in SHORT), ("released", {"run": "r"})]


@pytest.mark.parametrize("step", ["fsync", "replace", "close"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_is_compacted_the_journal_is_the_old_one_or_the_new_one(tmp_path, step, moment):
    before = written(tmp_path)
    child = os.fork()
    if child == 0:  # the child never returns to pytest
        plain = getattr(os, step)

        def killed(*arguments):
            if moment == "after":
                plain(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        journal = Journal(tmp_path, utc)
        setattr(journal_module.os, step, killed)
        journal.compact(4, SHORT)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    after = (tmp_path / "journal.jsonl").read_bytes()
    if after != before:
        assert (step, moment) in {("replace", "after")}
        assert contents(tmp_path) == [(change.name, change.body) for change in SHORT]
    else:
        assert contents(tmp_path) == BODIES
        with Journal(tmp_path, utc) as journal:
            journal.compact(5, SHORT)  # what the killed one left behind is in nobody's way
        assert len(contents(tmp_path)) == len(SHORT)


def test_a_journal_that_cannot_be_compacted_ends_the_coordinator(tmp_path, monkeypatch):
    written(tmp_path)

    def fails(*_):
        raise OSError(28, "No space left on device")

    with Journal(tmp_path, utc) as journal:
        monkeypatch.setattr(journal_module.os, "replace", fails)
        with pytest.raises(Ending, match="No space left"):
            journal.compact(4, SHORT)
