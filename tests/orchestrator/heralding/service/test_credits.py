"""Room is what a party said, less what was ordered since; a slow writer, and silence, stop everything."""

from bellringer.orchestrator.heralding.service.credits import Credits


def test_who_said_nothing_has_no_room():
    credits = Credits()
    credits.report("alice", 2, 3, 0)
    assert credits.batches(("alice",)) == 2
    assert credits.batches(("alice", "bob")) == 0
    assert credits.memories(("bob",)) == 0
    assert credits.batches(()) == 0


def test_what_was_ordered_is_taken_off_until_the_party_counts_it_itself():
    credits = Credits()
    credits.report("alice", 2, 3, 0)
    credits.take(1, {"alice": 2})
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (1, 1)
    credits.report("alice", 2, 3, 0)  # sent before it heard of batch 1
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (1, 1)
    credits.report("alice", 1, 1, 1)
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (1, 1)
    credits.report("alice", 2, 3, 1)
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (2, 3)


def test_a_batch_the_party_never_heard_of_does_not_take_its_room_for_ever():
    credits = Credits()
    credits.report("alice", 1, 1, 0)
    credits.take(1, {"alice": 1})
    credits.ended(1)
    assert credits.batches(("alice",)) == 0, "until the party says something new"
    credits.report("alice", 1, 1, 0)
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (1, 1)


def test_the_least_room_of_all_parties_counts():
    credits = Credits()
    credits.report("alice", 2, 5, 0)
    credits.report("bob", 1, 7, 0)
    assert (credits.batches(("alice", "bob")), credits.memories(("alice", "bob"))) == (1, 5)
    assert credits.described() == {"alice": {"batches": 2, "memories": 5}, "bob": {"batches": 1, "memories": 7}}


def test_nonsense_is_no_room():
    credits = Credits()
    credits.report("alice", -3, -1, 0)
    assert (credits.batches(("alice",)), credits.memories(("alice",))) == (0, 0)
