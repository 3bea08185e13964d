"""The coordinator's side of a batch: what it says when, and what end the answers lead to."""

import msgspec
import pytest
from bellringer.orchestrator.coordinator.terms import Ending
from bellringer.orchestrator.heralding import messages
from bellringer.orchestrator.heralding.book import PATIENCE_S, Book
from bellringer.orchestrator.heralding.entries import Ended, body_hash, records_to_bytes, to_bytes
from bellringer.orchestrator.heralding.messages import Abort, Ask, Commit, Prepare, Recorded
from bellringer.orchestrator.heralding.open_batch import Concluded, Delivered
from bellringer.orchestrator.heralding.store import Spent, Store
from bellringer.orchestrator.heralding.terms import Now, Report, Send
from bellringer.testbed.attempts import from_json, program
from bellringer.testbed.errors import BellringerError

from .simulated_world import MS, PROGRAM, TEXT
from .test_delivery import ALICE, BOB, HERALD

PARTIES = ("alice", "bob", "charlie")
T_PS = 5_100 * MS
BATCH = 3_000_000_001


class Desk:
    """A book with a clock moved by hand."""

    def __init__(self, store=None, epoch=3, program=PROGRAM):
        self.program = program
        self.now, self.seq = Now(5.0, 5_000 * MS), 0
        self.store = store or Store(":memory:", epoch)
        self.book = Book(epoch, "boot", self.store, from_json)
        self.epoch = epoch
        self.effects = self.book.start(self.now)

    def allocate(self, start_ps=T_PS):
        number, self.effects = self.book.allocate(
            "run", self.program, start_ps, dict.fromkeys(PARTIES, "cal"), self.now
        )
        return number

    def wait(self, ms):
        self.now = Now(self.now.mono_s + ms / 1e3, self.now.hw_ps + round(ms * MS))
        self.effects = self.book.tick(self.now)
        return self.said()

    def tell(self, sender, kind, batch=BATCH, epoch=None, boot="b", **fields):
        self.seq += 1
        message = kind(0, self.epoch if epoch is None else epoch, "run", batch, boot, self.seq, **fields)
        self.effects = self.book.on_message(sender, message, self.now)
        return self.said()

    def said(self):
        return [(effect.to, type(effect.message)) for effect in self.effects if isinstance(effect, Send)]

    def of(self, kind):
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def arm(self, *parties):
        for party in parties or PARTIES:
            said = self.tell(party, messages.Armed, start_ps=T_PS, digest=self.program.digest)
        return said

    def running(self):
        self.allocate()
        self.arm()
        self.wait(101)
        assert self.state == "RUNNING"
        return self

    def result(self, party, **changes):
        return self.tell(party, messages.Result, body=body(**changes))

    @property
    def state(self):
        return self.book.states().get(BATCH)


def body(**changes):
    fields = {"run": "run", "batch": BATCH, "epoch": 3, "start_ps": T_PS, "digest": PROGRAM.digest, "complete": True}
    rest = {"reason": "", "attempts": 100, "lateness_ps": 0, "underflows": 0, "records": ()}
    return to_bytes(Ended(**{**fields, **rest, **changes}))


def to_all(kind):
    return [(party, kind) for party in PARTIES]


def test_a_batch_from_its_number_to_its_record():
    desk = Desk()
    assert desk.allocate() == BATCH
    assert desk.said() == to_all(Prepare)
    prepare = desk.of(Send)[0].message
    assert (prepare.start_ps, prepare.digest, prepare.program, prepare.calibration) == (
        T_PS,
        PROGRAM.digest,
        TEXT,
        "cal",
    )
    assert desk.arm("alice", "bob") == []
    assert desk.state == "PREPARING"
    assert desk.wait(25) == [("charlie", Prepare)]
    assert desk.arm("charlie") == to_all(Commit)
    assert desk.state == "COMMITTING"
    assert desk.store.batch(BATCH).committed
    assert desk.wait(25) == to_all(Commit)
    desk.wait(51)
    assert desk.state == "RUNNING"
    assert desk.wait(1) == []
    desk.wait(102)
    assert desk.state == "COLLECTING"
    assert desk.said() == to_all(Ask)
    assert desk.result("alice") == [("alice", Recorded)]
    assert desk.of(Send)[0].message.body_hash == body_hash(body())
    desk.result("bob")
    assert desk.wait(250) == [("charlie", Ask)]
    desk.result("charlie")
    (end,) = desk.of(Concluded)
    assert (end.batch, end.state, end.reason) == (BATCH, "RECORDED", "")
    assert desk.book.states() == {}
    assert desk.store.batch(BATCH).state == "RECORDED"


def test_nothing_is_said_before_the_number_is_in_the_store():
    class Failing(Store):
        def allocate(self, row, program):
            raise Ending("no room")

    desk = Desk(Failing(":memory:", 3))
    with pytest.raises(Ending):
        desk.allocate()
    assert desk.book.tick(desk.now) == []


def test_no_commit_is_said_before_the_decision_is_in_the_store():
    class Failing(Store):
        def commit(self, batch):
            raise Ending("no room")

    desk = Desk(Failing(":memory:", 3))
    desk.allocate()
    with pytest.raises(Ending):
        desk.arm()
    assert desk.state == "PREPARING"


@pytest.mark.parametrize(
    "wrong", [{"start_ps": T_PS + 1}, {"digest": "other"}, {"epoch": 2}, {"batch": BATCH + 1}], ids=str
)
def test_only_armed_for_this_very_batch_counts(wrong):
    desk = Desk()
    desk.allocate()
    desk.arm("alice", "bob")
    fields = {"start_ps": T_PS, "digest": PROGRAM.digest, **wrong}
    desk.tell("charlie", messages.Armed, **fields)
    desk.tell("mallory", messages.Armed, start_ps=T_PS, digest=PROGRAM.digest)
    assert desk.state == "PREPARING"


def test_not_armed_in_time_it_is_void_and_everybody_is_told():
    desk = Desk()
    desk.allocate()
    desk.arm("alice", "charlie")
    desk.wait(91)
    (end,) = desk.of(Concluded)
    assert (end.state, end.reason) == ("VOID", "not armed in time: bob")
    assert desk.said() == to_all(Abort)
    desk.tell("alice", messages.Aborted, reason="")
    desk.result("charlie", complete=False, reason="aborted", attempts=0)
    assert desk.wait(250) == [("bob", Abort)]
    desk.tell("bob", messages.Aborted, reason="")
    assert desk.wait(1000) == []


def test_armed_too_late_is_not_committed():
    desk = Desk()
    desk.allocate()
    desk.now = Now(5.0905, 5_000 * MS + 90_500 * 10**6)
    desk.arm()
    assert desk.store.batch(BATCH).state == "VOID"
    assert not desk.store.batch(BATCH).committed


@pytest.mark.parametrize("again", [False, True])
def test_who_refuses_to_arm_is_asked_again_only_if_it_says_so(again):
    desk = Desk()
    desk.allocate()
    desk.tell("bob", messages.NotArmed, reason="busy", again=again)
    assert desk.state == ("PREPARING" if again else None)
    assert [end.reason for end in desk.of(Concluded)] == ([] if again else ["bob is not armed: busy"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"complete": False, "reason": "untimed"}, "bob: untimed"),
        ({"start_ps": T_PS + 1}, "bob ran something else"),
        ({"digest": "other"}, "bob ran something else"),
        ({"epoch": 2}, "bob ran something else"),
    ],
)
def test_results_that_do_not_agree_make_it_void_and_are_kept_as_they_are(change, reason):
    desk = Desk().running()
    desk.result("alice")
    assert desk.result("bob", **change)[0] == ("bob", Recorded)
    assert [end.reason for end in desk.of(Concluded)] == [reason]
    desk.result("charlie")
    assert desk.store.batch(BATCH).state == "VOID"
    assert desk.store.results("run", BATCH).keys() == set(PARTIES)


def test_without_a_result_of_one_it_is_void():
    desk = Desk().running()
    desk.tell("bob", messages.Aborted, reason="never opened")
    assert [end.reason for end in desk.of(Concluded)] == ["bob has no result"]


def test_who_never_answers_is_waited_for_so_long():
    desk = Desk().running()
    desk.result("alice")
    desk.result("bob")
    desk.wait(103)
    desk.wait(PATIENCE_S * 1e3 - 1)
    assert desk.state == "COLLECTING"
    desk.wait(2)
    assert [end.reason for end in desk.of(Concluded)] == ["no answer from charlie"]
    desk.result("charlie")  # when it is back
    assert desk.said() == [("charlie", Recorded)]
    assert desk.store.batch(BATCH).state == "VOID"


def test_a_result_again_is_acknowledged_again_and_a_contradicting_one_stops_the_link():
    desk = Desk().running()
    desk.result("alice")
    assert desk.result("alice") == [("alice", Recorded)]
    assert desk.result("alice", attempts=99)[0] != ("alice", Recorded)
    assert desk.of(Report)[0].what == "contradicting results"
    assert [end.state for end in desk.of(Concluded)] == ["VOID"]
    with pytest.raises(BellringerError, match="'charlie' is stopped: 'alice' sent two different results"):
        desk.allocate(T_PS + 500 * MS)


@pytest.mark.parametrize("wrong", [b"", b"\xff" * 9, body()[:-1], body(batch=BATCH + 1), body(run="other")])
def test_a_result_that_is_none_is_told_and_not_acknowledged(wrong):
    desk = Desk().running()
    assert desk.tell("alice", messages.Result, body=wrong) == []
    assert len(desk.of(Report)) == 1
    assert desk.store.results("run", BATCH) == {}


def test_a_confirmation_that_is_none_is_told():
    desk = Desk().running()
    assert desk.tell("alice", messages.Confirm, body=b"\xff\xff") == []
    assert len(desk.of(Report)) == 1


def test_a_new_process_of_an_armed_party_ends_the_batch():
    desk = Desk()
    desk.allocate()
    desk.arm("alice")
    assert desk.book.on_boot("alice", "b", desk.now) == []
    desk.effects = desk.book.on_boot("alice", "b2", desk.now)
    assert [end.reason for end in desk.of(Concluded)] == ["alice was restarted"]


def test_a_person_aborts_a_batch_in_whatever_state():
    desk = Desk().running()
    desk.effects = desk.book.abort(BATCH, "enough", desk.now)
    assert [end.reason for end in desk.of(Concluded)] == ["enough"]
    assert desk.said() == to_all(Abort)
    assert desk.book.abort(BATCH + 9, "enough", desk.now) == []


def test_a_pair_is_delivered_when_all_three_hold_it_and_not_again_with_the_results():
    desk = Desk().running()
    records = {"charlie": HERALD, "alice": ALICE, "bob": BOB}
    for party in ("charlie", "alice"):
        desk.tell(party, messages.Confirm, body=records_to_bytes([records[party]]))
        assert desk.of(Delivered) == []
    desk.tell("bob", messages.Confirm, body=records_to_bytes([BOB]))
    assert [pair.hseq for pair in desk.of(Delivered)[0].pairs] == [3]
    for party in PARTIES:
        desk.result(party, records=(records[party],))
        assert desk.of(Delivered) == []
    assert dict(desk.of(Concluded)[0].counts) == {"delivered": 1}


def taken_back(desk):
    """All three hold two heralds, one of them is a pair; the batch is taken back before the other one is."""
    held = {"charlie": HERALD, "alice": ALICE, "bob": BOB}
    held = {party: msgspec.structs.replace(record, batch=BATCH) for party, record in held.items()}
    for party, record in held.items():
        desk.tell(party, messages.Confirm, body=records_to_bytes([record]))
    desk.effects = desk.book.abort(BATCH, "enough", desk.now)
    assert desk.of(Concluded)[0].spent is None
    return {
        party: (record, msgspec.structs.replace(record, hseq=4, k=11), msgspec.structs.replace(record, hseq=5, k=80))
        for party, record in held.items()
    }


def test_what_a_void_batch_took_is_told_once_all_have_said_it():
    desk = Desk().running()
    for party, records in taken_back(desk).items():
        assert desk.of(Spent) == []
        assert desk.book.unsettled_s("run", desk.now) < 1.0
        attempts = {"alice": 60, "bob": 70, "charlie": 90}[party]
        failures = {"two clicks in one window": (2, 6)} if party == "charlie" else {}
        desk.result(party, complete=False, reason="enough", attempts=attempts, records=records, failures=failures)
    (spent,) = desk.of(Spent)
    assert (spent.attempts, spent.seconds) == (60, pytest.approx(60 * PROGRAM.period_ps / 1e12))
    heralds = {"delivered": 1, "in a void batch": 1}
    assert spent.counts == {**heralds, "two clicks in one window": 1}, "what came after alice stopped does not"
    assert desk.book.unsettled_s("run", desk.now) == float("inf")
    assert [each[1:] for each in desk.store.ended_batches("run")] == [("VOID", "enough", spent)]


@pytest.mark.parametrize(
    "said", [{"attempts": 0, "reason": "the process died in this batch"}, {"digest": "other"}, None], ids=str
)
def test_what_a_void_batch_took_is_known_to_nobody_if_one_cannot_say_it(said):
    desk = Desk().running()
    for party, records in taken_back(desk).items():
        fields = {"complete": False, "reason": "enough", "attempts": 60, "records": records}
        if party == "bob" and said is None:
            desk.tell(party, messages.Aborted, reason="recorded long ago")
        else:
            desk.result(party, **{**fields, **(said if party == "bob" else {})})
    assert desk.of(Spent) == []
    assert desk.book.unsettled_s("run", desk.now) == float("inf")
    assert [each[3] for each in desk.store.ended_batches("run")] == [None]


def test_what_was_not_confirmed_in_time_is_delivered_with_the_results_of_a_recorded_batch_only():
    records = {"charlie": HERALD, "alice": ALICE, "bob": BOB}
    for complete in (True, False):
        desk = Desk().running()
        delivered = []
        for party in PARTIES:
            reason = "" if complete or party != "charlie" else "late"
            desk.result(party, records=(records[party],), complete=not reason, reason=reason)
            delivered += desk.of(Delivered)
        assert len(delivered) == complete


MEASURING = program(**{**PROGRAM.model_dump(), "keep": "measure"})


def confirmed(desk):
    for party, record in {"charlie": HERALD, "alice": ALICE, "bob": BOB}.items():
        mine = msgspec.structs.replace(record, batch=BATCH)
        desk.tell(party, messages.Confirm, body=records_to_bytes([mine]))
        assert desk.of(Delivered) == []
    return desk


def test_pairs_that_were_measured_are_delivered_when_their_batch_is_recorded_and_not_before():
    desk = confirmed(Desk(program=MEASURING).running())
    for party in PARTIES:
        desk.result(party, digest=MEASURING.digest)
    (delivered,), (end,) = desk.of(Delivered), desk.of(Concluded)
    assert desk.effects.index(delivered) < desk.effects.index(end), "its pairs before its end"
    assert [pair.hseq for pair in delivered.pairs] == [HERALD.hseq]
    assert end.counts == {"delivered": 1}


def test_pairs_that_were_measured_in_a_void_batch_are_nobodys():
    desk = confirmed(Desk(program=MEASURING).running())
    desk.result("alice", digest=MEASURING.digest, complete=False, reason="late")
    (end,) = desk.of(Concluded)
    assert (desk.of(Delivered), end.state, end.counts) == ([], "VOID", {"in a void batch": 1})
    assert desk.store.pairs("run") == []


def test_what_an_earlier_coordinator_left_open_is_asked_for_and_ended():
    first = Desk().running()
    first.result("alice")
    second = Desk(Store(":memory:", 4), epoch=4)
    first.store._db.backup(second.store._db)
    second.effects = second.book.start(second.now)
    assert second.state == "RESOLVING"
    assert second.said() == [("bob", Abort), ("charlie", Abort)]
    second.result("bob")
    second.result("charlie")
    assert second.store.batch(BATCH).state == "RECORDED"
    assert second.allocate(T_PS + 500 * MS) == 4_000_000_001


def test_who_obeyed_a_later_coordinator_ends_this_one():
    desk = Desk().running()
    with pytest.raises(Ending, match="'bob' has obeyed a coordinator with epoch 4"):
        desk.tell("bob", messages.NotArmed, epoch=4, reason="wrong epoch")


def test_a_party_has_one_batch_at_a_time_and_a_start_must_be_ahead():
    desk = Desk()
    with pytest.raises(BellringerError, match="away"):
        desk.allocate(5_019 * MS)
    desk.allocate()
    with pytest.raises(BellringerError, match="under way at alice, bob, charlie"):
        desk.allocate(T_PS + 500 * MS)
    assert len(desk.store.open_batches()) == 1
