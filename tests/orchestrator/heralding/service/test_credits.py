"""Room is what a party said, less what was promised since; a slow writer, and silence, stop everything.

A core is looked at now and then, and its words come late, twice or never: what it has room for is never promised twice,
nor lost for good.
"""

import itertools

from bellringer.orchestrator.heralding.service.credits import Credits
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule


def room(credits, party="alice"):
    return credits.batches((party,)), credits.memories((party,))


def test_who_said_nothing_has_no_room():
    credits = Credits()
    credits.report("alice", 2, 3, 0)
    assert credits.batches(("alice",)) == 2
    assert credits.batches(("alice", "bob")) == 0
    assert credits.memories(("bob",)) == 0
    assert credits.batches(()) == 0


def test_what_was_promised_is_taken_off_until_the_batch_has_ended_and_a_look_from_after_its_end_was_heard():
    credits = Credits()
    credits.report("alice", 2, 3, 6)
    credits.take(1, {"alice": 2})
    assert room(credits) == (1, 1)
    credits.report("alice", 2, 3, 6)
    assert room(credits) == (1, 1), "whether it has heard of the batch is all the same"
    credits.ended(1, 7)
    assert room(credits) == (2, 1), "what it stored is not known yet"
    credits.report("alice", 2, 3, 6)
    assert room(credits) == (2, 1), "a look from before"
    credits.report("alice", 2, 1, 7)
    assert room(credits) == (2, 1)
    credits.report("alice", 2, 3, 6)
    assert room(credits) == (2, 1), "it was long on its way"
    credits.report("alice", 2, 3, 7)
    assert room(credits) == (2, 3)


def test_a_look_from_after_the_end_may_be_heard_before_the_end():
    credits = Credits()
    credits.report("alice", 2, 3, 6)
    credits.take(1, {"alice": 2})
    credits.report("alice", 2, 2, 7)
    credits.ended(1, 7)
    assert room(credits) == (2, 2)


def test_a_batch_that_never_was_to_be_lit_gives_its_room_back_at_once():
    credits = Credits()
    credits.report("alice", 1, 1, 0)
    credits.take(1, {"alice": 1})
    credits.ended(1, 0)
    assert room(credits) == (1, 1)


def test_what_a_batch_of_an_earlier_coordinator_may_have_stored_is_no_room():
    credits = Credits()
    credits.left_open(7, {"alice": 1})
    assert credits.unheard(["alice"]) == ["alice"]
    credits.report("alice", 2, 2, 6, "one")
    assert room(credits) == (2, 1)
    credits.report("alice", 2, 2, 7, "one")
    assert room(credits) == (2, 2)


def test_a_new_process_that_has_forgotten_all_numbers_has_room_again():
    credits = Credits()
    credits.report("alice", 2, 2, 6, "one")
    credits.take(1, {"alice": 1})
    credits.ended(1, 7)
    credits.take(2, {"alice": 1})
    credits.report("alice", 2, 2, 0, "two")
    assert room(credits) == (1, 1), "order 2 may begin there yet"


def test_the_least_room_of_all_parties_counts():
    credits = Credits()
    credits.report("alice", 2, 5, 0)
    credits.report("bob", 1, 7, 0)
    assert room(credits) == (2, 5)
    assert (credits.batches(("alice", "bob")), credits.memories(("alice", "bob"))) == (1, 5)
    assert credits.described() == {"alice": {"batches": 2, "memories": 5}, "bob": {"batches": 1, "memories": 7}}


def test_nonsense_is_no_room():
    credits = Credits()
    credits.report("alice", -3, -1, 0)
    assert room(credits) == (0, 0)


# --- any order of things ----------------------------------------------------------------------------------------------


class Memory(RuleBasedStateMachine):
    """A core of ``SLOTS``, its node, and the coordinator; words between them are late, lost, and come again."""

    SLOTS = 3

    def __init__(self):
        super().__init__()
        self.credits, self.numbers, self.orders = Credits(), itertools.count(1), itertools.count(1)
        self.held, self.mark, self.under_way, self.boot = 0, 0, 0, 0
        self.needs = {}
        """Batch -> what it may yet store, until it is over at the node."""
        self.waiting, self.open = {}, {}
        """Order -> need; and batch -> its order and whether it is committed, until its end at the coordinator."""
        self.asked, self.words = [], []
        """Looks: what was over when each was asked for; and words under way."""

    @property
    def over(self):
        return self.mark if not self.under_way else self.under_way - 1

    @rule(need=st.integers(1, SLOTS))
    def order(self, need):
        if self.credits.memories(("core",)) >= need:
            order = next(self.orders)
            self.credits.take(order, {"core": need})
            self.waiting[order] = need
            assert self.held + sum(self.needs.values()) + sum(self.waiting.values()) <= self.SLOTS

    @precondition(lambda self: self.waiting and not self.open)
    @rule()
    def allocate(self):
        order = min(self.waiting)
        batch = next(self.numbers)
        self.needs[batch] = self.waiting.pop(order)
        self.open[batch] = [order, False]

    @precondition(lambda self: self.waiting)
    @rule()
    def take_back_before_it_has_a_number(self):
        order = max(self.waiting)
        del self.waiting[order]
        self.credits.ended(order, 0)

    @precondition(lambda self: self.open and not self.under_way and max(self.open) > self.mark)
    @rule()
    def prepare(self):
        self.mark = self.under_way = max(self.open)

    @precondition(lambda self: self.under_way in self.open)
    @rule()
    def commit(self):
        self.open[self.under_way][1] = True

    @precondition(lambda self: self.needs.get(self.under_way) and self.open.get(self.under_way, (0, True))[1])
    @rule()
    def store(self):
        self.needs[self.under_way] -= 1
        self.held += 1
        assert self.held <= self.SLOTS

    @precondition(lambda self: self.held)
    @rule()
    def use(self):
        self.held -= 1

    @precondition(lambda self: self.under_way)
    @rule()
    def end_at_the_node(self):
        self.needs.pop(self.under_way, None)
        self.under_way = 0

    @precondition(lambda self: self.open)
    @rule()
    def conclude(self):
        batch, (order, committed) = self.open.popitem()
        if not committed:  # so it stores nothing, whatever the node still does about it
            self.needs.pop(batch, None)
        self.credits.ended(order, batch if committed else 0)

    @precondition(lambda self: self.mark < max(self.open, default=0))
    @rule()
    def ask_what_became_of_one_that_is_not_there(self):
        batch = max(self.open)
        if not self.open[batch][1]:
            self.mark = batch

    @precondition(lambda self: self.waiting and not self.open and not self.under_way)
    @rule(stored=st.integers(0, SLOTS), tells_first=st.booleans())
    def run_a_whole_batch(self, stored, tells_first):
        self.allocate()
        self.prepare()
        self.commit()
        for _ in range(min(stored, self.needs[self.under_way])):
            self.store()
        steps = [self.end_at_the_node, self.conclude]
        for step in steps if tells_first else reversed(steps):
            step()

    @rule()
    def look_and_hear(self):
        self.words.append((self.SLOTS - self.held, self.over, f"boot {self.boot}"))
        self.credits.report("core", 2, *self.words[-1])

    @rule(forgets=st.booleans())
    def restart(self, forgets):
        self.needs.pop(self.under_way, None)
        self.under_way, self.boot = 0, self.boot + 1
        self.asked.clear()
        self.words.clear()  # of a process that was replaced nothing is heard any more
        if forgets and not self.open:
            self.mark = 0

    @rule()
    def ask_for_a_look(self):
        self.asked.append(self.over)

    @precondition(lambda self: self.asked)
    @rule()
    def look(self):
        self.words.append((self.SLOTS - self.held, self.asked.pop(0), f"boot {self.boot}"))

    @precondition(lambda self: self.words)
    @rule(data=st.data(), again=st.booleans())
    def hear(self, data, again):
        number = data.draw(st.integers(0, len(self.words) - 1))
        self.credits.report("core", 2, *(self.words[number] if again else self.words.pop(number)))

    @precondition(lambda self: self.words)
    @rule()
    def lose(self):
        self.words.pop()

    def teardown(self):
        """Once everything has ended and was looked at, all that is free is free."""
        while self.waiting or self.open:
            if self.open:
                self.conclude()
            else:
                self.take_back_before_it_has_a_number()
        self.needs.clear()
        self.under_way = 0
        self.credits.report("core", 2, self.SLOTS - self.held, self.over, f"boot {self.boot}")
        assert self.credits.memories(("core",)) == self.SLOTS - self.held
        assert self.credits.batches(("core",)) == 2


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
