"""Messages and entries pass the wire's codec and come back the same; only commands need a fresh nonce."""

import typing

import msgspec
import pytest
from bellringer.orchestrator.heralding import entries, messages
from bellringer.orchestrator.heralding.traffic import Traffic
from bellringer.orchestrator.wire.codec import COMMANDS, Decoder, encode
from bellringer.orchestrator.wire.errors import WireError
from bellringer.orchestrator.wire.messages import Request
from bellringer.orchestrator.wire.nonces import needs_nonce
from hypothesis import given
from hypothesis import strategies as st

HERALD = entries.Heralded("run", 7, 3, 10, 9, 10**15, "psi-", "")
HELD = entries.Corrected("run", 7, 3, 10, "psi-", "Z", 10**15, 3, "")
ENDED = entries.Ended("run", 7, 3, 10**15, "digest", True, "", 100, 0, 0, (HERALD, HELD))
PLAIN = (0, 3, "run", 3_000_000_007, "boot", 12)
ALL = (
    messages.Prepare(*PLAIN, start_ps=10**15, digest="d", program=b"{}", calibration="cal"),
    messages.Commit(*PLAIN, start_ps=10**15),
    messages.Abort(*PLAIN, reason="enough"),
    messages.Ask(*PLAIN),
    messages.Recorded(*PLAIN, body_hash="h"),
    messages.Armed(*PLAIN, start_ps=10**15, digest="d"),
    messages.NotArmed(*PLAIN, reason="busy", again=True),
    messages.Aborted(*PLAIN, reason="never opened"),
    messages.Confirm(*PLAIN, body=entries.records_to_bytes((HERALD, HELD))),
    messages.Result(*PLAIN, body=entries.to_bytes(ENDED)),
    messages.Feedforward(*PLAIN, hseq=3, k=10, label="psi-", t_ps=10**15),
)
UNION = messages.FromCoordinator | messages.FromParty | messages.Feedforward


def test_every_kind_is_here_and_no_kind_has_the_name_of_another_message():
    kinds = {type(message) for message in ALL}
    assert kinds == set(typing.get_args(UNION))
    tags = [kind.__struct_config__.tag for kind in (*kinds, *typing.get_args(Request))]
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)
def test_a_message_passes_the_wire_unchanged(message):
    frames = encode(message, limits=COMMANDS)
    assert Decoder(UNION, COMMANDS).decode(frames) == (message, [])


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [(messages.Ask(*PLAIN), "batch", -1), (messages.Ask(*PLAIN), "epoch", 1.5), (ALL[1], "start_ps", "soon")],
)
def test_values_that_cannot_be_are_refused(message, field, value):
    with pytest.raises(WireError):
        Decoder(UNION).decode(encode(msgspec.structs.replace(message, **{field: value})))


def test_only_what_may_light_needs_a_fresh_nonce():
    assert {type(message).__name__ for message in ALL if needs_nonce(message)} == {"Prepare", "Commit"}


EVERY = (
    entries.Met(3),
    entries.Barred(7),
    entries.Opened("run", 7, 3, 10**15, "d"),
    HERALD,
    HELD,
    ENDED,
    entries.Acknowledged("run", 7),
)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: type(entry).__name__)
def test_an_entry_comes_back_from_its_bytes_and_has_one_hash(entry):
    data = entries.to_bytes(entry)
    assert entries.from_bytes(data) == entry
    assert entries.to_bytes(entries.from_bytes(data)) == data
    assert len(entries.body_hash(data)) == 64


def test_records_come_back_from_their_bytes():
    assert entries.records_of(entries.records_to_bytes((HERALD, HELD))) == [HERALD, HELD]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=40))
def test_traffic_counts_what_is_missing_doubled_and_overtaken(sent):
    """Against the plain sum: numbers up to the newest that never came are missing."""
    traffic, seen, doubled = Traffic(), set(), 0
    for seq, repeats in sent:
        for _ in range(1 + repeats):
            traffic.heard("alice", "boot", seq)
            doubled += seq in seen
            seen.add(seq)
    assert traffic.counters["received"] == len(seen) + doubled
    assert traffic.counters["doubled"] == doubled
    assert traffic.counters["missing"] == max(seen, default=0) - len(seen)


def test_traffic_of_a_new_process_counts_from_one():
    traffic = Traffic()
    for boot, seq in (("a", 1), ("a", 5), ("b", 1), ("b", 2)):
        traffic.heard("alice", boot, seq)
    assert traffic.counters == {"received": 4, "missing": 3}
