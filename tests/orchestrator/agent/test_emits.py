"""What could raise light at an agent is on its disk before it is carried out."""

import pytest
from bellringer.orchestrator.agent.service import _emits
from bellringer.orchestrator.wire.messages import Call, Do, Get, Set


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Set(1, "a.laser", "power", 0.1, 1), True),
        (Call(1, "a.laser", "emission_on", 1), True),
        (Do(1, "a.laser", "apply", 1), True),
        (Do(1, "a.laser", "safe_state", 1), False),
        (Do(1, "a.laser", "snapshot", 1), False),
        (Get(1, "a.laser", "power", 1), False),
    ],
)
def test_what_could_raise_light_is_on_disk_before_it_is_carried_out(message, expected):
    assert _emits(message) is expected
