"""A service's port: authority from the key only, every refusal readable, counted and logged, and it stays alive."""

import json
import threading

import msgspec
import numpy as np
import pytest
import zmq
from bellringer.orchestrator.wire import Audit, KeyRefused, NotAllowed, Server, encode, fingerprint, verify
from bellringer.orchestrator.wire.codec import HEADERS, RESULTS
from bellringer.orchestrator.wire.gate import Gate
from bellringer.orchestrator.wire.messages import Call, EStop, Get, Hello, Keys, Refusal, Reply, Set, Status
from bellringer.testbed.errors import BellringerError


def setting(value=1.0, nonce=0) -> Set:
    return Set(5, "alice.pump", "power", value, nonce)


def refused_as(answer, kind: str) -> Refusal:
    assert isinstance(answer, Refusal), answer
    assert answer.error == kind, answer
    assert answer.what
    assert answer.where
    assert answer.hint
    return answer


# --- authority ----------------------------------------------------------------------------------------------------


def test_a_claimed_identity_and_name_give_no_rights(bench):
    bench.key("root", "admin")
    service = bench.service()
    eve = bench.raw(service, bench.key("eve", "observer"), identity=b"root")
    nonce = eve.ask(Hello(1, name="root")).nonce
    answer = refused_as(eve.ask(setting(nonce=nonce)), "NotAllowed")
    assert "'eve'" in answer.what
    assert "observer" in answer.what
    eve.ask(Status(2))
    assert [(incoming.name, incoming.role) for incoming in service.served] == [("eve", "observer")]


def test_a_second_peer_of_the_same_identity_takes_nothing_from_the_first(bench):
    service = bench.service()
    first = bench.raw(service, bench.key("bob", "operator"), identity=b"x")
    first.nonce()
    second = bench.raw(service, bench.key("eve", "observer"), identity=b"x")
    second.say(Hello(1))
    assert second.hear(0.5) is None
    assert isinstance(first.ask(Status(2)), Reply)
    assert {incoming.name for incoming in service.served} == {"bob"}


@pytest.mark.parametrize(
    ("role", "message", "passes"),
    [
        ("observer", Get(0, "alice.pump", "power", 0), True),
        ("observer", Set(0, "alice.pump", "power", 0.0, 0), False),
        ("node", Call(0, "alice.pump", "emission_on", 0), False),
        ("operator", Set(0, "alice.pump", "power", 0.0, 0), True),
        ("operator", Keys(0, "revoke", "x"), False),
        ("admin", Keys(0, "revoke", "x"), True),
    ],
)
def test_the_role_of_the_key_decides(bench, role, message, passes):
    service = bench.service()
    client = bench.client(service, bench.key("bob", role))
    if passes:
        assert client.request(message)
    else:
        with pytest.raises(NotAllowed, match=f"'bob' has the role {role}"):
            client.request(message)
        assert service.served == []
        assert service.server.counters["refused NotAllowed"] == 1


def test_a_key_revoked_in_the_middle_is_refused_at_its_next_message(bench):
    service = bench.service()
    bob, carol = (
        bench.client(service, bench.key("bob", "operator")),
        bench.client(service, bench.key("carol", "operator")),
    )
    assert bob.request(setting()) == "set"
    carol.connect()
    bench.enrolled.revoke("bob")
    for message in (setting(), Status(0), EStop(0)):
        with pytest.raises(KeyRefused, match="no longer"):
            bob.request(message)
    assert carol.request(setting()) == "set"
    assert [incoming.name for incoming in service.served] == ["bob", "carol"]


def test_a_role_taken_away_in_the_middle_is_gone_at_the_next_message(bench):
    service = bench.service()
    keys = bench.key("bob", "operator")
    client = bench.client(service, keys)
    assert client.request(setting()) == "set"
    bench.enrolled.enrol(keys.public, "bob", "observer")
    with pytest.raises(NotAllowed):
        client.request(setting())


def test_the_estop_is_taken_from_every_key_without_hello_and_however_fast(bench):
    service = bench.service(burst=1, per_s=0.001)
    eve = bench.raw(service, bench.key("eve", "observer"))
    for number in range(5):
        assert isinstance(eve.ask(EStop(number, "smoke")), Reply)
    assert len(service.served) == 5


def test_a_port_takes_only_what_it_is_for(bench):
    service = bench.service(accepts=(EStop,))
    client = bench.client(service, bench.key("root", "admin"))
    with pytest.raises(NotAllowed, match="this port does not take 'set'"):
        client.request(setting())
    assert client.request(EStop(0)) == "estop"


# --- hello --------------------------------------------------------------------------------------------------------


def test_the_hello_comes_first(bench):
    service = bench.service()
    raw = bench.raw(service, bench.key("bob", "operator"))
    refused_as(raw.ask(Status(1)), "NoHello")
    raw.nonce()
    assert isinstance(raw.ask(Status(2)), Reply)


def test_another_major_version_is_refused_with_both_versions_named(bench):
    raw = bench.raw(bench.service(), bench.key("bob", "operator"))
    refusal = refused_as(raw.ask(Hello(1, version=(7, 3))), "VersionSkew")
    assert "1.0" in refusal.what
    assert "7.3" in refusal.what
    assert isinstance(raw.ask(Hello(2, version=(1, 99), features=("novelty",))), Hello)


def test_even_a_hello_we_cannot_read_tells_its_version(bench):
    raw = bench.raw(bench.service(), bench.key("bob", "operator"))
    hello = {"kind": "hello", "id": 9, "version": (7, 3), "colour": "red"}
    raw.send(msgspec.msgpack.encode({"message": hello, "shape": "round"}))
    refusal = refused_as(raw.hear(), "VersionSkew")
    assert refusal.id == 9
    assert "7.3" in refusal.what


def test_another_protocol_is_refused(bench):
    raw = bench.raw(bench.service(), bench.key("bob", "operator"))
    assert "bellringer" in raw.ask(Hello(1, protocol="sparrow")).what


# --- what is wrong ------------------------------------------------------------------------------------------------

GARBAGE = {
    "empty": [b""],
    "empty frames": [b""] * 5,
    "random": [bytes(range(256))],
    "extra frames": [bytes(encode(Status(1))[0]), b"x", b"y"],
    "depth bomb": [b"\x82\xa7message\x83\xa4kind\xa4call\xa2id\x01\xa4args" + b"\x91" * 60_000],
    "invalid UTF-8": [bytes(encode(Get(1, "XXXX", "b", 1))[0]).replace(b"XXXX", b"\xff\xfe\xfd\xfc")],
    "a reply": [bytes(encode(Reply(1))[0])],
    "too large": [b"x" * 70_000],
    "too many frames": [bytes(encode(Status(1))[0]), *[b""] * 20],
    "too large arrays": [bytes(frame) for frame in encode(Call(1, "a", "b", 1, (np.zeros(140_000),)))],
}


@pytest.mark.parametrize("frames", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_counted_and_logged_and_the_service_lives(bench, tmp_path, frames):
    with Audit(tmp_path / "audit.jsonl") as audit:
        service = bench.service(audit=audit)
        bob = bench.key("bob", "operator")
        raw = bench.raw(service, bob)
        raw.nonce()
        raw.send(*frames)
        answer = raw.hear()
        assert isinstance(answer, Refusal)
        assert answer.error == "WireError"
        assert isinstance(raw.ask(Status(2)), Reply)
        assert service.server.counters["refused WireError"] == 1
        assert len(service.served) == 1
        service.stop()
        lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        (refused,) = (line for line in lines if line["verb"] != "connect")  # the knock may be logged after it
        assert refused["who"] == f"{fingerprint(bob.public)} bob"
        assert refused["result"].startswith("refused: a message")
    assert verify(tmp_path / "audit.jsonl").lines == 2  # connected, refused


def test_only_nodes_may_send_more_where_results_come_in(bench):
    service = bench.service(of_nodes=RESULTS)
    for role, kind in (("operator", Refusal), ("admin", Refusal), ("node", Reply)):
        raw = bench.raw(service, bench.key(role, role))
        large = Get(1, "alice.pump", "x" * 70_000, raw.nonce())
        assert isinstance(raw.ask(large), kind)
    assert service.server.counters["refused WireError"] == 2


def test_the_gate_refuses_a_message_without_frames(bench):
    bob = bench.key("bob", "operator")
    with pytest.raises(BellringerError, match="without frames"):
        Gate(bench.enrolled).admit(b"peer", bob.public, [])
    with pytest.raises(KeyRefused):
        Gate(bench.enrolled).admit(b"peer", "", encode(EStop(1)))


def test_beyond_the_sockets_limit_zeromq_hangs_up_and_the_service_lives(bench, eventually):
    service = bench.service()
    raw = bench.raw(service, bench.key("bob", "operator"))
    raw.nonce()
    raw.send(b"x" * (8 << 20))
    assert bench.client(service, bench.key("carol", "observer")).request(Status(0)) == "status"
    assert eventually(lambda: raw.say(Hello(2)) or raw.hear(0.2))  # the connection comes back by itself
    assert [incoming.name for incoming in service.served] == ["carol"]
    assert service.server.counters["refused WireError"] == 0  # it was never seen


def test_where_no_arrays_are_taken_a_frame_as_large_as_one_is_hung_up_on(bench, eventually):
    service = bench.service(limits=HEADERS)
    raw = bench.raw(service, bench.key("bob", "operator"))
    raw.nonce()
    raw.send(*encode(Call(1, "a", "b", 1, (np.zeros(100),))))
    assert "frames" in raw.hear().what
    raw.send(b"x" * (1 << 20))
    assert bench.client(service, bench.key("carol", "observer")).request(Status(0)) == "status"
    assert eventually(lambda: raw.say(Hello(2)) or raw.hear(0.2))
    assert service.server.counters["refused WireError"] == 1


def test_one_key_that_sends_too_much_is_held_back_and_others_are_not(bench):
    service = bench.service(per_s=10, burst=5, clock=bench.clock)
    bob = bench.raw(service, bench.key("bob", "observer"))
    carol = bench.raw(service, bench.key("carol", "observer"))
    for raw in (bob, carol):
        raw.nonce()
    answers = [bob.ask(Status(number)) for number in range(8)]
    assert [type(answer) for answer in answers] == [Reply] * 4 + [Refusal] * 4
    refused_as(answers[-1], "TooFast")
    assert isinstance(carol.ask(Status(1)), Reply)
    bench.clock.now_s += 0.25  # two and a half more
    assert [type(bob.ask(Status(number))) for number in range(3)] == [Reply, Reply, Refusal]
    assert service.server.counters["refused TooFast"] == 5


def test_a_peer_that_does_not_read_does_not_hold_up_the_service(bench, eventually):
    big = np.zeros(20_000)
    service = bench.service(answer=lambda server, incoming: server.reply(incoming, big))
    deaf = bench.raw(service, bench.key("deaf", "observer"), rcvhwm=1)
    deaf.nonce()
    for number in range(1500):
        deaf.say(Status(number))
    assert eventually(lambda: service.server.counters["undelivered"] > 0)
    client = bench.client(service, bench.key("bob", "observer"))
    assert len(client.request(Status(0))) == 20_000


def test_an_answer_to_a_peer_that_left_is_counted(bench, eventually):
    left = threading.Event()

    def answer_until_it_is_noticed(server, incoming):
        if incoming.name == "bob":
            left.wait(20)
            eventually(lambda: server.reply(incoming) or server.counters["undelivered"])
        else:
            server.reply(incoming, "alive")

    service = bench.service(answer=answer_until_it_is_noticed)
    client = bench.client(service, bench.key("bob", "observer"))
    client.connect()
    client.send(Status(0))
    assert eventually(lambda: service.served)
    client.close()
    left.set()
    assert bench.client(service, bench.key("carol", "observer")).request(Status(0)) == "alive"
    assert service.server.counters["undelivered"] == 1


def test_a_value_that_cannot_be_sent_becomes_a_refusal(bench):
    service = bench.service(answer=lambda server, incoming: server.reply(incoming, object()))
    with pytest.raises(BellringerError, match="object cannot be sent"):
        bench.client(service, bench.key("bob", "observer")).request(Status(0))


def test_an_address_that_is_taken_is_a_clear_error(bench):
    service = bench.service()
    with pytest.raises(BellringerError, match="cannot listen") as caught:
        Server(service.endpoint, bench.service_keys, bench.zap, bench.enrolled, name="second")
    assert caught.value.where == service.endpoint
    bench.zap.add("second", bench.enrolled)  # its name is free again


def test_sockets_do_not_linger(bench):
    assert bench.service().server.socket.getsockopt(zmq.LINGER) == 0
