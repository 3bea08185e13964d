"""Two nodes, a station and coordinators in virtual time, over a network that loses, doubles, delays and overtakes.

One heap of events; the machines are woken when they are due, so nothing is done for idle time. Everything follows from
the schedule: its seed and its faults.
"""

import heapq
import itertools
import sqlite3
from dataclasses import dataclass
from random import Random

from bellringer.testbed.attempts import from_json, program

from .simulated_core import Core
from .simulated_disk import ForgetfulDisk
from .simulated_parties import Agent, Coordinator
from .simulated_rules import Rules

MS = 10**9
PROGRAM = program(
    scheme="two_click",
    keep="keep",
    nodes=("alice", "bob"),
    station="charlie",
    period_ps=1 * MS,
    round_trip_ps=MS // 2,
    shift=2,
    windows=(
        {"name": "early", "begin_ps": 0, "length_ps": MS // 4},
        {"name": "late", "begin_ps": MS // 2, "length_ps": 1},
    ),
    detectors=("d0", "d1"),
    heralds=(
        {"clicks": (("d0", "early"), ("d0", "late")), "label": "psi+"},
        {"clicks": (("d0", "early"), ("d1", "late")), "label": "psi-"},
    ),
    feedforward=(
        {"label": "psi+", "node": "alice", "operation": "I", "deadline_ps": 10 * MS},
        {"label": "psi-", "node": "alice", "operation": "Z", "deadline_ps": 10 * MS},
        {"label": "psi-", "node": "bob", "operation": "X", "deadline_ps": 10 * MS},
        {"label": "psi+", "node": "bob", "operation": "I", "deadline_ps": 10 * MS},
    ),
    most_attempts=100,
    most_ps=1000 * MS,
    max_age_ps=40 * MS,
)
TEXT = PROGRAM.canonical()
PATTERNS = (*PROGRAM.table(), *PROGRAM.table(), 0b0001, 0b0101)


@dataclass(frozen=True)
class Fault:
    """Something happens to ``who`` at ``at_s``; what ``size`` and ``count`` mean depends on the kind."""

    kind: str
    who: str
    at_s: float
    size: float = 0.5
    count: int = 0


@dataclass(frozen=True)
class Schedule:
    """One history: the seed of the network's dice, how bad it is, and what else happens."""

    seed: int
    loss: float = 0.0
    doubled: float = 0.0
    stale: float = 0.0
    faults: tuple[Fault, ...] = ()
    length_s: float = 6.0


class World:
    """A testbed that runs one schedule.

    Args:
        agent, coordinator: the processes; tests of the rules put broken ones here.
        guarded: see ``Core``.
    """

    parties = ("alice", "bob", "charlie")
    station, program = "charlie", PROGRAM
    length_s = (PROGRAM.attempts + PROGRAM.shift) * PROGRAM.period_ps / 1e12

    def __init__(self, schedule, agent=Agent, coordinator=Coordinator, guarded=True):
        self.schedule, self.random = schedule, Random(schedule.seed)
        self.now_s, self.events, self.order = 0.0, [], itertools.count()
        self.wanting, self.reports, self.healed = True, 0, False
        self.cuts, self.bad_until_s = {}, 0.0
        self.Agent, self.Coordinator = agent, coordinator
        self.rules = Rules(self)
        self.databases = [sqlite3.connect(":memory:", isolation_level=None)]
        self.disks = {name: ForgetfulDisk() for name in self.parties}
        self.cores = {name: Core(self, name, guarded) for name in self.parties}
        self.processes, self.targets = {}, {}
        self.boots, self.epochs = itertools.count(1), itertools.count(1)
        self.begin_coordinator("c1")
        self.targets = dict.fromkeys(self.parties, "c1")
        for name in self.parties:
            self.begin_agent(name)
        for fault in schedule.faults:
            self.at(fault.at_s, lambda fault=fault: getattr(self, f"do_{fault.kind}")(fault))

    # --- time and network -----------------------------------------------------------------------------------------

    def at(self, when_s, action):
        heapq.heappush(self.events, (max(when_s, self.now_s), next(self.order), action))

    def after(self, seconds, action):
        self.at(self.now_s + seconds, action)

    def send(self, source, target, action):
        """Have ``action`` done with whoever is ``target`` when the message comes, if it comes."""
        dice, plan = self.random, self.schedule
        loss, doubled, stale = (0, 0, 0) if self.healed else (plan.loss, plan.doubled, plan.stale)
        if self.now_s < self.bad_until_s:
            loss, stale = max(loss, 0.3), max(stale, 0.3)
        if self.cuts.get((source, target), 0.0) > self.now_s or dice.random() < loss:
            return
        for _ in range(2 if dice.random() < doubled else 1):
            delay_s = dice.uniform(0.02, 2.0) if dice.random() < stale else dice.uniform(0.0002, 0.003)
            self.after(delay_s, lambda: self.deliver(target, action))

    def deliver(self, target, action):
        process = self.processes.get(target)
        if process is not None and process.alive:
            action(process)

    def run(self):
        """Run the schedule, then heal everything and run on until nothing is open."""
        self.until(self.schedule.length_s)
        self.heal()
        store = self.newest().store
        while self.now_s < self.schedule.length_s + 60.0 and not self.is_over(store):
            self.until(self.now_s + 0.5)
            store = self.newest().store
        self.rules.finish(store)
        for database in self.databases:
            database.close()
        return self

    def until(self, end_s):
        while self.events and self.events[0][0] <= end_s:
            self.now_s, _, action = heapq.heappop(self.events)
            action()
        self.now_s = end_s

    def is_over(self, store):
        agents = [self.processes[name] for name in self.parties]
        settled = all(
            agent.alive and not agent.machine.unacknowledged and agent.machine.batch is None for agent in agents
        )
        return settled and not store.open_batches()

    def heal(self):
        self.healed, self.wanting, self.bad_until_s = True, False, 0.0
        self.cuts.clear()
        for process in list(self.processes.values()):
            process.doomed = None
            if process.frozen:
                process.thaw()
        if not self.newest().alive:
            self.begin_coordinator(self.newest().name)
        self.targets = dict.fromkeys(self.parties, self.newest().name)

    # --- who there is ---------------------------------------------------------------------------------------------

    def read(self, text):
        return PROGRAM if text == TEXT else from_json(text)

    def clicks(self):
        """Return attempts and patterns of one batch, in order."""
        attempts = sorted(self.random.choices(range(PROGRAM.attempts), k=self.random.randrange(4)))
        return [(k, self.random.choice(PATTERNS)) for k in attempts]

    def is_committed(self, batch):
        asked = "SELECT committed FROM batches WHERE batch = ?"
        return any(database.execute(asked, (batch,)).fetchone() == (1,) for database in self.databases)

    def coordinator_of(self, name):
        return self.targets.get(name)

    def newest(self):
        return max((each for each in self.processes.values() if isinstance(each, Coordinator)), key=lambda c: c.epoch)

    def begin_agent(self, name):
        self.processes[name] = self.Agent(self, name, self.cores[name], self.disks[name], f"boot{next(self.boots)}")

    def begin_coordinator(self, name):
        self.processes[name] = self.Coordinator(self, name, next(self.epochs), self.databases[-1])

    def kill(self, name):
        """The process ends this instant, and its machine loses power: what was not synced is lost, the core is dark."""
        process = self.processes[name]
        if not process.alive:
            return
        process.alive = False
        back_s = self.random.uniform(0.02, 1.0)
        if name in self.parties:
            self.cores[name].dark()
            self.cores[name].agent = None
            self.disks[name].power_cut(self.random)
            self.after(back_s, lambda: self.begin_agent(name))
        elif process is self.newest():
            self.after(back_s, lambda: None if self.newest().alive else self.begin_coordinator(name))

    # --- what can happen ------------------------------------------------------------------------------------------

    def do_kill(self, fault):
        """Killed now, or after ``count`` more effects."""
        process = self.processes[fault.who if fault.who in self.parties else self.newest().name]
        if fault.count:
            process.doomed = fault.count
        else:
            self.kill(process.name)

    def do_freeze(self, fault):
        process = self.processes[fault.who if fault.who in self.parties else self.newest().name]
        process.frozen = True
        self.after(fault.size, lambda: process.thaw() if process.frozen else None)

    def do_step(self, fault):
        """Hardware time jumps by ``size`` seconds, and back when the clock is locked again and somebody can see it."""
        core = self.cores[fault.who if fault.who in self.parties else "alice"]
        by_ps = round(fault.size * 1e12)

        def step(by_ps):
            core.step(by_ps)
            if core.agent is not None:
                core.agent.hear(lambda machine, now: machine.tick(now))

        def back():
            if core.agent is not None and core.agent.frozen:
                self.after(0.1, back)
            else:
                step(-by_ps)

        step(by_ps)
        self.after(0.7, back)

    def do_cut(self, fault):
        """Partition for ``size`` seconds: one way out, one way in, or both, from everybody."""
        name = fault.who if fault.who in self.parties else self.newest().name
        for other in self.processes:
            for way, pair in enumerate(((name, other), (other, name))):
                if fault.count % 3 in (way, 2):
                    self.cuts[pair] = self.now_s + fault.size

    def do_bad(self, fault):
        """The network is bad for ``size`` seconds."""
        self.bad_until_s = self.now_s + fault.size

    def do_copy(self, fault):
        """As ``takeover``, but the second one has a copy of the store and cannot shut out the first."""
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self.databases[-1].backup(copy)
        self.databases.append(copy)
        self.do_takeover(fault)

    def do_takeover(self, fault):
        """A second coordinator begins while the first lives; the parties turn to it one by one."""
        before = self.newest().name
        name = f"c{int(before[1:]) + 1}"
        self.begin_coordinator(name)
        for party in self.parties:
            self.after(self.random.uniform(0.0, fault.size), lambda party=party: self.turn(party, name))

    def turn(self, party, name):
        if self.targets[party] < name:
            self.targets[party] = name
