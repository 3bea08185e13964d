"""The rules catch what they are for: every machine here has one safeguard less, and some schedule shows it.

The broken ones live here; the product has no switches. Schedules are tried in the order of their seeds, and how many it
may take is stated; the seed that shows it is printed.
"""

from types import MappingProxyType

from bellringer.orchestrator.agent.authority import Authority
from bellringer.orchestrator.heralding.book import Book
from bellringer.orchestrator.heralding.node import NodeMachine
from bellringer.orchestrator.heralding.outbox import Outbox
from bellringer.orchestrator.heralding.terms import Journal, Start
from bellringer.orchestrator.heralding.under_way import State, UnderWay

from .simulated_parties import Agent, Coordinator, SharedStore
from .simulated_rules import Violation
from .simulated_schedules import drawn
from .simulated_world import World

MOST = 300


def caught(rule, kinds, fixed=MappingProxyType({}), **parts):
    """Run schedules until a rule is broken; it must be the one that the missing safeguard is for."""
    violation = next(filter(None, (violated(drawn(seed, kinds, **fixed), parts) for seed in range(MOST))), "none")
    print(violation)
    assert rule in violation


def violated(schedule, parts):
    """Return which rule a schedule breaks, with its seed; "" for none."""
    try:
        World(schedule, **parts).run()
    except Violation as violation:
        return f"seed {schedule.seed}: {violation}"
    return ""


def agent(machine=NodeMachine, authority=Authority, **methods):
    return type("BrokenAgent", (Agent,), {"Machine": machine, "Authority": authority, **methods})


def test_a_lease_without_end():
    class Endless(Authority):
        def take_answer(self, answer, asked_at):
            lost = super().take_answer(answer, asked_at)
            self.lease_until_s = 1e9 if self.lease_until_s else 0.0
            return lost

    caught("light only within the lease", ("cut", "bad"), agent=agent(authority=Endless))


def test_a_lease_counted_from_the_receipt():
    def take_answer(self, answer, asked_at):
        self.authority.take_answer(answer, self.now().mono_s)

    caught("light only within the lease", ("cut", "bad"), {"stale": 0.3}, agent=agent(take_answer=take_answer))


def test_a_commit_that_comes_late_is_accepted(monkeypatch):
    overdue = UnderWay.overdue

    def patient(self, now):
        overdue_for_good = now.hw_ps > self.grant.start_ps + 10**12
        return overdue(self, now) if overdue_for_good or self.state not in (State.ARMING, State.ARMED) else ""

    monkeypatch.setattr(UnderWay, "overdue", patient)
    caught("exactly at the start time", ("bad",), guarded=False)


def test_it_runs_without_a_commit():
    class Hasty(NodeMachine):
        def on_armed(self, batch, now):
            effects = super().on_armed(batch, now)
            if self._batch is not None and self._batch.state == State.ARMED:
                self._batch.state = State.COMMITTED
                effects.append(Start(batch))
            return effects

    caught("light only after", ("kill", "bad"), agent=agent(Hasty))


def test_batch_numbers_are_used_again():
    class Forgetful(Book):
        def allocate(self, *args):
            epoch, self._epoch = self._epoch, 0  # numbers from 1 again after every start
            try:
                return super().allocate(*args)
            finally:
                self._epoch = epoch

    class Careless(SharedStore):
        def allocate(self, row, program):
            for table in ("batches", "results", "pairs"):
                self._db.execute(f"DELETE FROM {table} WHERE batch = ?", (row.batch,))
            super().allocate(row, program)

    broken = type("BrokenCoordinator", (Coordinator,), {"Book": Forgetful, "Store": Careless})
    caught("no number is used twice", ("kill",), coordinator=broken)


def test_steps_of_the_clock_are_not_looked_for(monkeypatch):
    monkeypatch.setattr("bellringer.orchestrator.heralding.readiness._stepped", lambda last, now: False)
    caught("exactly at the start time", ("step",))


def test_epochs_are_not_looked_at():
    class Credulous(NodeMachine):
        def on_message(self, message, now):
            self.authority.epoch = message.epoch  # whatever was obeyed before
            return super().on_message(message, now)

    caught("nothing runs", ("copy",), agent=agent(Credulous))


def test_results_are_told_before_they_are_on_disk():
    class Unsynced(NodeMachine):
        def __init__(self, *args):
            super().__init__(*args)
            self._outbox.keep = self._keep_later

        def _keep_later(self, entry, then=lambda now: []):
            journal = Outbox.keep(self._outbox, entry)
            self._early = [*getattr(self, "_early", []), then]
            return journal

        def on_ended(self, batch, report, now):
            return self._hurry(super().on_ended(batch, report, now), now)

        def on_journalled(self, number, now):
            return self._hurry(super().on_journalled(number, now), now)

        def _hurry(self, effects, now):
            while getattr(self, "_early", []):
                early, self._early = self._early, []
                for then in early:
                    effects = effects + then(now)
            return effects

    caught("a result that was told never changes", ("kill",), agent=agent(Unsynced))


def test_a_batch_that_was_aborted_before_it_was_known_is_forgotten():
    class NoMemory(NodeMachine):
        def _abort(self, message, now):
            mark, on_disk = self._kept.mark, self._kept._on_disk
            effects = super()._abort(message, now)
            known = self._batch is not None and self._batch.grant.batch == message.batch
            if not known and any(isinstance(effect, Journal) for effect in effects):
                effects = [self._kept._gone((message.run, message.batch))]
                self._kept.mark, self._kept._on_disk = mark, on_disk
            return effects

    caught("what was said to have no result", ("bad",), agent=agent(NoMemory))
