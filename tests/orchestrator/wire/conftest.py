"""Services on loopback in threads of their own, raw peers that do as they please, and clocks that tests move."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq
from bellringer.orchestrator.wire import Answered, Client, Enrolled, KeyPair, Server, Zap, decode, encode
from bellringer.orchestrator.wire.messages import Answer, Hello

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Return whether ``condition`` came true; returns as soon as it does."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class HandClock:
    """Seconds that only tests move."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Service:
    """A server in a thread; answers every request with the message's kind unless ``answer`` is given.

    ``frozen`` stops it from looking at its socket, as a busy or stopped process would.
    """

    def __init__(self, server: Server, answer: Callable | None = None) -> None:
        self.server, self.answer = server, answer
        self.endpoint = server.endpoint
        self.served: list = []
        self.frozen = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self.frozen.is_set() or not self.server.socket.poll(20):
                self._stop.wait(0.01)
                self.server._note_handshakes()
                continue
            for incoming in self.server.receive():
                self.served.append(incoming)
                if self.answer is not None:
                    self.answer(self.server, incoming)
                else:
                    self.server.reply(incoming, incoming.message.__struct_config__.tag)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stop.set()
            self._thread.join()
            self.server.close()


class Raw:
    """A peer with a key that sends whatever frames it likes."""

    def __init__(self, context: zmq.Context, service: Service, server_key: str, keys: KeyPair, identity=b"") -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_publickey, self.socket.curve_secretkey = keys.public.encode(), keys.secret.encode()
        self.socket.curve_serverkey = server_key.encode()
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity)
        self.socket.connect(service.endpoint)

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart(list(frames))

    def say(self, message, *arrays) -> None:
        self.socket.send_multipart(encode(message, *arrays))

    def hear(self, patience_s: float = PATIENCE_S):
        """Return the next answer, or None."""
        if not self.socket.poll(patience_s * 1000):
            return None
        return decode(self.socket.recv_multipart(), Answer)[0]

    def ask(self, message, *arrays):
        self.say(message, *arrays)
        return self.hear()

    def nonce(self) -> int:
        """Say hello and return the nonce that came."""
        answer = self.ask(Hello(1))
        assert isinstance(answer, Hello)
        return answer.nonce


class Bench:
    """Everything a test needs to put services and clients on one context."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.zap = Zap(self.context)
        self.service_keys = KeyPair.ephemeral("service")
        self.enrolled = Enrolled()
        self.clock = HandClock()
        self._open: list = []
        self._names = iter(range(1000))

    def key(self, name: str, role: str) -> KeyPair:
        pair = KeyPair.ephemeral(name)
        self.enrolled.enrol(pair.public, name, role)
        return pair

    def service(self, endpoint: str = "tcp://127.0.0.1:*", answer: Callable | None = None, **options) -> Service:
        name = options.pop("name", f"service {next(self._names)}")
        keys = options.pop("keys", self.service_keys)
        service = Service(Server(endpoint, keys, self.zap, self.enrolled, name=name, **options), answer)
        self._open.append(service.stop)
        return service

    def client(self, service: Service | str, keys: KeyPair, **options) -> Client:
        endpoint = service if isinstance(service, str) else service.endpoint
        options.setdefault("timeout_s", PATIENCE_S)
        server_key = options.pop("server_key", self.service_keys.public)
        client = Client(endpoint, server_key, keys, context=self.context, **options)
        self._open.append(client.close)
        return client

    def raw(self, service: Service, keys: KeyPair, **options) -> Raw:
        raw = Raw(self.context, service, self.service_keys.public, keys, **options)
        self._open.append(raw.socket.close)
        return raw

    def closing(self, thing):
        """Return ``thing``, to be closed at the end of the test."""
        self._open.append(thing.close)
        return thing

    def close(self) -> None:
        for close in reversed(self._open):
            close()
        self.zap.close()
        self.context.term()  # waits for ever if a socket was left open; pytest's timeout would show it


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def eventually() -> Callable[..., bool]:
    return wait_until


def values_of(answers: list[Answered]) -> list:
    return [answer.value() for answer in answers]
