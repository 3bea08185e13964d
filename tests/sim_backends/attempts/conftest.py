"""A link of two nodes and a station on a lab moved by hand, with clicks that the test writes down."""

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bellringer.drivers import open_instrument
from bellringer.sim_backends.lab.lab import Lab
from bellringer.sim_backends.twins.timing.attempt_core import AttemptCoreTwin
from bellringer.sim_backends.twins.timing.herald_link import HeraldLink
from bellringer.testbed.attempts import program
from bellringer.testbed.lockstep import LockstepClock
from bellringer.testbed.models import AttemptCoreModel

SECOND = 10**12


class ScriptedLink:
    """A source of given clicks, no physics: an explicit double. Qubits only remember what was done to them."""

    def __init__(self, clicks: Iterable[tuple[int, int]], flight_ps: int = 1_000_000) -> None:
        self.clicks, self.flight_ps = list(clicks), flight_ps
        self.twice: set[int] = set()
        """Attempts in which a detector clicks twice in a window."""
        self.asked: list[tuple[int, int, tuple[str, ...]]] = []
        self.done: list[tuple[Any, ...]] = []

    def batch(self, program: Any, batch: int, start_ps: int, attempts: int, emitting: tuple[str, ...]) -> Any:
        self.asked.append((batch, attempts, emitting))
        chosen = [(k, pattern) for k, pattern in self.clicks if k < attempts] if emitting else []
        k = self.k = np.array([each for each, _ in chosen], np.int64)
        return k, np.array([each for _, each in chosen], np.int64), start_ps + k * program.period_ps + self.flight_ps

    def doubled(self, batch: int) -> Any:
        return np.isin(self.k, list(self.twice))

    def operate(self, node: str, batch: int, k: int, operation: str, t_ps: int) -> None:
        self.done.append(("operate", node, batch, k, operation, t_ps))

    def measure(self, node: str, batch: int, k: int, basis: str, t_ps: int) -> int:
        self.done.append(("measure", node, batch, k, basis, t_ps))
        return k % 2

    read = measure

    def drop(self, node: str, batch: int, k: int) -> None:
        self.done.append(("drop", node, batch, k))

    def attempts(self, node: str, batch: int, k: int, count: int) -> None:
        self.done.append(("attempts", node, batch, k, count))

    def prepare(self, memory: str, k: int, state: str, t_ps: int) -> None:
        self.done.append(("prepare", memory, k, state, t_ps))

    def qubit(self, node: str, batch: int, k: int) -> tuple[str, int, int]:
        return node, batch, k

    def bell_measure(self, first: Any, second: Any, t_ps: int) -> str:
        self.done.append(("bell", first, second, t_ps))
        return "psi-"


def fields(**changes: Any) -> dict[str, Any]:
    """A program of 1000 attempts of 5 us: d0 heralds psi+, d1 psi-."""
    both = ("alice", "bob")
    return {
        "scheme": "single_click",
        "keep": "keep",
        "nodes": both,
        "station": "charlie",
        "period_ps": 5_000_000,
        "round_trip_ps": 4_000_000,
        "pulses": tuple({"node": node, "channel": "excite", "begin_ps": 1000, "length_ps": 500} for node in both),
        "windows": ({"name": "w", "begin_ps": 900_000, "length_ps": 200_000},),
        "detectors": ("d0", "d1"),
        "heralds": ({"clicks": (("d0", "w"),), "label": "psi+"}, {"clicks": (("d1", "w"),), "label": "psi-"}),
        "feedforward": (
            {"label": "psi+", "node": "alice", "operation": "I", "deadline_ps": 10**9},
            {"label": "psi-", "node": "alice", "operation": "Z", "deadline_ps": 10**9},
        ),
        "most_attempts": 1000,
        "most_ps": SECOND,
        "max_age_ps": 10**10,
        **changes,
    }


class Bench:
    """Three cores; lines of 2 us from charlie to both nodes unless told otherwise."""

    def __init__(self, lab: Any, clicks: Iterable[tuple[int, int]], lines: Any = None, **model: Any) -> None:
        self.lab = lab
        self.source = ScriptedLink(clicks)
        self.link = HeraldLink(self.source, {"alice": 2_000_000, "bob": 2_000_000} if lines is None else lines)
        for name, slots in (("alice", 1), ("bob", 1), ("charlie", 0)):
            core = AttemptCoreTwin(lab, f"{name}.core", AttemptCoreModel(kind="attempt_core", slots=slots, **model))
            self.link.join(core)
            setattr(self, name, core)

    def program(self, **changes: Any) -> Any:
        return program(**fields(**changes))


@pytest.fixture
def bench(request: Any) -> Any:
    """``bench(clicks, lines=None, lab=None, **model)``: a link on the lab; ``clicks`` are (attempt, pattern)."""

    def make(clicks: Any = (), lines: Any = None, lab: Any = None, **model: Any) -> Bench:
        return Bench(lab or request.getfixturevalue("lab"), clicks, lines, **model)

    return make


def sealed(text: str) -> bytes:
    """A line with check digits, computed here."""
    return f"{text}*{functools.reduce(lambda a, b: a ^ b, text.encode(), 0):02X}\n".encode()


def texts(data: bytes) -> list[str]:
    """The lines in ``data``, whose digits must be right."""
    lines = [line[:-3].decode() for line in data.splitlines()]
    assert b"".join(map(sealed, lines)) == data
    return lines


class Talk:
    """One connection to a core in a role; lab time moves by what each method says."""

    def __init__(self, lab: Any, wire: Any, role: str, argument: str) -> None:
        self._lab, self._wire, self._number = lab, wire, 1
        lab.run_for(1e-4)
        self.greeting = texts(wire.receive())[0]
        self.opened = self.raw(f"1 OPEN {role} {argument}".strip()) if role else []
        assert not role or self.opened[0].startswith("1 OK"), self.opened

    def send(self, data: str | bytes) -> None:
        """Write a text as a line, or bytes as they are."""
        self._wire.send(sealed(data) if isinstance(data, str) else data)

    def raw(self, data: str | bytes) -> list[str]:
        """Send and return the lines that come within 1 ms."""
        self.send(data)
        return self.said(1e-3)

    def ask(self, text: str, body: bytes = b"") -> list[str]:
        """Send a command under the next number."""
        self._number += 1
        return self.raw(sealed(f"{self._number} {text}") + body)

    def said(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and return what came."""
        self._lab.run_for(seconds)
        return texts(self._wire.receive())

    def load(self, program: Any) -> str:
        """Load a program and return the reply."""
        body = program.canonical()
        return self.ask(f"LOAD {hashlib.sha256(body).hexdigest()} {len(body)}", body)[0].partition(" ")[2]

    def arm(self, program: Any, batch: int, start_ps: int, epoch: int = 1) -> str:
        """Load, arm and return the reply."""
        assert self.load(program).startswith("OK")
        return self.ask(f"ARM {batch} {epoch} {start_ps} {program.digest}")[0].partition(" ")[2]

    def status(self) -> dict[str, str]:
        """Ask for the status."""
        return dict(word.split("=") for word in self.ask("STATUS")[0].split(" ")[2:])

    def close(self) -> None:
        """Hang up."""
        self._wire.close()


@pytest.fixture
def talk(wire: Any, lab: Any) -> Callable[..., Talk]:
    """``talk(core, role)``: a connection in a role, "" for none yet."""

    def connect(core: Any, role: str = "control", argument: str = "60000") -> Talk:
        return Talk(lab, wire("tcp", core.main_port), role, argument)

    return connect


@pytest.fixture
def three(bench: Any) -> Any:
    """Clicks of d0 in attempt 3, of both in 7, of d1 in 9."""
    return bench([(3, 0b01), (7, 0b11), (9, 0b10)])


@pytest.fixture
def all_three(three: Any, talk: Any) -> dict[str, Talk]:
    """Control connections of alice, bob and charlie."""
    return {name: talk(getattr(three, name)) for name in ("alice", "bob", "charlie")}


@pytest.fixture
def started() -> Callable[..., None]:
    """``started(connections, program, batch, start_ps)``: arm and commit a batch at several cores."""

    def start(lines: Iterable[Talk], program: Any, batch: int = 7, start_ps: int = SECOND) -> None:
        for line in (lines := list(lines)):
            assert line.arm(program, batch, start_ps) == "OK state=ARMED"
        for line in lines:
            assert line.ask(f"COMMIT {batch}")[0].endswith(" OK state=COMMITTED")

    return start


class Driven:
    """Three cores on a lab in lockstep, and drivers that this thread calls."""

    def __init__(self, lab, bench, clock):
        self.lab, self.bench, self.clock, self.open = lab, bench, clock, []
        self.alice, self.bob, self.charlie = (self.driver(name) for name in ("alice", "bob", "charlie"))

    def driver(self, name, **options):
        port = getattr(self.bench, name).main_port
        self.open.append(
            open_instrument("attempt_core", port.resource, name=f"{name}.core", clock=self.clock, **options)
        )
        return self.open[-1]

    def run(self, program, batch=7, ahead_ps=SECOND, epoch=1):
        """Load, arm and commit at all three; return the start time."""
        start_ps = self.now() + ahead_ps
        for core in (self.alice, self.bob, self.charlie):
            core.load(program)
            core.arm(batch, epoch, start_ps, program.digest)
        for core in (self.alice, self.bob, self.charlie):
            core.commit(batch)
        return start_ps

    def now(self):
        return round(self.clock.monotonic_s() * 1e12)

    def wait(self, seconds):
        """Let lab time pass, the leases kept."""
        for _ in range(round(seconds / 0.5)):
            self.clock.sleep(0.5)
            for core in (self.alice, self.bob, self.charlie):
                assert core.state


@pytest.fixture
def driven(tmp_path: Path, bench: Any) -> Iterator[Callable[..., Driven]]:
    """``driven(clicks, lines=None, **model)``."""
    with contextlib.ExitStack() as stack:

        def start(clicks=((3, 0b01), (7, 0b11), (9, 0b10)), lines=None, **model):
            endpoint = f"ipc://{tmp_path}/clock"
            lab = Lab(seed=1, clock_endpoint=endpoint)
            made = bench(clicks, lines, lab=lab, **model)
            thread = threading.Thread(target=lab.run)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(lab.stop)
            clock = LockstepClock(endpoint, "test")
            stack.callback(clock.close)
            found = Driven(lab, made, clock)
            for core in found.open:
                stack.callback(core.abandon)
            return found

        yield start
