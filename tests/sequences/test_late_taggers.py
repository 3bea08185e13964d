"""Recordings on a slow computer: a tagger that was told too late is told again, with more time."""

from types import SimpleNamespace

import pytest
from bellringer.orchestrator.agent.calls import Call, Instruments
from bellringer.sequences.acquisition import LEADS_S, _recorded
from bellringer.testbed.errors import InstrumentError, TooLate

LINK = SimpleNamespace(
    ends={name: SimpleNamespace(tagger=f"{name}.tagger", transmitted=1, reflected=2) for name in ("alice", "bob")}
)
LATE, BROKEN = TooLate("the recording should have started 0.044 s ago"), InstrumentError("it is broken")


class Host(Instruments):
    """Two taggers; each is told what comes of its calls, by name."""

    def __init__(self, **outcomes):
        self.outcomes = {f"{name}.tagger": list(each) for name, each in outcomes.items()}
        self.clock = SimpleNamespace(uncertainty_ps=0, now_ps=lambda: 0)
        self.starts_ps = []

    def submit(self, name, verb, *args, **keywords):
        self.starts_ps.append(args[-1])
        call = Call(name, None)
        outcome = self.outcomes[name].pop(0)
        call.value, call.error = (None, outcome) if isinstance(outcome, Exception) else (outcome, None)
        return call

    def _wait(self, calls):
        pass

    def _release(self):
        pass


def record(host):
    notes = []
    return _recorded(SimpleNamespace(_host=host, note=notes.append), LINK, 1.0, 0), notes


@pytest.mark.parametrize("bob", [LATE, "wasted"])
def test_both_are_told_again_with_more_time_and_the_run_says_so(bob):
    host = Host(alice=[LATE, "a"], bob=[bob, "b"])
    recordings, notes = record(host)
    assert recordings == ["a", "b"]
    assert host.starts_ps == [round(lead_s * 1e12) for lead_s in LEADS_S[:2] for _ in range(2)]
    assert notes == ["a tagger was not ready 0.5 s after it was asked; recorded again with more time"]


def test_one_that_is_never_ready_is_told_of():
    with pytest.raises(TooLate, match="should have started"):
        record(Host(alice=[LATE] * len(LEADS_S), bob=["b"] * len(LEADS_S)))


def test_what_is_not_late_but_broken_is_not_tried_again():
    host = Host(alice=[LATE], bob=[BROKEN])
    with pytest.raises(InstrumentError, match="it is broken"):
        record(host)
    assert len(host.starts_ps) == 2
