"""Reference cores on the bench's own physics: heralds of a real link, corrections, qubits that obey both."""

from pathlib import Path
from typing import Any

import pytest
from bellringer.sim_backends.lab.memory_links import join_memory_links
from bellringer.sim_backends.twins import TWINS
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.loader import load
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.wiring import Wiring

FILE = Path(__file__).parents[2] / "data" / "memory_link.yaml"
S = 10**12
IDEAL = [
    ("visibility: 0.9", "visibility: 1"),
    ("readout_fidelity_0: 0.95", "readout_fidelity_0: 1"),
    ("readout_fidelity_1: 0.98", "readout_fidelity_1: 1"),
    ("scheme: single_click", "scheme: two_click"),
    ('t2: "10 ms"', 't2: "1e6 s"'),
    ('t2: "8 ms"', 't2: "1e6 s"'),
    ('t1: "1 h"', 't1: "1e6 s"'),
    ('dark_rate: "10 Hz"', 'dark_rate: "0 Hz"'),
]


@pytest.fixture
def link(lab: Any, tmp_path: Path) -> Any:
    """The testbed's instruments in the lab, joined; detectors are on."""
    text = FILE.read_text(encoding="utf-8")
    for before, after in IDEAL:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "lab.yaml"
    path.write_text(text, encoding="utf-8")
    testbed = load(path).testbed
    for name, entry in testbed.instruments().items():
        TWINS[entry.driver](lab, name, entry.model, entry.options)
    lab.memories = join_memory_links(lab, testbed, 1)
    switch(lab, 20e-6)
    return testbed


def switch(lab: Any, bias: float) -> None:
    detectors = lab.twins["charlie.detectors"]
    detectors.enabled.set(0, 1.0)
    for trace in detectors.bias:
        trace.set(0, bias)


def program_of(testbed: Any, **terms: Any) -> Any:
    given = {"most_attempts": 20_000, "most_s": 10.0, "max_age_s": 100.0, "target": "psi+", **terms}
    return attempt_program(testbed, Wiring(testbed), "alice-bob", Terms(**given))


@pytest.mark.parametrize(("basis", "like"), [("X", True), ("Y", True), ("Z", False)])
def test_every_herald_ends_as_the_target_after_its_correction(link, lab, talk, started, basis, like):
    """Ten heralds a basis; both labels occur among them (seed 1), so half of them needed a correction."""
    cores = {name: talk(lab.twins[name]) for name in ("alice.memory", "bob.memory", "charlie.core")}
    records = talk(lab.twins["charlie.core"], "records", "0")
    correcting = talk(lab.twins["alice.memory"], "feedforward", "")
    program = program_of(link)
    labels, seen = set(), []
    for batch in range(1, 11):
        start_ps = lab.now_ps + S
        started(cores.values(), program, batch, start_ps)
        lab.advance_to(start_ps + S)
        (herald,) = [line.split(" ") for line in records.said() if line.startswith("H ") and line.endswith(" -")]
        label = program.table()[int(herald[5])]
        labels.add(label)
        for owed in program.owed(label):
            assert owed.node == "alice"
            correcting.send(f"APPLY {batch} {herald[4]} {herald[2]} {owed.operation} {lab.now_ps + S}")
            lab.run_for(1e-3)
        bits = [cores[name].ask(f"MEASURE 0 {basis}")[0].split(" ")[2] for name in ("alice.memory", "bob.memory")]
        seen.append(bits[0] == bits[1])
    assert labels == {"psi+", "psi-"}
    assert seen == [like] * 10


def test_latched_detectors_herald_nothing(link, lab, talk, started):
    switch(lab, 40e-6)
    cores = [talk(lab.twins[name]) for name in ("alice.memory", "bob.memory", "charlie.core")]
    records = talk(lab.twins["charlie.core"], "records", "0")
    started(cores, program_of(link), 1, lab.now_ps + S)
    lab.advance_to(lab.now_ps + 3 * S)
    assert [line.split(" ")[0] for line in records.said()] == ["E"]
