"""One node machine on a bench: leased, locked and dark, with a clock that is moved by hand."""

from bellringer.orchestrator.agent.authority import Authority
from bellringer.orchestrator.heralding import messages
from bellringer.orchestrator.heralding.node import NodeMachine
from bellringer.orchestrator.heralding.readiness import Conditions
from bellringer.orchestrator.heralding.recovered import Recovered, recover
from bellringer.orchestrator.heralding.terms import CoreReport, Journal, Now, Send

from .simulated_world import MS, PROGRAM, TEXT

GOOD = Conditions(clock_locked=True, interlock_closed=True, calibration="cal")
T_PS = 5_100 * MS
BATCH = 3_000_000_001


def answer(**changes):
    """Return a coordinator's answer to a renewal."""
    estop = {"latched": False, "number": 0, "presses": []}
    plain = {"epoch": 3, "estop": estop, "fault": "", "acknowledged": "", "ownership": {}, "lease_s": 1.5}
    return {**plain, "refused": "", **changes}


class Bench:
    """The machine, and what it asked for."""

    def __init__(self, recovered=None, ready=True, read=lambda text: PROGRAM, syncing=True):
        self.mono_s, self.hw_ps = 5.0, 5_000 * MS
        self.authority = Authority()
        self.machine = NodeMachine("boot1", self.authority, read, recovered or Recovered())
        self.sent, self.others, self.entries, self.seq, self.number = [], [], [], 0, 0
        self.syncing = syncing
        self.do(self.machine.start)
        if ready:
            self.mono_s, self.hw_ps = 2.0, 2_000 * MS
            self.machine._clock.__init__()  # as if it had looked for the first time three seconds ago
            self.do(self.machine.on_conditions, GOOD)
            self.mono_s, self.hw_ps = 5.0, 5_000 * MS
            self.lease()
            self.do(self.machine.on_dark, True)

    def now(self):
        return Now(self.mono_s, self.hw_ps)

    def do(self, action, *args):
        """Do something and everything that follows from it at once; return the effects but messages and entries."""
        others, effects = [], action(*args, self.now())
        while effects:
            number = 0
            for effect in effects:
                if isinstance(effect, Send):
                    self.sent.append(effect.message)
                elif isinstance(effect, Journal):
                    self.entries.append(effect.entry)
                    number = effect.number
                else:
                    others.append(effect)
            self.number = max(self.number, number)
            effects = self.machine.on_journalled(number, self.now()) if number and self.syncing else []
        self.others += others
        return others

    def lease(self, asked_s=None, **changes):
        self.authority.take_answer(answer(**changes), self.mono_s if asked_s is None else asked_s)
        return self.do(self.machine.tick)

    def wait(self, ms):
        self.mono_s += ms / 1e3
        self.hw_ps += ms * MS
        return self.do(self.machine.tick)

    def tell(self, kind, batch=BATCH, epoch=3, **fields):
        self.seq += 1
        return self.do(self.machine.on_message, kind(0, epoch, "run", batch, "c", self.seq, **fields))

    def prepare(self, batch=BATCH, epoch=3, **changes):
        digest = PROGRAM.digest
        fields = {"start_ps": T_PS, "digest": digest, "program": TEXT, "calibration": "cal", **changes}
        return self.tell(messages.Prepare, batch, epoch, **fields)

    def commit(self, **changes):
        return self.tell(messages.Commit, start_ps=T_PS, **changes)

    def armed(self):
        """Bring it to ARMED."""
        self.prepare()
        self.do(self.machine.on_armed, BATCH)
        return self

    def running(self):
        """Bring it to RUNNING, 10 ms after the start."""
        self.armed().commit()
        self.wait(110)
        return self

    def end(self, **report):
        return self.do(self.machine.on_ended, BATCH, CoreReport(**{"attempts": 100, **report}))

    @property
    def state(self):
        return self.machine.state(self.now())

    def restarted(self):
        """Return the machine of a process that finds on its disk what was synced."""
        return Bench(recover(self.entries))
