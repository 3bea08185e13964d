"""A small lab to try decisions on, and ``Field``: plays the nodes under a service, batch by batch, from a seed.

``Field`` takes the service's actions and reports back as a coordinator would; it checks what must hold of any action,
whatever the test is about: no two batches at one party at a time, none on a link that may not be used, none late.
"""

import numpy as np
import pytest
from bellringer.orchestrator.heralding.service import EntanglementService, Forecast, Herald, Lab, Link
from bellringer.orchestrator.heralding.service.actions import AbortBatch, Calibrate, StartBatch, Tell
from bellringer.orchestrator.heralding.service.replies import Ended
from bellringer.testbed.attempts import program

PS_PER_S = 10**12
CORRECTED = (
    {"label": "psi+", "node": "alice", "operation": "X", "deadline_ps": 10**9},
    {"label": "psi-", "node": "alice", "operation": "Y", "deadline_ps": 10**9},
)


def a_program(**changes):
    """Return a small single-click program that keeps, corrects to phi+, and takes 10 us an attempt."""
    fields = {
        "scheme": "single_click",
        "keep": "keep",
        "nodes": ("alice", "bob"),
        "station": "charlie",
        "period_ps": 10_000_000,
        "round_trip_ps": 4_000_000,
        "windows": ({"name": "w", "begin_ps": 100, "length_ps": 1000},),
        "detectors": ("d0", "d1"),
        "heralds": ({"clicks": (("d0", "w"),), "label": "psi+"}, {"clicks": (("d1", "w"),), "label": "psi-"}),
        "feedforward": CORRECTED,
        "most_attempts": 1000,
        "most_ps": PS_PER_S,
        "max_age_ps": PS_PER_S,
        **changes,
    }
    return program(**fields)


def measuring(**changes):
    """Return the same without keeping and without corrections."""
    return a_program(**{"keep": "measure", "feedforward": (), "max_age_ps": 0, **changes})


def a_link(name="ab", nodes=("alice", "bob"), station="charlie", **changes):
    """Return a link with a program of either kind."""
    owed = tuple({**each, "node": nodes[0]} for each in CORRECTED)
    programs = (
        a_program(nodes=nodes, station=station, feedforward=owed),
        measuring(nodes=nodes, station=station),
    )
    return Link(**{"name": name, "nodes": nodes, "programs": programs, **changes})


def a_forecast(probability=1e-3, **changes):
    """Return a forecast with equal shares of both states."""
    shares = {"psi+": probability / 2, "psi-": probability / 2}
    fields = {"probabilities": shares, "rate_error": 0.05, "fidelity": 0.9, "fidelity_error": 0.01, "made_s": 0.0}
    return Forecast(**{**fields, **changes})


def a_request(**changes):
    """Return the plain fields of a lawful request: ten measured pairs."""
    return {"id": "r1", "nodes": ("alice", "bob"), "kind": "measure", "pairs": 10, "deadline_s": 100.0, **changes}


class Field:
    """The lab's nodes and its coordinator, as the service sees them; every batch runs its time."""

    def __init__(self, lab, seed=1, probability=1e-3, memories=1):
        self.lab, self.service = lab, EntanglementService(lab)
        self.rng = np.random.default_rng(seed)
        self.probability, self.memories = probability, memories
        self.now_s, self.hseq = 0.0, 0
        self.batches, self.aborted, self.calibrations = {}, {}, []
        self.started, self.told, self.ends, self.attempts = [], [], {}, 0
        for name in lab.links:
            for kind in ("keep", "measure"):
                self.service.forecast(name, kind, a_forecast(probability))
        self.give_room()

    @property
    def now_ps(self):
        return round(self.now_s * PS_PER_S)

    def give_room(self, batches=2):
        for party in {party for link in self.lab.links.values() for party in link.parties}:
            here = [order for order, each in self.batches.items() if party in each.parties]
            newest = max((each.order for each in self.started if party in each.parties), default=0)
            self.service.room(party, batches, self.memories, min(here, default=newest + 1) - 1)

    def submit(self, who="anna", **changes):
        return self.service.submit(a_request(**changes), who, self.now_s)

    def tick(self):
        actions = self.service.tick(self.now_s, self.now_ps)
        for action in actions:
            match action:
                case StartBatch():
                    self.check(action)
                    self.batches[action.order] = action
                    self.started.append(action)
                case AbortBatch():
                    assert action.order not in self.aborted, "asked once"
                    self.aborted[action.order] = action.reason
                case Calibrate():
                    self.calibrations.append(action)
                case Tell():
                    self.told.append(action.event)
                    if isinstance(action.event, Ended):
                        assert action.event.request not in self.ends
                        self.ends[action.event.request] = action.event
        return actions

    def check(self, new):
        assert new.start_ps >= self.now_ps + round(self.lab.links[new.link].lead_s * PS_PER_S)
        assert not self.lab.suspended(new.link, self.now_s)
        assert not self.lab.calibrations.out_of_spec(new.link, self.now_s)
        for other in self.batches.values():
            if set(other.parties) & set(new.parties):
                assert other.request == new.request, "one turn at a party at a time"
                assert new.start_ps >= other.start_ps + other.program.most_ps

    def run(self, seconds, step_s=0.05):
        """Let time pass; batches end when theirs is over, or at once when aborted."""
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            for order, batch in sorted(self.batches.items()):
                if order in self.aborted or batch.start_ps + batch.program.most_ps <= self.now_ps:
                    self.end(order, ran=order not in self.aborted)
            self.give_room()
            self.tick()

    def end(self, order, ran=True):
        batch = self.batches.pop(order)
        program = batch.program
        attempts = program.most_attempts if ran else 0
        self.attempts += attempts
        ks = np.cumsum(self.rng.geometric(self.probability, 1 + round(3 * attempts * self.probability + 20)))
        stop = 1 if program.stop.kind == "first" else program.stop.count
        for k in ks[ks < attempts][:stop]:
            self.hseq += 1
            label = ("psi+", "psi-")[int(self.rng.integers(2))]
            self.service.pair(Herald(order, self.hseq, int(k), label, batch.start_ps + int(k) * 10**7), self.now_s)
        self.service.batch_ended(order, attempts, self.now_s, order if ran else 0)


@pytest.fixture(scope="session")
def make():
    """Makers of programs, links, forecasts, requests, labs and fields."""

    class Make:
        program, measuring, link = staticmethod(a_program), staticmethod(measuring), staticmethod(a_link)
        forecast, request = staticmethod(a_forecast), staticmethod(a_request)

        @staticmethod
        def field(*links, resources=(), calibrations=(), conditions=(), **more):
            return Field(Lab(links or (a_link(),), resources, calibrations, conditions), **more)

    return Make
