"""The way of a correction between two driver processes as an agent runs them, and a bare way beside it.

The station's driver process reads heralds from a core on TCP, the node's writes corrections to another; in between is
the lane, with nothing added but a note of the time when heralds were read and when a correction had been written. The
bare way is one message of the same size from a process that was just woken to one that waits for it.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Self

import msgspec
import zmq
from bellringer.drivers.interfaces import HeraldRecord
from bellringer.drivers.timing.attempt_core import AttemptCore
from bellringer.drivers.transports.tcp import TcpTransport
from bellringer.orchestrator.agent import child
from bellringer.orchestrator.agent.children import REPORTS
from bellringer.orchestrator.agent.core_orders import Attempts, Begin, Look, Permit, Progress
from bellringer.orchestrator.agent.pipe import Dark, Darkened, receive, send
from bellringer.orchestrator.heralding.messages import Feedforward
from bellringer.orchestrator.wire.messages import Call, Message, Reply
from bellringer.orchestrator.wire.nonces import elapsed_s
from bellringer.testbed.attempts import AttemptProgram
from bellringer.testbed.attempts.reading import program
from bellringer.testbed.testbed import InstrumentEntry

from .cores import core
from .raw import dealer, router
from .site import process

NODE, STATION = "alice", "charlie"
PERIOD_PS, MINUTE_PS = 100_000_000, 60 * 10**12
SHORTEST_GAP_S, LONGEST_GAP_S = 0.5e-3, 2.5e-3
"""Between two messages, drawn anew each time: so that nothing falls in step with what the processes do regularly."""
PATIENCE_S = 10.0
LIT_S = 3600.0
"""How long a batch may be lit: nobody renews a lease here."""


def pair_program(attempts: int) -> AttemptProgram:
    """Return a program of one node and one detector, in which every herald owes a correction."""
    click = {"name": "click", "begin_ps": 50_000_000, "length_ps": 50_000}
    pulse = {"node": NODE, "channel": "excite", "begin_ps": 2_000_000, "length_ps": 10_000}
    owed = {"deadline_ps": MINUTE_PS, "label": "psi+", "node": NODE, "operation": "Z"}
    return program(
        scheme="single_click", keep="keep", nodes=(NODE,), station=STATION, period_ps=PERIOD_PS, shift=0,
        round_trip_ps=90_000_000, pulses=(pulse,),
        windows=(click,), detectors=("d0",), heralds=({"clicks": (("d0", "click"),), "label": "psi+"},),
        feedforward=(owed,), stop={"kind": "full", "count": 0}, most_attempts=attempts,
        most_ps=attempts * PERIOD_PS, max_age_ps=MINUTE_PS, memory_modes=1,
    )  # fmt: skip


# --- in processes of their own ----------------------------------------------------------------------------------------


def driver_process(pipe: Connection, name: str, port: int) -> None:
    """Be the driver process of one core, and note times in monotonic ns.

    The driver has a further method ``notes`` here: (number of the herald, when it had been read, or when the write of
    its correction began, when the write was over), for each since the last call.
    """
    noted: list[tuple[int, int, int]] = []
    read, apply, write = AttemptCore.read_heralds, AttemptCore.apply, TcpTransport._send
    began = threading.local()

    def read_heralds(core: AttemptCore, wait_s: float) -> list[HeraldRecord]:
        found = read(core, wait_s)
        if found:
            now_ns = time.monotonic_ns()
            noted.extend((each.hseq, now_ns, now_ns) for each in found)
        return found

    def noting_write(transport: TcpTransport, data: bytes) -> None:
        began.ns = time.monotonic_ns()
        write(transport, data)

    def noting_apply(core: AttemptCore, batch: int, k: int, hseq: int, operation: str, not_after_ps: int) -> None:
        apply(core, batch, k, hseq, operation, not_after_ps)
        noted.append((hseq, began.ns, time.monotonic_ns()))

    def notes(core: AttemptCore) -> list[tuple[int, int, int]]:
        found = noted.copy()
        noted.clear()
        return found

    changed = {"read_heralds": read_heralds, "apply": noting_apply, "notes": notes}
    for method, ours in changed.items():
        setattr(AttemptCore, method, ours)
    TcpTransport._send = noting_write  # type: ignore[method-assign]
    entry = InstrumentEntry(driver="attempt_core", resource=f"socket://127.0.0.1:{port}")
    child.main(pipe, {name: entry}, {}, "", None, "tcp://127.0.0.1:*")


def bare_receiver(ready: Connection, secret: bytes) -> None:
    """Note when messages came; one of a single byte is answered through ``ready`` with all times since the last."""
    socket = router(ready, secret)
    came: list[int] = []
    while True:
        _, message = socket.recv_multipart()
        came.append(time.monotonic_ns())
        if len(message) == 1:
            ready.send(came[:-1])
            came.clear()


def bare_sender(orders: Connection, port: int, public: bytes) -> None:
    """Send what comes through ``orders``; before a message of a single byte, tell when the others were sent."""
    socket = dealer(port, public)
    sent: list[int] = []
    while True:
        message = orders.recv_bytes()
        now_ns = time.monotonic_ns()
        socket.send(message)
        sent.append(now_ns)
        if len(message) == 1:
            orders.send(sent[:-1])
            sent.clear()


# --- here -------------------------------------------------------------------------------------------------------------


class Driver:
    """A driver process, spoken to as its agent does."""

    def __init__(self, name: str, pipe: Connection) -> None:
        self.name, self._pipe, self._number = name, pipe, 0
        self.seen: tuple[str, str, str] = ("", "", "")
        self.armed = False
        self._answers: dict[int, Message] = {}
        self.submit(lambda number: Dark(number, "start", reopen=True))
        self.wait(lambda: self._number in self._answers)
        darkened = self._answers[self._number]
        if not isinstance(darkened, Darkened) or darkened.failures:
            raise SystemExit(f"the core of {name} did not open: {darkened}")

    def submit(self, make: Callable[[int], Message]) -> int:
        self._number += 1
        send(self._pipe.fileno(), make(self._number))
        return self._number

    def ask(self, make: Callable[[int], Message]) -> object:
        """Submit a job and return its value."""
        number = self.submit(make)
        return self.result(number)

    def result(self, number: int) -> object:
        self.wait(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if not isinstance(answer, Reply):
            raise SystemExit(f"{self.name}: {answer}")
        return answer.value

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > end:
                raise SystemExit(f"{self.name} did not answer in time")
            self.hear(0.05)

    def hear(self, wait_s: float = 0.0) -> None:
        """Take in what it told."""
        while self._pipe.poll(wait_s):
            for message in receive(self._pipe.fileno(), REPORTS):
                if isinstance(message, Progress):
                    self.armed |= message.armed
                    if message.seen is not None:
                        self.seen = (self.name.partition(".")[0], *message.seen[4:])
                else:
                    self._answers[message.id] = message
            wait_s = 0.0

    def look(self, *lanes: tuple[str, str, str]) -> None:
        self.ask(lambda number: Look(number, self.name, lanes))

    def notes(self) -> dict[int, tuple[int, int]]:
        """Return by herald what its process noted, monotonic ns."""
        found = self.ask(lambda number: Call(number, self.name, "notes", 0, ttl_s=float("inf")))
        assert isinstance(found, list)
        return {hseq: (begin_ns, end_ns) for hseq, begin_ns, end_ns in found}


class Ways:
    """Both ways; make it with ``running``."""

    def __init__(self, attempts: int, stack: contextlib.ExitStack) -> None:
        self._program = pair_program(attempts)
        self._batch = 0
        devices = {name: stack.enter_context(process(core, name, slots)) for name, slots in ((NODE, 1), (STATION, 0))}
        ports = {name: device.recv() for name, device in devices.items()}
        self._clicks, self._device = devices[STATION], devices[NODE]
        names = {NODE: f"{NODE}.memory", STATION: f"{STATION}.core"}
        self._node, self._station = (
            Driver(names[each], stack.enter_context(process(driver_process, names[each], ports[each])))
            for each in (NODE, STATION)
        )
        self._node.look()
        self._station.look(self._node.seen)
        self._node.look(self._station.seen)
        public, secret = zmq.curve_keypair()
        self._came = stack.enter_context(process(bare_receiver, secret))
        self._sent = stack.enter_context(process(bare_sender, self._came.recv(), public))
        self._size = len(encode_herald())

    @classmethod
    @contextlib.contextmanager
    def running(cls, attempts: int) -> Iterator[Self]:
        """Run both ways as long as the context lasts; a round has at most so many messages."""
        with contextlib.ExitStack() as stack:
            yield cls(attempts, stack)

    def round(self, messages: int) -> tuple[list[float], list[float], list[float]]:
        """Send so many messages on each way, in turns.

        Return in us, each sorted: how long ours took up to the write, how long the bare ones, and the writes.
        """
        begin = self._arm()
        for k in range(messages):
            t_ps = begin + k * PERIOD_PS + self._program.windows[0].begin_ps
            self._clicks.send((k, 1, t_ps))
            self._pause()
            self._sent.send_bytes(bytes(self._size))
            self._pause()
        self._clicks.send((-1, 0, 0))
        self._device.send((-1, 0, 0))
        for driver, job in self._jobs:
            driver.result(job)
        self._sent.send_bytes(b"e")
        bare = [(came - sent) / 1e3 for sent, came in zip(self._sent.recv(), self._came.recv(), strict=True)]
        read, written = self._station.notes(), self._node.notes()
        if not len(read) == len(written) == len(bare) == messages:
            raise SystemExit(f"of {messages} heralds {len(read)} were read, {len(written)} corrected, bare {len(bare)}")
        ours = [(begin_ns - read[hseq][0]) / 1e3 for hseq, (begin_ns, _) in written.items()]
        writes = [(end_ns - begin_ns) / 1e3 for begin_ns, end_ns in written.values()]
        return sorted(ours), sorted(bare), sorted(writes)

    def _arm(self) -> int:
        """Arm and begin a batch at both ends; return its start time, ps."""
        self._batch += 1
        begin = time.monotonic_ns() * 1000
        words = ("bench", self._batch, 1, begin, self._program.digest, self._program.canonical(), STATION)
        self._jobs = []
        for driver, other in ((self._node, self._station), (self._station, self._node)):
            driver.armed = False

            def job(number: int, driver: Driver = driver, other: Driver = other) -> Attempts:
                return Attempts(number, driver.name, *words, (other.seen,))

            self._jobs.append((driver, driver.submit(job)))
            driver.wait(lambda driver=driver: driver.armed)  # type: ignore[misc]
            driver.submit(lambda number: Permit(number, elapsed_s() + LIT_S))
            driver.submit(lambda number: Begin(number, self._batch))
        threading.Event().wait(0.05)
        return begin

    def _pause(self) -> None:
        threading.Event().wait(random.uniform(SHORTEST_GAP_S, LONGEST_GAP_S))
        self._node.hear()
        self._station.hear()


def encode_herald() -> bytes:
    """Return a herald of the lane, in as many bytes as it has there."""
    message = Feedforward(0, 1, "bench", 1, "0" * 40, 1000, hseq=1000, k=1000, label="psi+", t_ps=MINUTE_PS)
    return msgspec.msgpack.encode(message)
