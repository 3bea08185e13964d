"""What a request took: attempts, heralds and pairs are of the same batches, however its last one ended.

The request ends in the middle of its second batch, which is then taken back; parties say late, or never, how far they
had come.
"""

import pytest
from bellringer.orchestrator.coordinator.told import SETTLE_S
from bellringer.orchestrator.heralding.book import PATIENCE_S
from bellringer.orchestrator.heralding.entries import Ended, records_to_bytes, to_bytes
from bellringer.orchestrator.heralding.messages import Abort, Commit, Confirm, Result
from bellringer.orchestrator.wire.messages import Entangled
from bellringer.testbed.attempts import from_json

from .test_left_open import ANNA, HERALDS, PARTIES, Coordinators, Party

FIRST, LAST = 1_000_000_001, 1_000_000_002
MADE = {"alice": 10, "bob": 12, "charlie": 11}
"""Attempts in the last batch by party, until each was told to stop."""
COUNTED = {"batch RECORDED": 1, "delivered": 3, "late herald": 1 + 1, "in a void batch": 3}
"""Heralds in both batches: the last one made pairs too, which are nobody's."""
NUMBERS = ("counts", "attempts", "seconds", "uncounted")


class Stopped(Party):
    """Has three heralds on disk when the last batch is taken back, and a fourth that nobody was told of."""

    made = 0
    lost = False

    def hear(self, message):
        if message.batch != LAST:
            yield from super().hear(message)
            return
        match message:
            case Commit() if (message.run, LAST) in self.armed:
                self.order = self.armed.pop((message.run, LAST))
                yield self.say(Confirm, message, body=records_to_bytes(self.records(self.order)[:3]))
            case Abort() if not self.lost:
                key, order = (message.run, LAST), self.order
                rest = (False, message.reason, self.made, 0, 0, self.records(order))
                ended = Ended(*key, order.epoch, order.start_ps, order.digest, *rest)
                yield self.say(Result, message, body=to_bytes(ended))
            case Abort():
                return
            case _:
                yield from super().hear(message)


@pytest.fixture
def lives(tmp_path, monkeypatch):
    lives = Coordinators(tmp_path / "one", monkeypatch, pairs=HERALDS)
    lives.parties = {name: Stopped(name) for name in PARTIES}
    for name, party in lives.parties.items():
        party.made = MADE[name]
    return lives


def told(batches, lives):
    return batches.answer(ANNA, Entangled(0, "r", 0), lives.now_s)


def ended(lives):
    """Return the coordinator's part once the client has the end, and what the client was told with it."""
    heard = []
    batches = lives.begin(heard)
    while not hasattr(lives.parties["charlie"], "order"):
        lives.step(batches, heard)
    batches._service.give_up("alice-bob", "nobody wants more")
    while lives.end is None:
        lives.step(batches, heard)
    return batches, heard, told(batches, lives)


def heralds(counts):
    return {what: number for what, number in counts.items() if not what.startswith("batch VOID:")}


def test_attempts_and_heralds_of_a_batch_that_was_taken_back_are_counted_as_its_parties_say_them(lives):
    batches, _, found = ended(lives)
    (shown,) = batches.described(lives.now_s)["service"]["requests"]
    batches.close()
    assert lives.end["state"] == "PARTIAL"
    assert [each["batch"] for each in lives.taken] == [FIRST] * 3
    assert found["attempts"] == HERALDS + min(MADE.values()), "what all three took part in"
    assert (shown["attempts"], shown["light_s"]) == (found["attempts"], pytest.approx(found["seconds"]))
    assert found["uncounted"] == []
    assert heralds(found["counts"]) == COUNTED
    period_ps = from_json(lives.parties["alice"].order.program).period_ps
    assert found["seconds"] == pytest.approx(found["attempts"] * period_ps * 1e-12)


@pytest.mark.parametrize("how", ["silent", "process lost"])
def test_a_batch_whose_attempts_nobody_knows_is_in_no_number_and_named(lives, how):
    lives.parties["bob"].lost, lives.parties["bob"].made = how == "silent", 0
    began_s = lives.now_s
    batches, _, found = ended(lives)
    batches.close()
    assert lives.now_s - began_s < SETTLE_S + 3.0, "the end is not kept back for long"
    assert found["uncounted"] == [LAST]
    assert found["attempts"] == HERALDS
    assert heralds(found["counts"]) == {"batch RECORDED": 1, "delivered": 3, "late herald": 1}


def test_what_is_said_after_the_end_was_told_is_counted_for_whoever_asks_again(lives):
    lives.parties["bob"].lost = True
    batches, heard, found = ended(lives)
    assert found["uncounted"] == [LAST]
    lives.parties["bob"].lost = False
    for _ in range(20):
        lives.step(batches, heard)
    found = told(batches, lives)
    batches.close()
    assert (found["attempts"], found["uncounted"]) == (HERALDS + 10, [])
    assert lives.now_s < 100.0 + PATIENCE_S


@pytest.mark.parametrize("lost", [False, True])
def test_the_next_coordinator_tells_the_same(lives, lost):
    lives.parties["bob"].lost = lost
    batches, _, before = ended(lives)
    batches.close()
    batches = lives.begin([])
    after = told(batches, lives)
    batches.close()
    assert {name: after[name] for name in NUMBERS} == {name: before[name] for name in NUMBERS}
    assert (after["pairs"], after["end"]) == (before["pairs"], before["end"])


def test_a_batch_that_a_coordinator_left_open_is_counted_when_the_next_one_has_settled_it(lives):
    heard = []
    batches = lives.begin(heard)
    while not any(isinstance(message, Commit) and message.batch == LAST for _, message in heard):
        lives.step(batches, heard)
    lives.step(batches, heard)  # heralds of the last batch are confirmed
    batches.close()
    heard.clear()
    batches = lives.begin(heard)
    while lives.end is None:
        lives.step(batches, heard)
    found = told(batches, lives)
    batches.close()
    assert (found["attempts"], found["uncounted"]) == (HERALDS + 10, [])
    assert heralds(found["counts"]) == COUNTED
