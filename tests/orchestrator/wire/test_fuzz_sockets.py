"""Strangers at the ports: whatever bytes they send, nothing is delivered and everybody else is served."""

import contextlib
import random
import socket

import pytest
from bellringer.orchestrator.wire import Publisher, Subscriber
from bellringer.orchestrator.wire.messages import Event, Status

SEED = 20260131
GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01%s\x00" + bytes(31)


def openings() -> dict[str, list[bytes]]:
    """Return what strangers say, by what they are: each says several pieces, one after the other."""
    chance = random.Random(SEED)
    curve, null = GREETING % b"CURVE".ljust(20, b"\0"), GREETING % b"NULL".ljust(20, b"\0")
    hello = b"\x04\xc8\x05HELLO\x01\x00"
    return {
        "nothing": [],
        "one byte": [b"\xff"],
        "http": [b"GET / HTTP/1.1\r\nHost: alice\r\n\r\n"],
        "tls": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500)],
        "ssh": [b"SSH-2.0-OpenSSH_9.2\r\n"],
        "ZMTP 1": [b"\x01\x00", b"\x05\x01abcd" * 50],
        "ZMTP 2": [b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05\x00\x00", b"\x00\x05hello" * 50],
        "no encryption": [null, b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER", b"\x00\x05hello" * 50],
        "half a greeting": [curve[:30]],
        "greeting only": [curve],
        "random after the greeting": [curve, chance.randbytes(400)],
        "random hello": [curve, hello + chance.randbytes(190)],
        "a frame of 2^63 bytes": [curve, b"\x02" + (2**63 - 1).to_bytes(8, "big"), chance.randbytes(1000)],
        "message before the handshake": [curve, b"\x00\x05hello" * 50],
        "initiate before hello": [curve, b"\x06\x00\x00\x00\x00\x00\x00\x01\x01\x08INITIATE" + chance.randbytes(248)],
        "zeros": [bytes(2000)],
        **{f"random {number}": [chance.randbytes(chance.randrange(1, 3000)) for _ in range(3)] for number in range(40)},
    }


def visit(endpoint: str, pieces: list[bytes]) -> socket.socket:
    """Connect, say the pieces, take what comes, and stay."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    stranger = socket.create_connection((host, int(port)), timeout=10)
    stranger.settimeout(0.02)
    for piece in pieces:
        with contextlib.suppress(OSError):  # it may hang up on us, or say nothing
            stranger.sendall(piece)
            stranger.recv(1000)
    return stranger


@pytest.fixture
def crowd():
    with contextlib.ExitStack() as stack:
        yield lambda endpoint: [stack.enter_context(visit(endpoint, pieces)) for pieces in openings().values()]


def test_strangers_at_the_control_port(bench, crowd, eventually):
    service = bench.service()
    client = bench.client(service, bench.key("bob", "operator"))
    assert client.request(Status(0)) == "status"
    crowd(service.endpoint)
    assert client.request(Status(0)) == "status"
    assert bench.client(service, bench.key("carol", "operator")).request(Status(0)) == "status"
    assert [incoming.name for incoming in service.served] == ["bob", "bob", "carol"]
    counters = service.server.counters
    assert counters["received"] == 5  # two hellos, three requests
    assert eventually(lambda: counters["handshakes failed"] > 0)


def test_strangers_at_the_stream(bench, crowd):
    keys = bench.key("bob", "observer")
    publisher = bench.closing(
        Publisher("tcp://127.0.0.1:*", bench.service_keys, bench.zap, bench.enrolled, name="stream")
    )
    subscriber = bench.closing(Subscriber(publisher.endpoint, bench.service_keys.public, keys, context=bench.context))
    strangers = crowd(publisher.endpoint)
    got = None
    for _ in range(1000):
        publisher.publish("a", Event(0, "secret-reading", "alice"))
        got = subscriber.receive(0.02)
        if got is not None:
            break
    assert got.message.name == "secret-reading"
    assert publisher.subscribed() == [""]
    for stranger in strangers:
        with contextlib.suppress(OSError):
            assert b"secret" not in stranger.recv(10_000)
