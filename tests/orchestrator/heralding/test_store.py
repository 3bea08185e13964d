"""The coordinator's store: one number, one end, one result of each party, one row a pair, and one coordinator."""

import pytest
from bellringer.orchestrator.coordinator.terms import Ending
from bellringer.orchestrator.heralding.delivery import Pair
from bellringer.orchestrator.heralding.entries import Corrected
from bellringer.orchestrator.heralding.store import Row, Store

ROW = Row(3_000_000_001, "run", 3, 10**12, "digest", {"alice": "cal 7"})


def pair(hseq=1, k=1, run="run", **changes):
    corrected = Corrected(run, ROW.batch, hseq, k, "psi-", "Z", 10**12 + 5, 5, "")
    return Pair(**{**vars(Pair(run, ROW.batch, hseq, k, "psi-", 10**12, {"alice": corrected})), **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "batches.sqlite"


def test_everything_is_there_after_it_is_opened_again(path):
    with Store(path, 3) as store:
        store.allocate(ROW, b"program")
        store.commit(ROW.batch)
        assert store.record("run", ROW.batch, "alice", b"body") == "new"
        assert store.deliver([pair()]) == [pair()]
    with Store(path, 4) as store:
        (row,) = store.open_batches()
        assert row == Row(**{**vars(ROW), "committed": True})
        assert store.program("digest") == b"program"
        assert store.results("run", ROW.batch) == {"alice": b"body"}
        (kept,) = store.pairs("run")
        assert (kept["batch"], kept["hseq"], kept["k"], kept["label"]) == (ROW.batch, 1, 1, "psi-")
        assert kept["digest"] == ROW.digest
        assert kept["corrected"] == {
            "alice": {"operation": "Z", "applied_ps": 10**12 + 5, "age_ps": 5, "basis": "", "bit": -1}
        }


def test_a_number_is_used_once(path):
    with Store(path, 3) as store:
        store.allocate(ROW, b"program")
        with pytest.raises(Ending, match="UNIQUE"):
            store.allocate(ROW, b"program")
        assert len(store.open_batches()) == 1


def test_the_same_result_again_is_the_same_and_another_one_is_a_conflict_that_is_kept(path):
    with Store(path, 3) as store:
        assert [store.record("run", 1, "alice", body) for body in (b"a", b"a", b"b", b"b")] == [
            "new",
            "same",
            "conflict",
            "conflict",
        ]
        assert store.record("run", 1, "bob", b"b") == "new"
        assert store.results("run", 1) == {"alice": b"a", "bob": b"b"}
        assert store._db.execute("SELECT party, body FROM conflicts").fetchall() == [("alice", b"b")]


def test_a_batch_has_one_end(path):
    with Store(path, 3) as store:
        store.allocate(ROW, b"program")
        assert store.conclude(ROW.batch, "RECORDED", "", {"delivered": 1}, [pair()]) == [pair()]
        assert store.conclude(ROW.batch, "VOID", "too late", {}, [pair()]) == []
        assert store.batch(ROW.batch).state == "RECORDED"
        assert store.open_batches() == []
        assert store.batch(77) is None


def test_a_pair_is_new_once_by_its_number_and_by_its_attempt(path):
    with Store(path, 3) as store:
        store.allocate(ROW, b"program")
        first, same_k = pair(1, 1), pair(2, 1)
        assert store.deliver([first, pair(1, 9), same_k, pair(3, 3)]) == [first, pair(3, 3)]
        assert store.deliver([first]) == []
        assert [kept["hseq"] for kept in store.pairs("run")] == [1, 3]
        assert store.pairs("another run") == []


def test_a_later_coordinator_shuts_out_the_one_before_it_and_the_one_before_cannot_come_back(path):
    with Store(path, 3) as old, Store(path, 4) as new:
        calls = [
            lambda: old.allocate(ROW, b"program"),
            lambda: old.commit(ROW.batch),
            lambda: old.record("run", 1, "alice", b"a"),
            lambda: old.deliver([pair()]),
            lambda: old.conclude(ROW.batch, "VOID", "", {}),
            lambda: Store(path, 3),
        ]
        for call in calls:
            with pytest.raises(Ending, match="a coordinator with epoch 4 has the store"):
                call()
        new.allocate(Row(4_000_000_001, "run", 4, 10**12, "digest", {}), b"program")
        assert [row.batch for row in new.open_batches()] == [4_000_000_001]


def test_what_fails_in_a_transaction_leaves_nothing(path):
    with Store(path, 3) as store:
        store.allocate(ROW, b"program")
        with pytest.raises(AttributeError):
            store.conclude(ROW.batch, "RECORDED", "", {}, [pair(), None])
        assert store.batch(ROW.batch).state == ""
        assert store.pairs("run") == []


def test_a_store_that_cannot_be_opened_or_is_none_is_named(tmp_path):
    with pytest.raises(Ending, match="cannot be used") as caught:
        Store(tmp_path, 1)
    assert caught.value.where == str(tmp_path)
    (tmp_path / "text").write_text("this is no database, but it is long enough to be looked at" * 20)
    with pytest.raises(Ending, match="not a database"):
        Store(tmp_path / "text", 1)


def test_commits_are_durable_by_sqlites_own_settings(path):
    with Store(path, 3) as store:
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
