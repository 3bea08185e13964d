"""Clients: every way not to reach a service has its own readable error; answers find their requests; it comes back."""

import socket
import time

import numpy as np
import pytest
import zmq
from bellringer.orchestrator.wire import (
    Client,
    Decoder,
    KeyPair,
    KeyRefused,
    LinkError,
    LinkLost,
    NoAnswer,
    NobodyThere,
    Stale,
    VersionSkew,
    WireError,
    WrongServerKey,
    encode,
)
from bellringer.orchestrator.wire.errors import KINDS, from_refusal, to_refusal
from bellringer.orchestrator.wire.messages import Call, Get, Hello, Refusal, Reply, Request, Set, Status
from bellringer.orchestrator.wire.sockets import serve_curve
from bellringer.testbed.errors import BellringerError, InstrumentError, LimitError

from ...reserved_ports import reserve_ports


def setting(value: float = 1.0) -> Set:
    return Set(0, "alice.pump", "power", value, 0)


def failure(client: Client, kind: type, timeout_s: float = 2.0) -> BellringerError:
    """Return the error of connecting; it came, with all its parts, not long after the time allowed."""
    start = time.monotonic()
    with pytest.raises(LinkError) as caught:
        client.connect(timeout_s)
    assert time.monotonic() - start < timeout_s + 10
    assert type(caught.value) is kind, caught.value
    assert caught.value.what
    assert client.endpoint in caught.value.where
    assert caught.value.hint
    return caught.value


@pytest.fixture
def bob(bench):
    return bench.key("bob", "operator")


# --- who is there -------------------------------------------------------------------------------------------------


def test_nobody_there(bench, bob):
    (port,) = reserve_ports(1, bench)
    failure(bench.client(f"tcp://127.0.0.1:{port}", bob), NobodyThere, 0.5)


def test_a_host_that_does_not_exist(bench, bob):
    failure(bench.client("tcp://no-such-host.invalid:5570", bob), NobodyThere, 0.5)


@pytest.mark.parametrize("endpoint", ["", "alice", "http://alice:80", "tcp://alice"])
def test_an_address_that_is_none(bench, bob, endpoint):
    with pytest.raises(NobodyThere, match="tcp://host:port"):
        bench.client(endpoint, bob)


def test_a_server_key_that_is_none(bench, bob):
    with pytest.raises(WrongServerKey, match="no public key"):
        bench.client("tcp://127.0.0.1:5570", bob, server_key="spam")


def test_the_service_holds_another_key(bench, bob):
    service = bench.service()
    client = bench.client(service, bob, server_key=KeyPair.ephemeral("old").public)
    assert "compare fingerprints" in failure(client, WrongServerKey, 20).hint
    failure(client, WrongServerKey, 20)
    assert service.server.counters["received"] == 0


def test_our_key_is_refused(bench):
    service = bench.service()
    client = bench.client(service, KeyPair.ephemeral("stranger"))
    assert "'stranger'" in failure(client, KeyRefused, 20).what
    failure(client, KeyRefused, 20)
    assert service.server.counters["received"] == 0


def test_somebody_listens_and_is_silent(bench, bob):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = bench.client(f"tcp://127.0.0.1:{listener.getsockname()[1]}", bob)
        assert "handshake" in failure(client, NoAnswer, 1.0).what


def test_somebody_listens_and_speaks_something_else(bench, bob):
    plain = bench.closing(bench.context.socket(zmq.ROUTER))
    port = plain.bind_to_random_port("tcp://127.0.0.1")
    assert "encrypted" in failure(bench.client(f"tcp://127.0.0.1:{port}", bob), NoAnswer, 20).what


def test_a_service_that_is_frozen_from_the_start(bench, bob):
    service = bench.service()
    service.freeze()
    client = bench.client(service, bob)
    assert "does not answer our hello" in failure(client, NoAnswer, 0.5).what
    service.thaw()
    assert client.request(Status(0)) == "status"


class Impostor:
    """A service with the right key that answers a hello as it likes."""

    def __init__(self, bench) -> None:
        self.socket = bench.closing(serve_curve(bench.context.socket(zmq.ROUTER), bench.service_keys, "impostor"))
        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        bench.zap.add("impostor", bench.enrolled)

    def answer(self, client: Client, *frames: bytes) -> None:
        """Let the client say hello, and answer with these frames."""
        for _ in range(1000):
            client.receive(0.02)
            if self.socket.poll(0):
                break
        peer, *said = self.socket.recv_multipart()
        assert isinstance(Decoder(Request).decode(said)[0], Hello)
        self.socket.send_multipart([peer, *frames])


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        (encode(Hello(1, version=(2, 5))), VersionSkew),
        (encode(to_refusal(VersionSkew("1.0 and 2.5"), 1)), VersionSkew),
        (encode(to_refusal(KeyRefused("revoked"), 1)), KeyRefused),
        (encode(Reply(1, "what?")), LinkError),
        ([encode(Hello(1))[0], b"extra frame"], LinkError),
    ],
)
def test_a_hello_answered_otherwise_is_a_clear_error(bench, bob, frames, kind):
    impostor = Impostor(bench)
    client = bench.client(impostor.endpoint, bob)
    impostor.answer(client, *frames)
    for _ in range(1000):
        client.receive(0.02)
        if type(client.problem) is kind:
            break
    assert type(client.problem) is kind
    if kind is VersionSkew:
        assert "1.0" in client.problem.what
        assert "2.5" in client.problem.what
    with pytest.raises(kind):
        client.send(Status(0))


def test_garbage_from_the_service_is_an_error_of_the_request_it_answers_or_counted(bench, bob):
    impostor = Impostor(bench)
    client = bench.client(impostor.endpoint, bob)
    impostor.answer(client, *encode(Hello(1, nonce=5)))
    client.connect()
    id = client.send(Status(0))
    peer, *_ = impostor.socket.recv_multipart()
    for frames in ([b""], [b"random"], encode(Reply(999)), [*encode(Reply(id)), b"extra"]):
        impostor.socket.send_multipart([peer, *frames])
    answer = client.receive(20)
    assert answer.id == id
    with pytest.raises(WireError):
        answer.value()
    assert client.counters["malformed"] == 3
    assert client.counters["late"] == 3


# --- requests -----------------------------------------------------------------------------------------------------


def test_the_services_hello_is_known(bench, bob):
    client = bench.client(bench.service(name="agent alice"), bob)
    assert client.server is None
    client.connect()
    assert client.server.name == "agent alice"
    assert "get" in client.server.features


def test_values_and_arrays_travel_both_ways(bench, bob):
    def answer(server, incoming):
        (mask,), (beside,) = incoming.message.args, incoming.arrays
        server.reply(incoming, {"twice": mask * 2}, beside + 1)

    client = bench.client(bench.service(answer=answer), bob)
    answered = client.ask(Call(0, "alice.tagger", "record", 0, (np.arange(1000),)), np.arange(3))
    assert answered.value()["twice"].tolist() == list(range(0, 2000, 2))
    assert answered.arrays[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_error_arrives_as_the_class_it_left_as(bench, bob, kind):
    error = KINDS[kind]("it went wrong", where="alice.pump", hint="try something else")
    service = bench.service(answer=lambda server, incoming: server.refuse(incoming, error))
    with pytest.raises(KINDS[kind]) as caught:
        bench.client(service, bob).request(setting())
    assert type(caught.value) is KINDS[kind]
    assert (caught.value.what, caught.value.where, caught.value.hint) == (
        "it went wrong",
        "alice.pump",
        "try something else",
    )


def test_the_kinds_that_travel_are_those_of_the_testbed_and_ours():
    assert {BellringerError, LimitError, InstrumentError, Stale, NobodyThere} <= set(KINDS.values())


def test_a_kind_unknown_here_arrives_as_its_nearest_base_or_plain():
    class NewLimit(LimitError):
        pass

    assert to_refusal(NewLimit("x"), 1).error == "LimitError"
    assert type(from_refusal(Refusal(1, "Exit", "x"))) is BellringerError
    refusal = to_refusal(ValueError("spam"), 1)
    assert refusal.error == "BellringerError"
    assert "ValueError: spam" in refusal.what


def test_many_requests_at_once_get_each_its_own_answer(bench, bob):
    service = bench.service(answer=lambda server, incoming: server.reply(incoming, incoming.message.name))
    client = bench.client(service, bob)
    client.connect()
    asked = {client.send(Get(0, "alice.pump", f"reading {number}", 0)): f"reading {number}" for number in range(100)}
    assert client.request(Get(0, "alice.pump", "in between", 0)) == "in between"
    answers = [client.receive(20) for _ in asked]
    assert {answer.id: answer.value() for answer in answers} == asked
    assert client.receive(0) is None


def test_a_request_without_an_answer_ends_in_time_and_its_late_answer_goes_to_nobody(bench, bob):
    service = bench.service(answer=lambda server, incoming: server.reply(incoming, incoming.message.name))
    client = bench.client(service, bob)
    client.connect()
    service.freeze()
    with pytest.raises(NoAnswer, match="whether it was carried out is unknown") as caught:
        client.request(Get(0, "alice.pump", "first", 0), timeout_s=0.3)
    assert client.endpoint in caught.value.where
    service.thaw()
    assert client.request(Get(0, "alice.pump", "second", 0)) == "second"
    assert client.counters["late"] == 1


def test_a_request_beyond_the_services_limits_is_not_sent(bench, bob):
    service = bench.service()
    client = bench.client(service, bob)
    client.connect()
    with pytest.raises(WireError, match="bytes of arrays"):
        client.request(Call(0, "a", "b", 0, (np.zeros(200_000),)))
    with pytest.raises(WireError, match="cannot be sent"):
        client.request(Call(0, "a", "b", 0, (object(),)))
    assert client.request(setting()) == "set"
    assert len(service.served) == 1


# --- a service that goes and comes --------------------------------------------------------------------------------


def test_a_service_that_dies_before_it_answers(bench, bob):
    service = bench.service()
    client = bench.client(service, bob)
    client.connect()
    service.freeze()
    ids = {client.send(setting()), client.send(Status(0))}
    service.stop()
    answers = [client.receive(20) for _ in ids]
    assert {answer.id for answer in answers} == ids
    for answer in answers:
        with pytest.raises(LinkLost, match="unknown"):
            answer.value()
    assert client.counters["lost"] == 2


def is_back(client: Client, connection: int) -> bool:
    """Let the client look; return whether it is on this connection, counted from 1."""
    client.receive(0)
    return client._session.link.connections == connection and client.problem is None


def test_after_a_restart_of_the_service_the_client_goes_on(bench, bob, eventually):
    service = bench.service()
    client = bench.client(service, bob)
    assert client.request(setting()) == "set"
    for restart in (2, 3, 4):
        service.stop()
        service = bench.service(service.endpoint)
        assert eventually(lambda restart=restart: is_back(client, restart))
        assert client.request(setting()) == "set"
        assert [type(incoming.message) for incoming in service.served] == [Set]


def test_a_request_that_did_not_leave_because_the_connection_just_broke_is_sent_on_the_next(
    bench, bob, mocker, eventually
):
    service = bench.service()
    client = bench.client(service, bob)
    client.connect()
    service.stop()
    assert eventually(lambda: not client.socket.poll(0, zmq.POLLOUT))
    service = bench.service(service.endpoint)
    link = client._session.link
    notes = [lambda: None]  # at the first look the monitor has nothing to tell yet
    mocker.patch.object(link, "note", side_effect=lambda: notes.pop()() if notes else type(link).note(link))
    assert client.request(setting()) == "set"
    assert [type(incoming.message) for incoming in service.served] == [Set]
    assert client.counters["lost"] == 0


def test_a_client_that_only_looks_in_now_and_then_finds_the_service_again(bench, bob):
    first = bench.service()
    client = bench.client(first, bob)
    client.connect()
    first.stop()
    assert client.receive(0.3) is None
    assert isinstance(client.problem, NobodyThere)
    with pytest.raises(NobodyThere):
        client.send(Status(0))
    bench.service(first.endpoint)
    for _ in range(1000):
        client.receive(0.02)
        if client.problem is None:
            break
    assert client.receive(0) is None
    client.send(Status(0))
    assert client.receive(20).value() == "status"


def test_a_client_refused_at_the_door_knocks_again_by_itself(bench):
    service = bench.service()
    late = KeyPair.ephemeral("late")
    client = bench.client(service, late)
    with pytest.raises(KeyRefused):
        client.connect()
    bench.enrolled.enrol(late.public, "late")
    for _ in range(1000):
        client.receive(0.02)
        if client.problem is None:
            break
    assert client.problem is None


def test_a_service_that_forgot_our_hello_hears_it_again(bench, bob):
    service = bench.service()
    client = bench.client(service, bob)
    client.connect()
    service.freeze()
    service.server.gate._greeted.clear()
    service.thaw()
    assert client.request(setting()) == "set"
    assert service.server.counters["refused NoHello"] == 1


def test_a_service_revoked_our_key_while_it_was_away(bench, bob):
    first = bench.service()
    client = bench.client(first, bob)
    client.connect()
    first.stop()
    bench.enrolled.revoke("bob")
    bench.service(first.endpoint)

    def ask():
        try:
            client.request(Status(0))
        except LinkLost:  # it left before the end of the old connection was seen
            client.request(Status(0))

    with pytest.raises(KeyRefused):
        ask()


def test_closing_twice_and_leaving_the_context(bench, bob):
    with bench.client(bench.service(), bob) as client:
        client.connect()
    client.close()
