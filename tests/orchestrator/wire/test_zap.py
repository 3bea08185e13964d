"""Authentication: only enrolled keys get in, domain by domain; without a handler nobody does."""

import pytest
import zmq
from bellringer.orchestrator.wire import Enrolled, KeyPair, KeyRefused, LinkError, Zap
from bellringer.orchestrator.wire.messages import Status
from bellringer.orchestrator.wire.zap import ADDRESS
from bellringer.testbed.errors import BellringerError
from zmq.utils import z85


@pytest.fixture
def ask(bench):
    """Speak to the handler as libzmq does."""
    socket = bench.context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(ADDRESS)

    def ask(*frames: bytes) -> list[bytes]:
        socket.send_multipart(frames)
        assert socket.poll(10_000)
        return socket.recv_multipart()

    yield ask
    socket.close()


def request(keys: KeyPair, domain: bytes = b"lab") -> list[bytes]:
    return [b"1.0", b"7", domain, b"192.0.2.1", b"", b"CURVE", z85.decode(keys.public)]


def test_an_enrolled_key_gets_in_and_its_messages_carry_it(bench):
    bob = bench.key("bob", "observer")
    service = bench.service()
    assert bench.client(service, bob).request(Status(0)) == "status"
    assert [(incoming.key, incoming.name, incoming.role) for incoming in service.served] == [
        (bob.public, "bob", "observer")
    ]


def test_the_answer_holds_the_key_as_user_id(bench, ask):
    bob = bench.key("bob", "observer")
    bench.zap.add("lab", bench.enrolled)
    version, number, code, _, user, _ = ask(*request(bob))
    assert (version, number, code, user) == (b"1.0", b"7", b"200", bob.public.encode())


def test_unknown_and_revoked_keys_are_denied_with_the_reason(bench, ask):
    knocks = []
    bench.zap.add("lab", bench.enrolled, knocks.append)
    bob, eve = bench.key("bob", "observer"), KeyPair.ephemeral("eve")
    assert ask(*request(bob))[2] == b"200"
    bench.enrolled.revoke("bob")
    assert ask(*request(bob))[2:5] == [b"400", b"the key was revoked", b""]
    assert ask(*request(eve))[2:5] == [b"400", b"the key is not enrolled", b""]
    assert [(knock.public_key, knock.accepted, knock.address) for knock in knocks] == [
        (bob.public, True, "192.0.2.1"),
        (bob.public, False, "192.0.2.1"),
        (eve.public, False, "192.0.2.1"),
    ]


def test_every_domain_has_its_own_list(bench):
    bob = bench.key("bob", "observer")
    open_to_bob, closed = bench.service(), bench.service(enrolled=Enrolled())
    assert bench.client(open_to_bob, bob).request(Status(0)) == "status"
    with pytest.raises(KeyRefused):
        bench.client(closed, bob).request(Status(0))


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: [b"2.0", *frames[1:]],
        lambda frames: [*frames[:2], b"elsewhere", *frames[3:]],
        lambda frames: [*frames[:2], b"\xff\xfe", *frames[3:]],
        lambda frames: [*frames[:5], b"NULL"],
        lambda frames: [*frames[:5], b"PLAIN", b"admin", b"secret"],
        lambda frames: [*frames[:6], frames[6][:31]],
        lambda frames: [*frames, b"more"],
        lambda frames: frames[:2],
        lambda frames: [b""],
    ],
)
def test_a_strange_request_is_denied_and_the_handler_lives(bench, ask, change):
    bob = bench.key("bob", "admin")
    bench.zap.add("lab", bench.enrolled)
    assert ask(*change(request(bob)))[2] in (b"300", b"400")
    assert ask(*request(bob))[2] == b"200"


def test_who_cannot_be_recorded_does_not_get_in(bench, ask):
    def disk_full(knock):
        raise OSError("no space left")

    bench.zap.add("lab", bench.enrolled, disk_full)
    bench.zap.add("elsewhere", bench.enrolled)
    bob = bench.key("bob", "admin")
    assert ask(*request(bob))[2] == b"400"
    assert isinstance(bench.zap.problem, OSError)
    assert ask(*request(bob, b"elsewhere"))[2] == b"200"


def test_a_removed_domain_lets_nobody_in_but_calls_no_key_bad(bench, ask):
    bob = bench.key("bob", "admin")
    bench.zap.add("lab", bench.enrolled)
    bench.zap.remove("lab")
    assert ask(*request(bob))[2] == b"300"


def test_a_second_handler_and_a_second_service_of_a_name_are_refused(bench):
    with pytest.raises(BellringerError, match="share one Zap"):
        Zap(bench.context)
    bench.zap.add("lab", bench.enrolled)
    with pytest.raises(BellringerError, match="'lab'"):
        bench.zap.add("lab", bench.enrolled)


def test_without_a_handler_nobody_gets_in(bench):
    """Libzmq's default would be to accept everybody."""
    bob = bench.key("bob", "admin")
    service = bench.service()
    bench.zap.close()
    with pytest.raises(LinkError):
        bench.client(service, bob).connect(timeout_s=1.0)
    assert service.served == []


def test_a_key_enrolled_later_gets_in_then(bench):
    bob = KeyPair.ephemeral("bob")
    service = bench.service()
    client = bench.client(service, bob)
    with pytest.raises(KeyRefused):
        client.connect()
    bench.enrolled.enrol(bob.public, "bob")
    assert client.request(Status(0)) == "status"
