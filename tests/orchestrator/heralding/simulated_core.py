"""A real-time core in true time: fires at its start time by its own clock, emits light, reports clicks, can be late.

It goes dark when its agent's process ends, when the watchdog is not told to wait, and at the end of its program. What
it does is told to the invariants (``simulated_rules``) in true time, which nobody else knows.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import msgspec
from bellringer.orchestrator.heralding.terms import CoreReport

ARMING_S = 0.0005
ANSWER_S = 0.0002


@dataclass
class Loaded:
    batch: int
    epoch: int
    start_ps: int
    committed: bool = False
    fired_s: float | None = None
    over: bool = False
    applied: list = field(default_factory=list)


class Core:
    """The core of one host.

    Args:
        guarded: whether it refuses a commit that comes after the start; a core that does not begins late.
    """

    def __init__(self, world, name, guarded=True):
        self.world, self.name, self.guarded = world, name, guarded
        self.offset_ps = 0  # hardware time minus true time
        self.loaded, self.agent = None, None
        self.hseq = 0
        self.watchdog_s = 0.0

    def hw_ps(self):
        return round(self.world.now_s * 1e12) + self.offset_ps

    def lit(self):
        return self.loaded is not None and self.loaded.fired_s is not None and not self.loaded.over

    # --- commands --------------------------------------------------------------------------------------------------

    def load(self, effect):
        loaded = self.loaded = Loaded(effect.batch, effect.epoch, effect.start_ps)
        if self.hw_ps() >= effect.start_ps:
            self._end(loaded, "the start has passed")
            return
        self.world.rules.armed(self.name, effect.batch)
        agent = self.agent
        self.world.after(ARMING_S, lambda: agent.hear(lambda machine, now: machine.on_armed(effect.batch, now)))

    def commit(self, batch):
        loaded = self.loaded
        if loaded is None or loaded.batch != batch or loaded.over or loaded.committed:
            return
        loaded.committed = True
        if self.hw_ps() < loaded.start_ps:
            self._aim(loaded)
        elif self.guarded:
            self._end(loaded, "the start has passed")
        else:
            self._fire(loaded)

    def stop(self, batch, reason):
        loaded = self.loaded
        if loaded is not None and loaded.batch == batch and not loaded.over:
            self._end(loaded, reason)

    def dark(self):
        """Everything off, without a word."""
        if self.lit():
            self.world.rules.dark(self.name)
        if self.loaded is not None:
            self.loaded.over = True
        self.loaded = None

    def step(self, by_ps):
        """Its clock jumps."""
        self.offset_ps += by_ps
        loaded = self.loaded
        if loaded is not None and loaded.committed and loaded.fired_s is None and not loaded.over:
            if self.hw_ps() > loaded.start_ps:
                self._end(loaded, "the start has passed")
            else:
                self._aim(loaded)

    def permit(self, until_s):
        """The watchdog: without another word, dark at this time."""
        self.watchdog_s = until_s
        self.world.at(until_s, self._bark)

    def apply(self, apply, heard):
        """Make a correction if it is in time; ``heard`` takes the word about it."""
        loaded, t_ps = self.loaded, self.hw_ps()
        if loaded is None or loaded.batch != apply.batch or loaded.over:
            return
        late = t_ps > apply.not_after_ps
        if not late:
            self.world.rules.applied(self.name, apply.batch, apply.k)
        word = SimpleNamespace(**msgspec.structs.asdict(apply), t_ps=t_ps, reason="late correction" if late else "")
        self.world.after(ANSWER_S, lambda: heard(word))

    # --- what it does ----------------------------------------------------------------------------------------------

    def _bark(self):
        if self.world.now_s >= self.watchdog_s and self.lit():
            self._end(self.loaded, "watchdog")

    def _aim(self, loaded):
        aimed_ps = self.offset_ps

        def fire():
            if self.loaded is loaded and not loaded.over and loaded.fired_s is None and self.offset_ps == aimed_ps:
                self._fire(loaded)

        self.world.at((loaded.start_ps - self.offset_ps) / 1e12, fire)

    def _fire(self, loaded):
        loaded.fired_s = self.world.now_s
        self.world.rules.fired(self.name, loaded)
        length_s = self.world.length_s
        self.world.after(length_s, lambda: None if loaded.over else self._end(loaded, ""))
        if self.name == self.world.station:
            for k, pattern in self.world.clicks():
                t_s = (k + self.world.program.shift) * self.world.program.period_ps / 1e12 + 1e-6
                self.world.after(t_s, lambda k=k, pattern=pattern: self._click(loaded, k, pattern))

    def _click(self, loaded, k, pattern):
        if self.loaded is not loaded or loaded.over:
            return
        self.hseq += 1
        record = SimpleNamespace(hseq=self.hseq, batch=loaded.batch, k=k, pattern=pattern, t_ps=self.hw_ps(), reason="")
        self.world.rules.clicked(record)
        self.agent.clicked(record)

    def _end(self, loaded, why):
        attempts = 0 if loaded.fired_s is None else max(1, round((self.world.now_s - loaded.fired_s) * 1e3))
        loaded.over = True
        if loaded.fired_s is not None:
            self.world.rules.dark(self.name)
        report, agent = CoreReport(attempts=attempts, stopped_by=why), self.agent
        if agent is not None:
            hear = lambda: agent.hear(lambda machine, now: machine.on_ended(loaded.batch, report, now))  # noqa: E731
            self.world.after(ANSWER_S, hear)
