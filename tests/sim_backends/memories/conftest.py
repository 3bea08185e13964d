"""A memory link of two nodes for the tests of the bench, and what a lab is made of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bellringer.sim_backends.bench.memories.from_testbed import link_physics
from bellringer.sim_backends.bench.memories.link import MemoryLink
from bellringer.sim_backends.bench.memories.memories import Memories
from bellringer.testbed.attempts import AttemptProgram
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.loader import load
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.testbed import InstrumentEntry, Testbed
from bellringer.testbed.wiring import Wiring

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
NAME = "alice-bob"
TERMS = Terms(most_attempts=200_000, most_s=1e3, max_age_s=1e-2, target="psi+")


class Setup:
    """A testbed with one memory link, changed by the test."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed, self.wiring = testbed, Wiring(testbed)

    def link(self, seed: int = 1) -> MemoryLink:
        detectors = self.testbed.instruments()["charlie.detectors"].model
        response = (detectors.efficiency, detectors.dark_rate)
        physics = link_physics(self.testbed, self.wiring, NAME, lambda port: response)
        memories = Memories({arm.name: arm.memory for arm in physics.arms}, np.random.default_rng(seed))
        return MemoryLink(NAME, seed, lambda now_ps: physics, memories)

    def program(self, terms: Terms = TERMS, **changes: object) -> AttemptProgram:
        made = attempt_program(self.testbed, self.wiring, NAME, terms)
        return made.model_copy(update=changes) if changes else made


@pytest.fixture
def serial_file(tmp_path: Path) -> Path:
    """The link wired in series: a photon goes from Alice through Bob to the station."""
    text = FILE.read_text(encoding="utf-8").replace(
        "alice.memory -> alice.fibre -> charlie.station.a", "alice.memory -> alice.fibre -> bob.memory"
    )
    path = tmp_path / "serial.yaml"
    path.write_text(text.replace("scheme: single_click", "scheme: serial"), encoding="utf-8")
    return path


@pytest.fixture
def setup() -> Callable[..., Setup]:
    """A function of changes to the link and to its parts that returns the lab.

    ``memory`` changes both memories' models, ``even`` makes Bob's fibre as long as Alice's, other names are the link's.
    """

    def make(
        memory: dict[str, float] | None = None,
        *,
        file: Path | None = None,
        even: bool = False,
        dark_rate: float = 10.0,
        **link: object,
    ) -> Setup:
        testbed = load(file or FILE).testbed.model_copy(deep=True)
        testbed.memory_links[NAME] = testbed.memory_links[NAME].model_copy(update=link)
        for node in ("alice", "bob"):
            _change(testbed.nodes[node].instruments, "memory", memory or {})
        _change(testbed.nodes["charlie"].instruments, "detectors", {"dark_rate": dark_rate})
        if even:
            testbed.nodes["bob"].optics["fibre"] = testbed.nodes["alice"].optics["fibre"]
        return Setup(testbed)

    return make


def _change(instruments: dict[str, InstrumentEntry], name: str, changes: dict[str, float]) -> None:
    entry = instruments[name]
    assert entry.model is not None
    instruments[name] = entry.model_copy(update={"model": entry.model.model_copy(update=changes)})
