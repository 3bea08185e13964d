"""Rows 30 to 34: who has no key, the wrong role or a false name; frames that make no sense, too large, too many."""

import json
import random
import socket
import subprocess
import sys
import threading

import msgspec
import pytest
import zmq
from bellringer.console.keys import enrol_command, revoke_command
from bellringer.orchestrator.client.contact import Contact, write_contact
from bellringer.orchestrator.wire import Client, Decoder, Enrolled, KeyPair, encode, verify
from bellringer.orchestrator.wire.errors import KeyFileError, KeyRefused, NotAllowed, WireError
from bellringer.orchestrator.wire.files import write_whole
from bellringer.orchestrator.wire.messages import Answer, Call, EStop, Get, Hello, Keys, Refusal, Set, Status
from bellringer.testbed.errors import BellringerError

pytestmark = pytest.mark.process

SEED = 20260131
EMPTY = {"received": 0, "denied": 0, "handshakes failed": 0}


class Raw:
    """A peer that holds a key and sends whatever frames it likes."""

    def __init__(self, context, endpoint, server_key, keys=None, identity=b""):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity)
        if keys is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = keys.public.encode(), keys.secret.encode()
            self.socket.curve_serverkey = server_key.encode()
        self.socket.connect(endpoint)

    def say(self, message):
        self.socket.send_multipart(encode(message))

    def ask(self, message, patience_s=20.0):
        """Return the answer, or None."""
        self.say(message)
        return self.hear(patience_s)

    def hear(self, patience_s=20.0):
        if not self.socket.poll(1000 * patience_s):
            return None
        return Decoder(Answer).decode(self.socket.recv_multipart())[0]


@pytest.fixture
def raw(request):
    """Make raw peers of the agent or, by port name, of the coordinator."""
    site = request.getfixturevalue("site" if "site" in request.fixturenames else "shared_site")
    with zmq.Context() as context:
        made = []

        def make(who=None, port="", **more):
            service = "coordinator" if port else "charlie"
            number = site.ports[port] if port else site.agent_port
            keys = site.keys[who] if isinstance(who, str) else who
            peer = Raw(context, f"tcp://127.0.0.1:{number}", site.keys[service].public, keys, **more)
            made.append(peer)
            return peer

        yield make
        for peer in made:
            peer.socket.close()


def audit(site):
    """Return the agent's audit log, which must be whole."""
    path = site.folder / "charlie" / "audit.jsonl"
    verify(path)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_row_30_who_has_no_key_or_an_unknown_one_is_not_heard_and_it_is_logged(shared_site, raw):
    site = shared_site
    stranger = KeyPair.ephemeral("eve")
    peers = [raw(keys, port) for port in ("", "control", "estop") for keys in (None, stranger)]
    for peer in peers:
        peer.say(EStop(1))
    assert [peer.hear(0.2) for peer in peers] == [None] * 6
    for port in ("", "control", "estop"):
        site.until(lambda: counters(site, port)["denied"] and counters(site, port)["handshakes failed"])  # noqa: B023
    status = site.status()
    assert (status["fault"], status["estop"]) == ("", False), "a stranger's e-stop is none"
    told = site.refused(site.client(keys=stranger), Status(0), KeyRefused)
    assert "keys enrol" in told.hint
    site.until(lambda: any("denied" in json.dumps(line) for line in audit(site)))


def test_row_30_a_key_revoked_in_mid_session_is_refused_from_its_next_message_on(cold_site):
    site = cold_site
    site.start_coordinator()
    state = site.folder / "charlie"
    Enrolled(state / "enrolled.json").enrol(site.keys["anna"].public, "anna", "operator")
    Enrolled(state / "enrolled.json").enrol(site.keys["otto"].public, "otto", "observer")
    site.start_agent(enrolled=())
    site.until(site.well)
    anna = site.light()
    Enrolled(state / "enrolled.json").revoke("anna")
    for message in (Set(0, site.pump, "power", 0.02, 0), Get(0, site.pump, "power", 0), EStop(0, "from the grave")):
        assert "no longer" in site.refused(anna, message, KeyRefused).what
    assert site.laser.lit, "not even her e-stop counts any more"
    assert "p 0.020000" not in site.laser.commands()
    assert any("no longer" in json.dumps(line) for line in audit(site))


@pytest.mark.parametrize("port", ["agent", "coordinator"])
def test_row_30_an_admin_enrols_and_revokes_over_the_wire_and_a_live_connection_feels_it(shared_site, port):
    site, guest = shared_site, KeyPair.ephemeral(f"guest of {port}")
    root = site.client("root") if port == "agent" else site.to_coordinator("root")
    listed = root.request(Keys(0, "enrol", guest.public, guest.name))
    mine = next(line for line in listed if line["public_key"] == guest.public)
    assert (mine["name"], mine["role"], mine["revoked"]) == (guest.name, "observer", "")
    with Client(root.endpoint, site.keys["charlie" if port == "agent" else "coordinator"].public, guest) as client:
        client.request(Status(0))
        listed = root.request(Keys(0, "revoke", guest.name))
        assert next(line for line in listed if line["public_key"] == guest.public)["revoked"]
        assert "no longer" in site.refused(client, Status(0), KeyRefused).what
    assert "no enrolled key" in site.refused(root, Keys(0, "revoke", guest.name), KeyFileError).what
    assert "enrol or revoke" in site.refused(root, Keys(0, "forge", guest.public), WireError).hint
    folder = site.folder / ("charlie" if port == "agent" else "coordinator")
    logged = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    keys = [(line["who"].split()[-1], line["result"][:8]) for line in logged if line["verb"] == "keys"]
    assert keys.count(("root", "accepted")) == 4, "on disk before it is carried out"
    assert keys.count(("root", "done")) == 2


def test_row_30_one_command_enrols_and_revokes_at_coordinator_and_agents(shared_site, tmp_path, capsys):
    site, emil = shared_site, KeyPair.ephemeral("emil")
    where = {port: f"tcp://127.0.0.1:{site.ports[port]}" for port in ("control", "estop", "events")}
    contact, folder = tmp_path / "contact.json", tmp_path / "keys"
    write_contact(contact, Contact(**where, public_key=site.keys["coordinator"].public))
    for name in ("root", "anna"):
        write_whole(folder / f"{name}.key", site.keys[name].secret, 0o600)

    def asks(endpoint, service):
        with Client(endpoint, site.keys[service].public, emil) as client:
            return client.request(Status(0))

    services = ((where["control"], "coordinator"), (site.agent.where["control"], "charlie"))
    with pytest.raises(BellringerError, match="carried out by: none") as refused:
        enrol_command(emil.public, "emil", "observer", None, contact, folder, "anna")
    assert refused.value.where.count("needs the role admin") == 2
    enrol_command(emil.public, "emil", "observer", None, contact, folder, "root")
    assert "in coordinator, node charlie" in capsys.readouterr().out
    assert all(asks(*service) for service in services)
    revoke_command("emil", None, contact, folder, "root")
    for service in services:
        with pytest.raises(KeyRefused):
            asks(*service)


def test_row_30_a_node_that_was_away_hears_of_a_revoked_key_when_it_is_back(cold_site):
    site = cold_site
    folder = site.folder / "charlie"
    Enrolled(folder / "enrolled.json").enrol(site.keys["anna"].public, "anna", "operator")
    Enrolled(folder / "enrolled.json").enrol(site.keys["otto"].public, "otto", "observer")
    site.start_coordinator()
    site.to_coordinator("root").request(Keys(0, "revoke", "anna"))
    site.start_agent(enrolled=())
    site.until(site.well)
    assert "refuses our key" in site.refused(site.client("anna"), Status(0), KeyRefused).what
    assert Enrolled(folder / "enrolled.json").find(site.keys["anna"].public) is None, "for good"
    noted = [line for line in audit(site) if line["verb"] == "keys"]
    assert [line["arguments"]["public_key"] for line in noted] == [site.keys["anna"].public]
    site.to_coordinator("root").request(Keys(0, "enrol", (guest := KeyPair.ephemeral("guest")).public, "guest"))
    Enrolled(folder / "enrolled.json").enrol(guest.public, "guest", "observer")
    site.client(keys=guest).request(Status(0))
    site.to_coordinator("root").request(Keys(0, "revoke", "guest"))
    site.until(lambda: Enrolled(folder / "enrolled.json").find(guest.public) is None)


def test_row_31_the_role_of_the_key_decides_whatever_a_message_says(shared_site, raw):
    site = shared_site
    otto, anna = site.client("otto"), site.client("anna")
    assert "needs the role operator" in site.refused(otto, Set(0, site.pump, "power", 0.01, 0), NotAllowed).what
    revoke = Keys(0, "revoke", site.keys["root"].public)
    for client in (otto, anna, site.to_coordinator("anna")):
        assert "needs the role admin" in site.refused(client, revoke, NotAllowed).what

    liar = raw("otto", identity=b"root")
    hello = liar.ask(Hello(1, name="root"))
    assert isinstance(hello, Hello)
    refusal = liar.ask(Set(2, site.pump, "power", 0.01, hello.nonce))
    assert isinstance(refusal, Refusal)
    assert "the key of 'otto' has the role observer" in refusal.what
    forged = msgspec.msgpack.encode(
        {"kind": "set", "id": 3, "instrument": site.pump, "name": "power", "value": 0.01, "nonce": hello.nonce}
        | {"user": "root", "role": "admin"}
    )
    liar.socket.send_multipart([forged])
    assert isinstance(liar.hear(), Refusal)
    assert not [command for command in site.laser.commands() if command.startswith("p 0.01")]
    refused = [line for line in audit(site) if line["verb"] == "set"]
    assert refused
    assert all("otto" in line["who"] and "root" not in line["who"] for line in refused)


def counters(site, port=""):
    """Return what a port of the agent, or of the coordinator, has counted."""
    if not port:
        return {**EMPTY, **site.status()["counters"]}
    return {**EMPTY, **site.to_coordinator("otto").request(Status(0))["counters"][port]}


def nonsense():
    """Return messages that are none: frame counts, empty, random, deep, not UTF-8, half of good ones."""
    chance = random.Random(SEED)
    good = [bytes(frame) for frame in encode(Set(1, "charlie.pump", "power", 0.05, 0))]
    yield from (
        [b""],
        [b"", b""],
        good * 2,
        [*good, b"x" * 100],
        [b"\x91" * 100_000],
        [b"\xc1"],
        [b"\x81\xa4kind\xa3\xff\xfe\xfd"],
    )
    for _ in range(150):
        yield [chance.randbytes(chance.randrange(300)) for _ in range(chance.randrange(1, 5))]
    for _ in range(150):
        changed = bytearray(good[0])
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield [bytes(changed), *good[1:]]


@pytest.mark.parametrize("port", ["", "control", "estop"])
def test_row_32_malformed_messages_are_counted_and_dropped_and_the_service_lives(shared_site, raw, port):
    site = shared_site
    peer = raw("otto", port)
    assert peer.ask(Hello(1)) is not None
    before = counters(site, port)
    sent = 0
    for frames in nonsense():
        peer.socket.send_multipart(frames)
        sent += 1
    site.until(lambda: counters(site, port)["received"] >= before["received"] + sent)
    after = counters(site, port)
    assert sum(count for name, count in after.items() if name.startswith("refused")) >= sent - 5
    assert site.client("anna").request(Get(0, site.pump, "emitting", 0)) is False
    assert site.well()
    assert not [command for command in site.laser.commands() if command.startswith("p 0.05")]
    assert site.agent.said() == ""
    assert site.coordinator.said() == ""


def memory_kib(process, which="VmRSS"):
    """Return what a process holds now, or with ``VmHWM`` what it held at most."""
    with open(f"/proc/{process.popen.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(which))


def test_row_33_what_is_too_large_is_refused_or_cut_off_and_memory_stays_flat(shared_site, raw):
    site = shared_site
    peer = raw("otto")
    hello = peer.ask(Hello(1))
    before_kib = memory_kib(site.agent)
    peer.socket.send_multipart([bytes(encode(Get(2, site.pump, "power", hello.nonce))[0]) + b"x" * 200_000])
    told = peer.hear()
    assert isinstance(told, Refusal), "beyond our limit: told why"
    assert "more than 65536" in told.what
    for _ in range(20):
        peer.socket.send(b"x" * (16 << 20))  # beyond the socket's: ZeroMQ hangs up
    assert site.client("anna").request(Get(0, site.pump, "emitting", 0)) is False
    assert memory_kib(site.agent) < before_kib + 100_000
    with pytest.raises(WireError, match="more than 65536"):  # our own clients do not even send it
        site.client("anna").request(Call(0, site.pump, "snapshot", 0, args=("x" * 3_000_000,)))
    assert site.well()


# In a process of its own: ZeroMQ sometimes aborts a sender that is hung up on within a message.
MANY_FRAMES = """
import json, os, sys, zmq
to = json.loads(sys.stdin.read())
socket = zmq.Context().socket(zmq.DEALER)
for name in ("publickey", "secretkey", "serverkey"):
    setattr(socket, f"curve_{name}", to[name].encode())
socket.sndtimeo = 5000
socket.connect(to["endpoint"])
try:
    for _ in range(to["frames"]):
        socket.send(bytes(to["size"]), zmq.SNDMORE)
    socket.send(b"end")
    socket.poll(3000)
except zmq.Again:
    pass
os._exit(0)
"""


@pytest.mark.parametrize(("port", "mib"), [("estop", 1), ("control", 4)])
def test_row_33_a_message_of_many_large_frames_is_cut_off_at_the_first(shared_site, port, mib):
    site = shared_site
    before_kib = memory_kib(site.coordinator, "VmHWM")
    otto = site.keys["otto"]
    to = {"endpoint": f"tcp://127.0.0.1:{site.ports[port]}", "serverkey": site.keys["coordinator"].public}
    to |= {"publickey": otto.public, "secretkey": otto.secret, "frames": 200 // mib, "size": mib << 20}
    subprocess.run([sys.executable, "-c", MANY_FRAMES], input=json.dumps(to).encode(), timeout=60)
    assert site.well()
    assert memory_kib(site.coordinator, "VmHWM") < before_kib + 50_000


def test_row_33_a_length_claim_of_exabytes_before_the_handshake_takes_no_memory(shared_site):
    site = shared_site
    before_kib = memory_kib(site.agent)
    greeting = b"\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", site.agent_port)) as stranger:
            stranger.sendall(greeting + b"\x02" + (2**63 - 1).to_bytes(8, "big") + bytes(100_000))
    assert site.well()
    assert memory_kib(site.agent) < before_kib + 50_000


def test_row_34_a_flood_of_commands_is_held_back_and_an_estop_passes_it(site, raw):
    site.light()
    stop = threading.Event()
    refused = threading.Event()

    def flood():
        peer = raw("otto", "control")
        peer.ask(Hello(1))
        number = 1
        while not stop.is_set():
            number += 1
            peer.say(Status(number))
            while peer.socket.poll(0):
                answer = peer.hear()
                if isinstance(answer, Refusal) and answer.error == "TooFast":
                    refused.set()

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        assert refused.wait(60), "nobody held it back"
        site.to_coordinator("otto", "estop").request(EStop(0, "smoke"))
        site.until(lambda: not site.laser.lit)
        told = site.to_coordinator("anna").request(Status(0))
    finally:
        stop.set()
        flooding.join()
    assert told["estop"]["latched"], "others are served meanwhile"
    assert told["counters"]["control"]["refused TooFast"] > 0
    site.until(lambda: site.status()["estop"])
