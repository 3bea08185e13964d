"""A service's audit log: who did what and what came of it; no secret; what happens when it cannot be written."""

import json

import pytest
from bellringer.orchestrator.wire import Audit, AuditError, KeyPair, KeyRefused, NotAllowed, verify
from bellringer.orchestrator.wire.messages import Call, EStop, Get, Keys, Refusal, Set
from bellringer.testbed.errors import BellringerError


def setting(value=1.0, nonce=0) -> Set:
    return Set(5, "alice.pump", "power", value, nonce)


def logged(path) -> list[tuple[str, str, str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["who"].partition(" ")[2], line["verb"], line["result"].partition(":")[0]) for line in lines]


def test_the_log_tells_who_did_what_and_what_came_of_it(bench, tmp_path):
    def answer(server, incoming):
        if isinstance(incoming.message, Set) and incoming.message.value > 1:
            server.refuse(incoming, BellringerError("too much", hint="less"))
        else:
            server.reply(incoming)

    path = tmp_path / "audit.jsonl"
    with Audit(path) as audit:
        service = bench.service(answer=answer, audit=audit, emits=lambda message: isinstance(message, Set))
        bob, eve = (bench.client(service, bench.key(*who)) for who in (("bob", "operator"), ("eve", "observer")))
        bob.request(setting(0.5))
        bob.request(Get(0, "alice.pump", "power", 0))
        bob.request(Call(0, "alice.plate", "home", 0))
        with pytest.raises(BellringerError):
            bob.request(setting(2.0))
        with pytest.raises(NotAllowed):
            eve.request(setting(0.5))
        eve.request(EStop(0, "smoke"))
        stranger = bench.client(service, KeyPair.ephemeral("stranger"))
        with pytest.raises(KeyRefused):
            stranger.connect()
        bob.request(Get(0, "alice.pump", "power", 0))
        service.stop()
    assert [line for line in logged(path) if line[1] != "connect"] == [
        ("bob", "set", "accepted"),
        ("bob", "set", "done"),
        ("bob", "call", "done"),
        ("bob", "set", "accepted"),
        ("bob", "set", "failed"),
        ("eve", "set", "refused"),
        ("eve", "estop", "done"),
    ]
    assert [line[2] for line in logged(path) if line[1] == "connect"] == ["connected", "connected", "denied"]
    first = next(line for line in map(json.loads, path.read_text().splitlines()) if line["verb"] == "set")
    plain = {"instrument": "alice.pump", "name": "power", "value": 0.5}
    assert first["arguments"] == {**plain, "confirm": False, "run": "", "by_hand": False}
    assert first["role"] == "operator"
    assert verify(path).lines == 10


def test_when_the_log_cannot_be_written_light_is_refused_and_the_estop_is_not(bench, tmp_path, mocker):
    with Audit(tmp_path / "audit.jsonl") as audit:
        service = bench.service(audit=audit, emits=lambda message: isinstance(message, Set))
        client = bench.client(service, bench.key("bob", "operator"))
        client.connect()
        mocker.patch.object(audit, "append", side_effect=AuditError("the disk is full"))
        with pytest.raises(AuditError, match="disk is full"):
            client.request(setting())
        assert client.request(EStop(0)) == "estop"
        assert [type(incoming.message) for incoming in service.served] == [EStop]
        assert service.server.counters["audit failed"] >= 2


def test_an_estop_waits_for_no_disk_and_a_set_does(bench, tmp_path, mocker):
    order = []

    def answer(server, incoming):
        order.append(("carried out", type(incoming.message)))
        server.reply(incoming)

    with Audit(tmp_path / "audit.jsonl") as audit:
        service = bench.service(answer=answer, audit=audit, emits=lambda message: isinstance(message, Set))
        client = bench.client(service, bench.key("bob", "operator"))
        client.connect()
        append = audit.append

        def noted(**line):
            if line["verb"] != "connect":  # the knock is logged when there is time
                order.append((line["verb"], line["durable"]))
            append(**line)

        mocker.patch.object(audit, "append", side_effect=noted)
        client.request(setting())
        client.request(EStop(0))
        service.stop()
    assert order == [("set", True), ("carried out", Set), ("set", False), ("carried out", EStop), ("estop", True)]


def test_knocking_all_day_fills_a_counter_and_not_the_log(bench, tmp_path):
    path = tmp_path / "audit.jsonl"
    with Audit(path) as audit:
        service = bench.service(audit=audit, clock=bench.clock)
        raw = bench.raw(service, bench.key("bob", "observer"))
        raw.nonce()
        for number in range(200):
            assert isinstance(raw.ask(setting(nonce=number)), Refusal)
        service.stop()
    assert len(path.read_text().splitlines()) < 60
    assert service.server.counters["not logged"] > 140
    assert service.server.counters["refused NotAllowed"] == 200


def test_no_secret_is_in_the_log_or_in_a_refusal(bench, tmp_path):
    path = tmp_path / "audit.jsonl"
    with Audit(path) as audit:
        service = bench.service(audit=audit)
        keys = bench.key("bob", "admin")
        client = bench.client(service, keys)
        client.request(Keys(0, "enrol", KeyPair.ephemeral("x").public, "x"))
        service.stop()
    assert keys.secret not in path.read_text()
    assert bench.service_keys.secret not in path.read_text()
