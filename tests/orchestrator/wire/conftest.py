"""Services on loopback in threads of their own, raw peers that do as they please, and clocks that tests move."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq
from bellringer.orchestrator.wire import Client, Decoder, Enrolled, KeyPair, Server, Zap, encode
from bellringer.orchestrator.wire.messages import Answer, Hello, kind_of

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Return whether ``condition`` came true; returns as soon as it does."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def is_free(endpoint: str) -> bool:
    """Return whether somebody could listen at ``tcp://127.0.0.1:port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(endpoint.rpartition(":")[2])))
        except OSError:
            return False
        return True


class HandClock:
    """Seconds that only tests move."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Service:
    """A server in a thread; answers every request with the message's kind unless ``answer`` is given.

    ``freeze`` stops it from looking at its socket, as a busy or stopped process would, until ``thaw``.
    """

    def __init__(self, server: Server, answer: Callable | None = None) -> None:
        self.server, self.answer = server, answer
        self.endpoint = server.endpoint
        self.served: list = []
        self._freeze, self._frozen = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._freeze.is_set():
                self._frozen.set()
                self._stop.wait(0.01)
                continue
            self._frozen.clear()
            self.server.socket.poll(20)
            for incoming in self.server.receive():
                self.served.append(incoming)
                if self.answer is not None:
                    self.answer(self.server, incoming)
                else:
                    self.server.reply(incoming, kind_of(incoming.message))

    def freeze(self) -> None:
        self._freeze.set()
        assert self._frozen.wait(PATIENCE_S)

    def thaw(self) -> None:
        self._freeze.clear()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stop.set()
            self._thread.join()
            self.server.close()


class Raw:
    """A peer with a key that sends whatever frames it likes."""

    def __init__(
        self, context: zmq.Context, service: Service, server_key: str, keys: KeyPair, identity=b"", rcvhwm=1000
    ):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger, self.socket.rcvhwm = 0, rcvhwm
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
        return Decoder(Answer).decode(self.socket.recv_multipart())[0]

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
        enrolled = options.pop("enrolled", self.enrolled)
        if not endpoint.endswith("*"):
            assert wait_until(lambda: is_free(endpoint))  # ZeroMQ frees an address a moment after closing
        service = Service(Server(endpoint, self.service_keys, self.zap, enrolled, name=name, **options), answer)
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
