"""The coordinator's store of batches, results, pairs, and requests for them: in SQLite, every call one durable
transaction.

Batches have one number and one end, results one body for each (run, batch, party), pairs one row for each (batch, hseq)
and (batch, k): whatever is sent twice is kept once, and a contradiction is noticed. A coordinator with a higher epoch
that opens the store shuts out the one before it, within the same transactions.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ..coordinator.terms import Ending
from .delivery import Pair
from .entries import body_hash

Stored = Literal["new", "same", "conflict"]

_TOLD = ("operation", "applied_ps", "age_ps", "basis", "bit")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS programs (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    batch INTEGER PRIMARY KEY, run TEXT NOT NULL, epoch INTEGER NOT NULL, start_ps INTEGER NOT NULL,
    digest TEXT NOT NULL, calibrations TEXT NOT NULL, committed INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', counts TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS open_batches ON batches (batch) WHERE state = '';
CREATE TABLE IF NOT EXISTS results (
    run TEXT NOT NULL, batch INTEGER NOT NULL, party TEXT NOT NULL, hash TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (run, batch, party)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflicts (
    run TEXT NOT NULL, batch INTEGER NOT NULL, party TEXT NOT NULL, hash TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (run, batch, party, hash)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairs (
    n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, batch INTEGER NOT NULL, hseq INTEGER NOT NULL,
    k INTEGER NOT NULL, label TEXT NOT NULL, t_ps INTEGER NOT NULL, corrected TEXT NOT NULL,
    UNIQUE (batch, hseq), UNIQUE (batch, k));
CREATE TABLE IF NOT EXISTS requests (
    n INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL UNIQUE, who TEXT NOT NULL, asked TEXT NOT NULL,
    reply TEXT NOT NULL, end TEXT NOT NULL DEFAULT 'null');
CREATE INDEX IF NOT EXISTS open_requests ON requests (n) WHERE end = 'null';
CREATE TABLE IF NOT EXISTS told (
    request TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (request, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_of_runs ON batches (run);
CREATE TABLE IF NOT EXISTS spent (
    batch INTEGER PRIMARY KEY, attempts INTEGER NOT NULL, seconds REAL NOT NULL, counts TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Asked:
    """A request as it was accepted: by which key, its fields, the reply, and its end, None until then."""

    request: str
    who: str
    asked: Mapping[str, Any]
    reply: Mapping[str, Any]
    end: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Row:
    """One batch as it was allocated; ``state`` is "" until its end, ``calibrations`` are by party."""

    batch: int
    run: str
    epoch: int
    start_ps: int
    digest: str
    calibrations: Mapping[str, str]
    committed: bool = False
    state: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Spent:
    """What a batch took, as all its parties said.

    Attributes:
        attempts: made.
        seconds: of them, s.
        counts: what became of the heralds among them.
    """

    batch: int
    run: str
    attempts: int
    seconds: float
    counts: Mapping[str, int]


class Store:
    """The store, opened by the coordinator with this epoch.

    Args:
        path: the file; ":memory:" is one that is lost with the process.
        epoch: the coordinator's. Every call of one with a lower epoch raises from now on.

    Raises (also every method):
        Ending: another coordinator with a higher epoch has the store, or the disk did not take it.
    """

    def __init__(self, path: Path | str, epoch: int) -> None:
        self._epoch, self._where = epoch, str(path)
        try:
            self._db = sqlite3.connect(str(path), isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        self._claim()

    def _claim(self) -> None:
        with self._writing():
            self._db.execute(
                "INSERT INTO fence VALUES (1, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch", (self._epoch,)
            )

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing: durable when it returns -----------------------------------------------------------------------

    def allocate(self, row: Row, program: bytes) -> None:
        """Keep a new batch; its number must never have been there."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO programs VALUES (?, ?)", (row.digest, program))
            db.execute(
                "INSERT INTO batches (batch, run, epoch, start_ps, digest, calibrations) VALUES (?, ?, ?, ?, ?, ?)",
                (row.batch, row.run, row.epoch, row.start_ps, row.digest, json.dumps(dict(row.calibrations))),
            )

    def commit(self, batch: int) -> None:
        """Keep the decision that a batch begins."""
        with self._writing() as db:
            db.execute("UPDATE batches SET committed = 1 WHERE batch = ?", (batch,))

    def record(self, run: str, batch: int, party: str, body: bytes) -> Stored:
        """Keep a party's result; one with another body than the one that is there is kept apart."""
        key, digest = (run, batch, party), body_hash(body)
        with self._writing() as db:
            known = db.execute("SELECT hash FROM results WHERE run = ? AND batch = ? AND party = ?", key).fetchone()
            if known is None:
                db.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?)", (*key, digest, body))
                return "new"
            if known[0] == digest:
                return "same"
            db.execute("INSERT OR IGNORE INTO conflicts VALUES (?, ?, ?, ?, ?)", (*key, digest, body))
            return "conflict"

    def deliver(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Keep pairs and return those that were not there before."""
        with self._writing() as db:
            return self._deliver(db, pairs)

    def conclude(
        self,
        batch: int,
        state: str,
        reason: str,
        counts: Mapping[str, int],
        pairs: Iterable[Pair] = (),
        spent: Spent | None = None,
    ) -> list[Pair]:
        """Keep a batch's one end, and with it the pairs found last; return those that were not there before."""
        with self._writing() as db:
            if spent is not None:
                self._spend(db, spent)
            db.execute(
                "UPDATE batches SET state = ?, reason = ?, counts = ? WHERE batch = ? AND state = ''",
                (state, reason, json.dumps(dict(counts)), batch),
            )
            return self._deliver(db, pairs)

    def settle(self, spent: Spent) -> None:
        """Keep what a batch took that had ended before that was known."""
        with self._writing() as db:
            self._spend(db, spent)

    def tell(
        self,
        begun: Iterable[Asked],
        pairs: Iterable[tuple[str, Mapping[str, Any]]],
        ends: Iterable[tuple[str, Mapping[str, Any]]],
    ) -> None:
        """Keep what clients are told from now on: requests, (request, pair with its ``number``), (request, end)."""
        with self._writing() as db:
            db.executemany(
                "INSERT INTO requests (request, who, asked, reply) VALUES (?, ?, ?, ?)",
                [(each.request, each.who, json.dumps(each.asked), json.dumps(each.reply)) for each in begun],
            )
            db.executemany(
                "INSERT INTO told VALUES (?, ?, ?)",
                [(request, body["number"], json.dumps(body)) for request, body in pairs],
            )
            db.executemany(
                "UPDATE requests SET end = ? WHERE request = ? AND end = 'null'",
                [(json.dumps(end), request) for request, end in ends],
            )

    # --- reading ------------------------------------------------------------------------------------------------

    def open_requests(self) -> list[Asked]:
        """Return the requests without an end, oldest first."""
        return self._requests("WHERE end = 'null'")

    def request(self, request: str) -> Asked | None:
        """Return the one request that ever had this id, None if there was none."""
        return next(iter(self._requests("WHERE request = ?", request)), None)

    def told(self, request: str, after: int = 0, most: int = -1) -> list[dict[str, Any]]:
        """Return the pairs that the client of a request was told of, from the one after number ``after``, in order."""
        found = self._db.execute(
            "SELECT body FROM told WHERE request = ? AND number > ? ORDER BY number LIMIT ?", (request, after, most)
        )
        return [json.loads(body) for (body,) in found]

    def told_pairs(self, request: str) -> int:
        """Return how many pairs that was."""
        found = self._db.execute("SELECT max(number) FROM told WHERE request = ?", (request,)).fetchone()
        return int(found[0] or 0)

    def ended_batches(self, run: str) -> Iterator[tuple[int, str, str, Spent | None]]:
        """Yield number, state and reason of the ended batches of a run, and what each took, None if nobody knows."""
        columns = "batch, state, reason, attempts, seconds, spent.counts"
        for batch, state, reason, attempts, seconds, counts in self._db.execute(
            f"SELECT {columns} FROM batches LEFT JOIN spent USING (batch) WHERE run = ? AND state != '' ORDER BY batch",
            (run,),
        ):
            known = attempts is not None
            yield batch, state, reason, Spent(batch, run, attempts, seconds, json.loads(counts)) if known else None

    def open_batches(self) -> list[Row]:
        """Return the batches without an end, oldest first."""
        return self._rows("WHERE state = ''")

    def batch(self, batch: int) -> Row | None:
        """Return one batch, None if it was never allocated."""
        return next(iter(self._rows("WHERE batch = ?", batch)), None)

    def program(self, digest: str) -> bytes:
        """Return the canonical bytes of a program."""
        return bytes(self._db.execute("SELECT body FROM programs WHERE digest = ?", (digest,)).fetchone()[0])

    def results(self, run: str, batch: int) -> dict[str, bytes]:
        """Return the results of a batch by party."""
        found = self._db.execute("SELECT party, body FROM results WHERE run = ? AND batch = ?", (run, batch))
        return {party: bytes(body) for party, body in found}

    def delivered(self, batch: int) -> int:
        """Return how many pairs of a batch are here."""
        return int(self._db.execute("SELECT count(*) FROM pairs WHERE batch = ?", (batch,)).fetchone()[0])

    def pairs(self, run: str) -> list[dict[str, Any]]:
        """Return the pairs of a run in order of delivery, each with the ``digest`` of its batch's program."""
        return list(self._pairs(run))

    def untold(self, request: str) -> list[dict[str, Any]]:
        """Return those of a request that its client was not told of."""
        (pairs,) = self._db.execute("SELECT count(*) FROM pairs WHERE run = ?", (request,)).fetchone()
        if pairs == self.told_pairs(request):
            return []  # so it is nearly always; reading a million of them takes seconds
        told: dict[int, set[int]] = {}
        for (text,) in self._db.execute("SELECT body FROM told WHERE request = ?", (request,)):
            body = json.loads(text)
            told.setdefault(body["batch"], set()).add(body["hseq"])
        return [pair for pair in self._pairs(request) if pair["hseq"] not in told.get(pair["batch"], ())]

    # --- inside -------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                fence = self._db.execute("SELECT epoch FROM fence").fetchone()
                if fence is not None and fence[0] > self._epoch:
                    raise Ending(
                        f"a coordinator with epoch {fence[0]} has the store of batches; this one has {self._epoch}",
                        where=self._where,
                        hint="use that coordinator; this one ends",
                    )
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _deliver(self, db: sqlite3.Connection, pairs: Iterable[Pair]) -> list[Pair]:
        new = []
        for pair in pairs:
            done = {node: {name: getattr(each, name) for name in _TOLD} for node, each in pair.corrected.items()}
            values = (pair.run, pair.batch, pair.hseq, pair.k, pair.label, pair.t_ps, json.dumps(done))
            columns = "(run, batch, hseq, k, label, t_ps, corrected)"
            cursor = db.execute(f"INSERT OR IGNORE INTO pairs {columns} VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            if cursor.rowcount:
                new.append(pair)
        return new

    def _pairs(self, run: str) -> Iterator[dict[str, Any]]:
        columns = ("batch", "hseq", "k", "label", "t_ps", "digest", "corrected")
        for values in self._db.execute(
            f"SELECT {', '.join(columns)} FROM pairs JOIN batches USING (batch) WHERE pairs.run = ? ORDER BY n", (run,)
        ):
            row = dict(zip(columns, values))
            yield {**row, "corrected": json.loads(row["corrected"])}

    def _spend(self, db: sqlite3.Connection, spent: Spent) -> None:
        values = (spent.batch, spent.attempts, spent.seconds, json.dumps(dict(spent.counts)))
        db.execute("INSERT OR IGNORE INTO spent VALUES (?, ?, ?, ?)", values)

    def _requests(self, where: str, *values: str) -> list[Asked]:
        found = self._db.execute(f"SELECT request, who, asked, reply, end FROM requests {where} ORDER BY n", values)
        return [Asked(request, who, *map(json.loads, bodies)) for request, who, *bodies in found]

    def _rows(self, where: str, *values: int) -> list[Row]:
        found = self._db.execute(
            "SELECT batch, run, epoch, start_ps, digest, calibrations, committed, state, reason FROM batches "
            f"{where} ORDER BY batch",
            values,
        )
        return [
            Row(batch, run, epoch, start_ps, digest, json.loads(calibrations), bool(committed), state, reason)
            for batch, run, epoch, start_ps, digest, calibrations, committed, state, reason in found
        ]

    def _unusable(self, error: sqlite3.Error) -> Ending:
        return Ending(
            f"the store of batches cannot be used: {error}",
            where=self._where,
            hint="free or repair the disk; without it no batch begins, and the nodes go dark",
        )
