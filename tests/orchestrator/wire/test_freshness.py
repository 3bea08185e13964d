"""Freshness: a command that lay somewhere too long is refused when it is found, on the service's own clock."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest
from bellringer.orchestrator.wire import KeyPair, Stale
from bellringer.orchestrator.wire.messages import (
    Ack,
    Call,
    Do,
    EStop,
    Get,
    Keys,
    Own,
    Refusal,
    Register,
    Release,
    Renew,
    Reply,
    RunCommand,
    Set,
    Status,
)
from bellringer.orchestrator.wire.nonces import MAX_TTL_S, Nonces, elapsed_s, needs_nonce


@pytest.fixture
def nonces(bench):
    return Nonces(0.25, bench.clock)


def is_fresh(nonces, nonce, ttl_s=2.0) -> bool:
    try:
        nonces.check(nonce, ttl_s)
    except Stale:
        return False
    return True


def test_a_new_nonce_every_interval(bench, nonces):
    first = nonces.newest()
    bench.clock.now_s += 0.24
    assert nonces.newest() == first
    bench.clock.now_s += 0.02
    assert nonces.newest() != first
    assert is_fresh(nonces, first)


@pytest.mark.parametrize(
    ("age_s", "ttl_s", "fresh"), [(0, 2, True), (1.99, 2, True), (2.01, 2, False), (0.3, 0.2, False)]
)
def test_a_nonce_lives_as_long_as_the_command_says(bench, nonces, age_s, ttl_s, fresh):
    nonce = nonces.newest()
    bench.clock.now_s += age_s
    assert is_fresh(nonces, nonce, ttl_s) == fresh


@pytest.mark.parametrize("ttl_s", [math.inf, 1e9])
def test_no_command_lives_longer_than_the_service_allows(bench, nonces, ttl_s):
    nonce = nonces.newest()
    bench.clock.now_s += MAX_TTL_S - 0.1
    assert is_fresh(nonces, nonce, ttl_s)
    bench.clock.now_s += 0.2
    assert not is_fresh(nonces, nonce, ttl_s)


@pytest.mark.parametrize("ttl_s", [math.nan, -1.0, -math.inf])
def test_a_life_time_that_is_none_is_stale(nonces, ttl_s):
    assert not is_fresh(nonces, nonces.newest(), ttl_s)


@pytest.mark.parametrize("nonce", [0, 1, -1, 2**70])
def test_an_unknown_nonce_is_stale(nonces, nonce):
    nonces.newest()
    assert not is_fresh(nonces, nonce, 1e9)


def test_old_nonces_are_forgotten(bench, nonces):
    for _ in range(1000):
        nonces.newest()
        bench.clock.now_s += 0.3
    assert len(nonces._issued) <= MAX_TTL_S / 0.3 + 1


def test_elapsed_time_only_grows():
    times = [elapsed_s() for _ in range(100)]
    assert times == sorted(times)


def test_commands_must_be_fresh_and_what_only_makes_dark_is_never_too_late():
    fresh = [
        Get(1, "a", "b", 0), Set(1, "a", "b", 1, 0), Call(1, "a", "b", 0), Do(1, "a", "open", 0), Own(1, "r", (), 1.0),
        RunCommand(1, "r", "resume"), RunCommand(1, "r", "pause"), Ack(1), Keys(1, "enrol", "k"),
    ]  # fmt: skip
    whenever = [
        EStop(1), Do(1, "a", "safe_state", 0), RunCommand(1, "r", "abort"), Status(1), Release(1, "r"),
        Renew(1, "n", "b", 0.0), Register(1, "n", "b", "c", "s", "k", ()),
    ]  # fmt: skip
    assert all(map(needs_nonce, fresh))
    assert not any(map(needs_nonce, whenever))


def test_a_command_that_was_held_up_is_refused_and_a_fresh_one_is_not(bench):
    """Holding the frame for three seconds of the service's clock is what a stopped process does to it."""
    service = bench.service(clock=bench.clock)
    raw = bench.raw(service, bench.key("bob", "operator"))
    held = Set(2, "alice.pump", "power", 1.0, raw.nonce())
    bench.clock.now_s += 3
    answer = raw.ask(held)
    assert isinstance(answer, Refusal)
    assert answer.error == "Stale"
    assert "3.00 s" in answer.what
    assert isinstance(raw.ask(Set(3, "alice.pump", "power", 1.0, answer.nonce)), Reply)
    assert [incoming.message.id for incoming in service.served] == [3]


def test_a_frozen_service_does_nothing_late_when_it_wakes(bench):
    service = bench.service()
    client = bench.client(service, bench.key("bob", "operator"))
    client.connect()
    service.freeze()
    late = [client.send(Set(0, "alice.pump", "power", 1.0, 0, ttl_s=2.0)) for _ in range(3)]
    dark = client.send(Do(0, "alice.pump", "safe_state", 0, ttl_s=2.0))
    time.sleep(2.1)
    service.thaw()
    answers = {}
    while len(answers) < 4:
        answer = client.receive(20)
        assert answer is not None
        answers[answer.id] = answer.message
    assert {answers[id].error for id in late} == {"Stale"}
    assert isinstance(answers[dark], Reply)
    assert [incoming.message.id for incoming in service.served] == [dark]


SERVICE = """
import sys
from bellringer.orchestrator.wire import Enrolled, KeyPair, Server, Zap
keys, enrolled = KeyPair.ephemeral("service"), Enrolled()
enrolled.enrol(sys.argv[1], "bob", "operator")
with Zap() as zap, Server("tcp://127.0.0.1:*", keys, zap, enrolled, name="service") as server:
    print(server.endpoint, keys.public, flush=True)
    for _ in range(1000):
        server.socket.poll(100)
        for incoming in server.receive():
            print("carried out", incoming.message.value, flush=True)
            server.reply(incoming)
"""


@pytest.mark.process
def test_a_stopped_process_does_nothing_late_when_it_goes_on(bench):
    bob = KeyPair.ephemeral("bob")
    command = [sys.executable, "-c", SERVICE, bob.public]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            endpoint, server_key = process.stdout.readline().split()
            client = bench.client(endpoint, bob, server_key=server_key)
            client.request(Set(0, "alice.pump", "power", 1.0, 0))
            os.kill(process.pid, signal.SIGSTOP)
            late = client.send(Set(0, "alice.pump", "power", 2.0, 0, ttl_s=2.0))
            time.sleep(2.5)
            os.kill(process.pid, signal.SIGCONT)
            answer = client.receive(20)
            assert answer.id == late
            with pytest.raises(Stale):
                answer.value()
            client.request(Set(0, "alice.pump", "power", 3.0, 0))
        finally:
            process.kill()
        assert process.stdout.read() == "carried out 1.0\ncarried out 3.0\n"


def test_a_stale_command_is_for_a_person_to_decide_and_stale_reading_is_repeated(bench):
    service = bench.service(clock=bench.clock)
    client = bench.client(service, bench.key("bob", "operator"))
    client.connect()
    bench.clock.now_s += 3
    with pytest.raises(Stale, match="nothing was done"):
        client.request(Set(0, "alice.pump", "power", 1.0, 0))
    assert service.served == []
    assert client.request(Set(0, "alice.pump", "power", 1.0, 0)) == "set"
    bench.clock.now_s += 3
    assert client.request(Get(0, "alice.pump", "power", 0)) == "get"
    assert service.server.counters["refused Stale"] == 2


def test_reading_is_repeated_once_only(bench):
    def clock():
        bench.clock.now_s += 1.0  # time flies: whatever arrives is stale
        return bench.clock.now_s

    service = bench.service(clock=clock)
    client = bench.client(service, bench.key("bob", "operator"))
    with pytest.raises(Stale):
        client.request(Get(0, "alice.pump", "power", 0, ttl_s=0.5))
    assert service.server.counters["refused Stale"] == 2


def test_a_client_that_was_idle_gets_a_fresh_nonce_before_it_commands(bench):
    service = bench.service(clock=bench.clock)
    client = bench.client(service, bench.key("bob", "operator"))
    client.connect()
    bench.clock.now_s += 60
    client._session.nonce_at -= 60  # both sides' minute
    assert client.request(Set(0, "alice.pump", "power", 1.0, 0)) == "set"
    assert service.server.counters["refused Stale"] == 0
