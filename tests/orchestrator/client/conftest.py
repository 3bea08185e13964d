"""A testbed that exists in this test only: what agents would answer, and what they were asked."""

from types import SimpleNamespace

import pytest
from bellringer.orchestrator.client.described import Described, NoSuchName
from bellringer.orchestrator.client.lab import Lab
from bellringer.orchestrator.wire.messages import Call, Do, Get, Set
from bellringer.testbed.errors import nearest

PLATE = {
    "instrument": "alice.plate",
    "driver": "some_mount",
    "model": "Mount 1",
    "verified": "hardware",
    "doc": "A rotation mount.",
    "capabilities": ["Rotator"],
    "parts": {},
    "settings": [
        {"name": "angle", "kind": "float", "unit": "deg", "doc": "Position.", "limits": [-360.0, 720.0],
         "limited_by": "limit of the hardware", "choices": [], "emits": False},
        {"name": "steps", "kind": "int", "unit": "", "doc": "Steps.", "limits": None, "limited_by": "",
         "choices": [], "emits": False},
        {"name": "mode", "kind": "str", "unit": "", "doc": "Mode.", "limits": None, "limited_by": "",
         "choices": ["FINE", "COARSE"], "emits": False},
        {"name": "locked", "kind": "bool", "unit": "", "doc": "Lock.", "limits": None, "limited_by": "",
         "choices": [], "emits": False},
    ],
    "readings": [{"name": "homed", "kind": "bool", "unit": "", "doc": "Whether it was homed."}],
    "methods": [
        {"name": "home", "signature": "(direction: str = 'cw', *, timeout_s: float = 30.0) -> None",
         "doc": "Find the reference mark."},
        {"name": "safe_state", "signature": "() -> None", "doc": "Stop."},
    ],
}  # fmt: skip


class Connections:
    """Stands for the real ones; keeps what was asked."""

    def __init__(self):
        self.values = {"angle": 10.0, "steps": 1, "mode": "FINE", "locked": False, "homed": None}
        self.asked = []
        self.network = SimpleNamespace(contact=SimpleNamespace(control="tcp://192.0.2.10:5570"))
        self.table = {
            "alice": {"node": "alice", "instruments": ["alice.plate"]},
            "bob-2": {"node": "bob-2", "instruments": []},
        }

    def nodes(self, *, anew=False):
        return self.table

    def node(self, name):
        if name not in self.table:
            raise NoSuchName(f"no node '{name}'", hint=nearest(name, self.table))
        return self.table[name]

    def described(self, instrument):
        if instrument not in self.node(instrument.partition(".")[0])["instruments"]:
            raise NoSuchName(f"no instrument '{instrument}'", hint=nearest(instrument, ["alice.plate"]))
        return Described.of(PLATE)

    def ask_node(self, node, message, timeout_s):
        self.asked.append((node, message))
        if isinstance(message, Get):
            return self.values[message.name]
        if isinstance(message, Set):
            self.values[message.name] = message.value
            return None
        return dict(self.values) if isinstance(message, Do) else None

    def ask_aside(self, instrument, message, timeout_s):
        self.asked.append(("aside", message))

    def close(self):
        self.asked.append(("closed", None))

    @property
    def last(self):
        _, message = self.asked[-1]
        if isinstance(message, Set):
            return (message.name, message.value)
        return (message.method, message.args, message.keywords) if isinstance(message, Call) else message


@pytest.fixture
def connections():
    return Connections()


@pytest.fixture
def lab(connections):
    lab = Lab(connections.network)
    lab._speaker.connections = connections
    return lab
