"""``CalibratedLink``: a coordinator's windows over a real service, and a link that gives pairs of a stated visibility.

Without sockets: batches take their time on a clock that the test turns. Bits are drawn from a seed, readout errors of
the testbed file included.
"""

import itertools
from pathlib import Path

import numpy as np
from bellringer.orchestrator.coordinator.calibrating import Calibrating
from bellringer.orchestrator.coordinator.conditions import LinkConditions
from bellringer.orchestrator.coordinator.links import lab_of
from bellringer.orchestrator.heralding.delivery import Pair
from bellringer.orchestrator.heralding.entries import Corrected
from bellringer.orchestrator.heralding.service import EntanglementService
from bellringer.orchestrator.heralding.service.actions import AbortBatch, Calibrate, StartBatch
from bellringer.testbed.loader import load

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
LINK = "alice-bob"
READ_0, READ_1 = (1.0, 0.85), (1.0, 0.98)
"""Readout of both nodes, as in the file but for bob's 0."""


def link_with(plan, folder):
    """Return the testbed with more in its memory link."""
    path = folder / "lab.yaml"
    text = FILE.read_text().replace('window: "50 ns"}', f'window: "50 ns", {plan}}}')
    path.write_text(text.replace("readout_fidelity_0: 0.95", f"readout_fidelity_0: {READ_0[1]}"))
    return load(path).testbed


class CalibratedLink:
    """The lab and its clock.

    Attributes:
        visibility: of the pairs that come from now on.
        chance: of a herald per attempt; 0 in the dark.
        void: why batches come to nothing, "" if they do not.
        windows: when each window began.
        started: batches of windows.
    """

    def __init__(self, testbed, seed=1):
        self.now_s, self.visibility, self.chance, self.void = 0.0, 0.9, 0.01, ""
        self.rng, self.hseq = np.random.default_rng(seed), itertools.count(1)
        self.lab = lab_of(testbed, LinkConditions(testbed, watched=False).all, self.now_s)
        self.service = EntanglementService(self.lab)
        self.calibrating = Calibrating(testbed, self.lab, self.service)
        self.lab.at_leisure = self.calibrating.at_leisure
        self.windows, self.started, self.aborted, self.requested = [], [], [], []
        self.due = []
        """Batches of windows: when each is over, its order, and how many attempts it has."""

    def room(self, memories=2):
        """Let all parties be heard."""
        for party in ("alice", "bob", "charlie", "alice.memory", "bob.memory"):
            self.service.room(party, 2, memories, 10**6)

    def run(self, seconds, step_s=0.1):
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            over = [each for each in self.due if each[0] <= self.now_s]
            self.due = [each for each in self.due if each[0] > self.now_s]
            for _, order, program in over:
                self.end(order, program)
            for action in self.service.tick(self.now_s, round(self.now_s * 1e12)):
                if isinstance(action, Calibrate):
                    self.windows.append(self.now_s)
                    self.calibrating.begin(action)
                elif isinstance(action, StartBatch):
                    self.requested.append(action)
            for action in self.calibrating.turn(self.now_s):
                self.carry_out(action)

    def carry_out(self, action):
        if isinstance(action, AbortBatch):
            self.aborted.append(action)
            self.due = [each for each in self.due if each[1] != action.order]
            self.calibrating.ended(action.order, action.reason, 0, {})
            return
        self.started.append(action)
        took_s = action.program.most_attempts * action.program.period_ps * 1e-12
        self.due.append((self.now_s + took_s, action.order, action.program))

    def end(self, order, program):
        ks = np.cumsum(self.rng.geometric(self.chance, 4 * program.stop.count)) if self.chance else np.array([], int)
        ks = ks[ks < program.most_attempts][: program.stop.count]
        for k in ks:
            self.calibrating.pair(order, self.pair(program, int(k)))
        made = int(ks[-1]) + 1 if len(ks) == program.stop.count else program.most_attempts
        self.calibrating.ended(order, self.void, made, {"delivered": len(ks)})

    def pair(self, program, k):
        """Return a pair whose XX and YY correlations are ``visibility``, ZZ those of its Bell state."""
        label = ("psi+", "psi-")[int(self.rng.integers(2))]
        basis = program.basis("alice", k)
        assert basis == program.basis("bob", k), "only XX, YY and ZZ are of use"
        correlation = -1.0 if basis == "Z" else self.visibility * (1 if label == "psi+" else -1)
        first = int(self.rng.integers(2))
        second = first if self.rng.random() < (1 + correlation) / 2 else 1 - first
        bits = [self.read(bit, right) for bit, right in zip((first, second), zip(READ_0, READ_1))]
        number = next(self.hseq)
        corrected = {
            node: Corrected("run", 1, number, k, label, "I", 0, 0, "", basis, bit)
            for node, bit in zip(("alice", "bob"), bits)
        }
        return Pair("run", 1, number, k, label, 0, corrected)

    def read(self, bit, right):
        return bit if self.rng.random() < right[bit] else 1 - bit

    def ask(self, name, **more):
        asked = {"id": name, "nodes": ("alice", "bob"), "kind": "measure", "pairs": 10, "deadline_s": 1000.0, **more}
        return self.service.submit(asked, "anna", self.now_s)

    @property
    def calibration(self):
        return self.service.status(self.now_s)["calibrations"][LINK]

    @property
    def found(self):
        return self.calibrating.described()[LINK]
