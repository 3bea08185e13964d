"""Heralds on their way to disk: the machines, journals and store of a whole link, in one process and on one core.

A station and two nodes are told of records as their driver processes tell them, keep them in journals and confirm them
to a coordinator's book, which puts every pair into its store. Messages are encoded and decoded on the way. Only time
stands still: the batches' clock is moved by hand, so that nothing is ever waited for but the disk.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from bellringer.orchestrator.agent.authority import Authority
from bellringer.orchestrator.heralding.book import Book
from bellringer.orchestrator.heralding.disk import FolderDisk
from bellringer.orchestrator.heralding.entries import Corrected, Heralded, Record, records_of, records_to_bytes
from bellringer.orchestrator.heralding.journal import NodeJournal
from bellringer.orchestrator.heralding.messages import FromCoordinator, FromParty
from bellringer.orchestrator.heralding.node import NodeMachine
from bellringer.orchestrator.heralding.open_batch import BatchState, BookEffect, Concluded
from bellringer.orchestrator.heralding.readiness import Conditions
from bellringer.orchestrator.heralding.store import Store
from bellringer.orchestrator.heralding.terms import CoreReport, Dark, Effect, Journal, Load, Now, Send
from bellringer.orchestrator.wire import encode
from bellringer.orchestrator.wire.codec import Decoder
from bellringer.testbed.attempts import AttemptProgram, builders, from_json
from bellringer.testbed.attempts.terms import Arm, Terms

NODES, STATION = ("alice", "bob"), "charlie"
LEAD_PS = 100 * 10**9
RUN, CALIBRATION = "bench", "bench"
COMMANDS, WORDS = Decoder(FromCoordinator), Decoder(FromParty)


def link_program(heralds: int) -> AttemptProgram:
    """Return a program that has room for so many heralds."""
    terms = Terms(most_attempts=heralds, most_s=10.0, target="psi+", max_age_s=10.0)
    arms = [Arm(node, 5e-6, 5e-6) for node in NODES]
    return builders.single_click(arms, STATION, terms, prepare_s=1e-6, pulse_s=1e-9, window_s=50e-9)


class Party:
    """A station or node with its journal; ``out`` is what it said to the coordinator."""

    def __init__(self, name: str, folder: Path, link: "Link") -> None:
        self.name, self._link = name, link
        self.journal = NodeJournal(FolderDisk(folder / name))
        authority = Authority()
        self.machine = NodeMachine(name, authority, from_json, self.journal.recovered)
        self.out: list[bytes] = []
        self.do(self.machine.start(link.now))
        conditions = Conditions(clock_locked=True, interlock_closed=True, calibration=CALIBRATION)
        self.do(self.machine.on_conditions(conditions, link.now))
        estop = {"latched": False, "number": 0, "presses": []}
        answer = {"epoch": 1, "estop": estop, "acknowledged": "", "ownership": {}, "lease_s": 1e6, "refused": ""}
        authority.take_answer(answer, link.now.mono_s)

    def hear(self, data: bytes) -> None:
        self.do(self.machine.on_message(COMMANDS.decode([data])[0], self._link.now))

    def records(self, records: Iterable[Record]) -> None:
        """Take records as they come from the driver process; they are on disk, and confirmed, when this returns."""
        for record in records_of(records_to_bytes(list(records))):
            self.do(self.machine.on_record(record, self._link.now), sync=False)
        self.do([])

    def do(self, effects: list[Effect], *, sync: bool = True) -> None:
        for effect in effects:
            match effect:
                case Send(_, message):
                    self.out.append(bytes(encode(message)[0]))
                case Journal(_, entry):
                    self.journal.append(entry)
                case Load(batch):
                    self.do(self.machine.on_armed(batch, self._link.now), sync=False)
                case Dark():
                    self.do(self.machine.on_dark(True, self._link.now), sync=False)
        while sync and (number := self.journal.sync()) > self._told:
            self._told = number
            self.do(self.machine.on_journalled(number, self._link.now), sync=False)

    _told = 0


class Link:
    """Station, nodes and coordinator.

    Args:
        folder: of their files.
    """

    def __init__(self, folder: Path) -> None:
        self.now = Now(10.0, 10 * 10**12)
        self.parties = {name: Party(name, folder, self) for name in (*NODES, STATION)}
        self.store = Store(folder / "batches.sqlite", 1)
        self.book = Book(1, "coordinator", self.store, from_json)
        self.ended: Concluded | None = None
        self._wait(10.0)  # clocks have to be steady first

    def batch(self, program: AttemptProgram, group: int) -> tuple[float, int]:
        """Run one batch that heralds in every attempt; return the seconds it took and how many pairs are in the store.

        Args:
            group: records that a party hears of at a time, and makes durable together.
        """
        heralds, start_ps = program.attempts, self.now.hw_ps + LEAD_PS
        number, effects = self.book.allocate(RUN, program, start_ps, dict.fromkeys(self.parties, CALIBRATION), self.now)
        self.ended = None
        self._tell(effects)
        while self.book.states()[number] is BatchState.PREPARING:
            self._wait(0.001)
        self._wait(LEAD_PS / 1e12)
        said = self._records(program, number, start_ps)
        begin = time.perf_counter()
        for first in range(0, heralds, group):
            for name, party in self.parties.items():
                party.records(said[name][first : first + group])
            self._collect()
        for party in self.parties.values():
            party.do(party.machine.on_ended(number, CoreReport(heralds), self.now))
        self._collect()
        while self.ended is None:
            self._wait(0.01)
        took_s = time.perf_counter() - begin
        if self.ended.state is not BatchState.RECORDED:
            raise SystemExit(f"the batch is {self.ended.state}: {self.ended.reason}")
        names = [(body["batch"], body["hseq"]) for body in self.store.pairs(RUN) if body["batch"] == number]
        if len(set(names)) != len(names):
            raise SystemExit("a pair is in the store twice")
        return took_s, len(names)

    def close(self) -> None:
        for party in self.parties.values():
            party.journal.close()
        self.store.close()

    def _records(self, program: AttemptProgram, number: int, start_ps: int) -> dict[str, list[Record]]:
        """Return what the driver processes tell: every attempt is heralded as ``psi+``."""
        pattern = next(pattern for pattern, label in program.table().items() if label == "psi+")
        said: dict[str, list[Record]] = {name: [] for name in self.parties}
        for k in range(program.attempts):
            t_ps = start_ps + (k + 1) * program.period_ps
            said[STATION].append(Heralded(RUN, number, self._hseq + k, k, pattern, t_ps, "psi+", ""))
            for node in NODES:
                said[node].append(Corrected(RUN, number, self._hseq + k, k, "psi+", "I", t_ps, program.period_ps, ""))
        self._hseq += program.attempts
        return said

    _hseq = 1

    def _wait(self, seconds: float) -> None:
        self.now = Now(self.now.mono_s + seconds, self.now.hw_ps + round(seconds * 1e12))
        for party in self.parties.values():
            party.do(party.machine.tick(self.now))
        self._tell(self.book.tick(self.now))
        self._collect()

    def _collect(self) -> None:
        """Take what the parties said to the coordinator, and its answers to them, until nobody says anything more."""
        while any(party.out for party in self.parties.values()):
            for name, party in self.parties.items():
                out, party.out = party.out, []
                for data in out:
                    self._tell(self.book.on_message(name, WORDS.decode([data])[0], self.now))

    def _tell(self, effects: Iterable[BookEffect]) -> None:
        for effect in effects:
            match effect:
                case Send(to, message):
                    self.parties[to].hear(bytes(encode(message)[0]))
                case Concluded():
                    self.ended = effect
