"""Processes of the simulated testbed: agents and coordinators. They decide nothing; the real machines do."""

from bellringer.orchestrator.agent.authority import Authority
from bellringer.orchestrator.coordinator.state import State
from bellringer.orchestrator.coordinator.terms import Caller, Ending
from bellringer.orchestrator.heralding.book import Book
from bellringer.orchestrator.heralding.edge import Apply, Edge
from bellringer.orchestrator.heralding.entries import Corrected
from bellringer.orchestrator.heralding.journal import NodeJournal
from bellringer.orchestrator.heralding.messages import Feedforward
from bellringer.orchestrator.heralding.node import NodeMachine
from bellringer.orchestrator.heralding.open_batch import Concluded, Delivered
from bellringer.orchestrator.heralding.readiness import Conditions
from bellringer.orchestrator.heralding.station import Arbiter
from bellringer.orchestrator.heralding.store import _SCHEMA, Store
from bellringer.orchestrator.heralding.terms import (
    Dark,
    Journal,
    Load,
    Now,
    Report,
    Send,
    Start,
    Stop,
    Watchdog,
)
from bellringer.orchestrator.wire.messages import Register, Renew
from bellringer.testbed.errors import BellringerError

SYNC_S = 0.0003
RENEW_S = 0.25
FILE_BYTES = 1 << 15


class Killed(Exception):
    """The process was killed between two effects."""


class Process:
    """What agents and coordinators have in common: they can be killed, also between two effects, and frozen."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.alive, self.frozen, self.doomed = True, False, None
        self.inbox = []
        self.wake_s = float("inf")

    def hear(self, action):
        """Do ``action(machine, now)`` and its effects; a frozen process does it when it goes on."""
        if self.frozen:
            self.inbox.append(action)
        elif self.alive:
            self.run(action)

    def thaw(self):
        self.frozen, waiting, self.inbox = False, self.inbox, []
        self.hear(lambda machine, now: machine.tick(now))
        for action in waiting:
            self.hear(action)

    def run(self, action):
        try:
            for effect in action(self.machine, self.now()):
                self.carry_out(effect)
                if self.doomed is not None:
                    self.doomed -= 1
                    if self.doomed <= 0:
                        raise Killed
        except Killed:
            self.world.kill(self.name)
        except Ending:
            self.world.kill(self.name)
        else:
            self.plan()

    def plan(self):
        """See to it that the machine is woken when it is due."""
        if not self.alive:
            return
        due_s = max(self.machine.due_s(self.now()) - self.mono_s, self.world.now_s + 1e-4)
        if due_s < self.wake_s - 1e-9 or self.wake_s <= self.world.now_s:
            self.wake_s = due_s
            self.world.at(due_s, lambda: self.wake(due_s))

    def wake(self, due_s):
        if due_s == self.wake_s:
            self.wake_s = float("inf")
            self.hear(lambda machine, now: machine.tick(now))


class Agent(Process):
    """The process of a node or station."""

    Machine, Authority = NodeMachine, Authority

    def __init__(self, world, name, core, disk, boot):
        super().__init__(world, name)
        self.core, self.boot, self.mono_s = core, boot, 1000.0 * (1 + world.parties.index(name))
        core.agent = self
        core.dark()
        self.journal = NodeJournal(disk, FILE_BYTES)
        self.authority = self.Authority()
        self.machine = self.Machine(boot, self.authority, world.read, self.journal.recovered)
        self.edge, self.arbiter = Edge(name), Arbiter(boot)
        self.registered, self.asked = False, {}
        self.unsynced = 0
        self.from_coordinator = None
        self.world.rules.restarted(name, self.journal.recovered)
        self.hear(lambda machine, now: machine.start(now))
        self.hear(lambda machine, now: machine.on_conditions(Conditions(True, True, "cal"), now))
        self.renew()

    def now(self):
        return Now(self.world.now_s + self.mono_s, self.core.hw_ps())

    def plan(self):
        self.world.rules.settled(self.name)
        super().plan()

    # --- lease -----------------------------------------------------------------------------------------------------

    def renew(self):
        if not self.alive:
            return
        if not self.frozen:
            asked_at, epoch, fault = self.now().mono_s, self.authority.epoch, self.authority.fault
            if self.registered:
                message = Renew(0, self.name, self.boot, asked_at, epoch, fault)
            else:
                names = (f"{self.name}.core",)
                message = Register(0, self.name, self.boot, "", "", f"key of {self.name}", names, epoch, fault)
            target = self.world.coordinator_of(self.name)
            self.world.send(self.name, target, lambda coordinator: coordinator.asked(self, message, asked_at))
        self.world.after(RENEW_S, self.renew)

    def answered(self, answer, asked_at):
        """Take in the coordinator's answer to a registration or renewal."""

        def take(machine, now):
            if answer is None:
                self.registered = False
                return []
            self.registered = True
            self.take_answer(answer, asked_at)
            self.world.rules.met(self.name, answer["epoch"])
            return machine.tick(now)

        self.hear(take)

    def take_answer(self, answer, asked_at):
        self.authority.take_answer(answer, asked_at)

    # --- batches ---------------------------------------------------------------------------------------------------

    def told(self, coordinator, message):
        def take(machine, now):
            self.from_coordinator = coordinator
            self.world.rules.met(self.name, message.epoch)
            return machine.on_message(message, now)

        self.hear(take)

    def clicked(self, record):
        """The station's core has a record."""

        def take(machine, now):
            verdict = self.arbiter.take(record)
            kept = [] if verdict.kept is None else machine.on_record(verdict.kept, now)
            return [*verdict.sends, *kept]

        self.hear(take)

    def heralded(self, sender, message):
        """The station tells of a herald."""

        def take(machine, now):
            decision = self.edge.take(sender, message, now.hw_ps)
            if isinstance(decision, Apply):
                self.core.apply(decision, self.corrected)
            return machine.on_record(decision, now) if isinstance(decision, Corrected) else []

        self.hear(take)

    def corrected(self, word):
        def take(machine, now):
            record = self.edge.applied(word)
            return machine.on_record(record, now) if isinstance(record, Corrected) else []

        self.hear(take)

    def carry_out(self, effect):
        match effect:
            case Send(to, Feedforward() as message):
                self.world.send(self.name, to, lambda agent: agent.heralded(self.name, message))
            case Send(_, message):
                self.say(message)
            case Journal(number, entry):
                self.journal.append(entry)
                if not self.unsynced:
                    self.world.after(SYNC_S, self.sync)
                self.unsynced = number
            case Load():
                self.core.load(effect)
                under_way = self.machine.batch
                (self.arbiter if self.name == self.world.station else self.edge).begin(
                    under_way.grant, under_way.program
                )
            case Start(batch):
                self.core.commit(batch)
            case Stop(batch, reason):
                self.core.stop(batch, reason)
            case Dark():
                self.world.after(0.001, lambda: self.hear(lambda machine, now: machine.on_dark(True, now)))
            case Watchdog(until_s):
                self.core.permit(until_s - self.mono_s)
            case Report():
                self.world.reports += 1

    def say(self, message):
        self.world.rules.said(self.name, message)
        targets = {self.world.coordinator_of(self.name), self.from_coordinator} - {None}
        for target in sorted(targets):
            self.world.send(self.name, target, lambda coordinator: coordinator.told(self.name, message))

    def sync(self):
        def take(machine, now):
            number, self.unsynced = self.unsynced, 0
            self.journal.sync()
            return machine.on_journalled(number, now)

        if self.alive:
            self.hear(take)


class SharedStore(Store):
    """A store on a disk that a second coordinator reaches too."""

    def __init__(self, connection, epoch):
        self._epoch, self._where, self._db = epoch, "memory", connection
        self._db.executescript(_SCHEMA)
        self._claim()


class Coordinator(Process):
    """A coordinator with the client that wants batches from it."""

    Book, Store = Book, SharedStore

    def __init__(self, world, name, epoch, database):
        super().__init__(world, name)
        self.epoch, self.mono_s, self.offset_ps = epoch, 50_000.0, 0
        self.state = State(epoch, lambda: "", lambda key: True)
        self.database = database
        self.store = self.Store(database, epoch)
        self.machine = self.Book(epoch, f"{name}-{epoch}", self.store, world.read)
        self.hear(lambda book, now: book.start(now))
        self.want()

    def now(self):
        return Now(self.world.now_s + self.mono_s, round(self.world.now_s * 1e12) + self.offset_ps)

    def want(self):
        """Ask for the next batch, again and again."""
        if not self.alive:
            return

        def allocate(book, now):
            start_ps = now.hw_ps + round(self.world.random.uniform(0.05, 0.1) * 1e12)
            calibrations = dict.fromkeys(self.world.parties, "cal")
            try:
                number, effects = book.allocate("run", self.world.program, start_ps, calibrations, now)
            except Ending:
                raise
            except BellringerError:
                return []
            self.world.rules.allocated(number, self.epoch, start_ps)
            return effects

        if self.world.wanting and not self.frozen and self.world.now_s > 2.0:
            self.hear(allocate)
        self.world.after(self.world.random.uniform(0.05, 0.3), self.want)

    def asked(self, agent, message, asked_at):
        def take(book, now):
            try:
                answer = self.state.answer(Caller(f"key of {agent.name}", agent.name), message, now.mono_s)
            except Ending:
                raise
            except BellringerError:
                answer = None
            finally:
                self.state.taken_changes()
            if isinstance(message, Renew) and answer is not None and answer["lease_s"]:
                self.world.rules.leased(agent.name, asked_at - agent.mono_s)
            self.world.send(self.name, agent.name, lambda there: there is agent and agent.answered(answer, asked_at))
            return book.on_boot(agent.name, message.boot, now)

        self.hear(take)

    def told(self, sender, message):
        self.hear(lambda book, now: book.on_message(sender, message, now))

    def carry_out(self, effect):
        match effect:
            case Send(to, message):
                self.world.send(self.name, to, lambda agent: agent.told(self.name, message))
            case Delivered(pairs):
                for pair in pairs:
                    self.world.rules.delivered(pair, self.database)
            case Concluded():
                self.world.rules.concluded(effect, self.store, self.database)
            case Report(what):
                self.world.reports += 1
                assert what != "contradicting results", effect.body
