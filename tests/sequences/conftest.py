"""Sequences on the simulated lab's own cores, without sockets, agents or a coordinator: an explicit double of the run.

What it leaves out is only how words travel. Batches are armed and run by the cores, heralds come along their lines,
corrections meet their deadlines, and qubits are those of the bench. Lab time jumps from event to event.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bellringer.drivers.interfaces import Held
from bellringer.sequences import Figure
from bellringer.sequences.memories import memory_link
from bellringer.sequences.pairs import Correction, Entanglement, Pair
from bellringer.sim_backends.lab.lab import Lab
from bellringer.sim_backends.lab.memory_links import join_memory_links
from bellringer.sim_backends.twins import TWINS
from bellringer.testbed.attempts import Readout, Stop
from bellringer.testbed.attempts.terms import Terms
from bellringer.testbed.loader import load
from bellringer.testbed.memory_programs import attempt_program
from bellringer.testbed.wiring import Wiring

EXAMPLES = Path(__file__).parents[2] / "examples"
S = 10**12
LEAD_PS = 10**9
NINE = ("XXXYYYZZZ", "XYZXYZXYZ")
"""Bases of both nodes, attempt by attempt."""


class Talk:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nobody listens."""


class CoreRun:
    """A run whose pairs come straight from the cores of ``testbed``.

    ``fails`` is how many requests end without a pair from now on; ``late_s`` lets every kept pair wait.
    """

    def __init__(self, testbed: Any, seed: int) -> None:
        self.testbed, self.lab = testbed, Lab(seed)
        self.records: dict[str, list[tuple[str, list[str]]]] = {}
        for name, entry in testbed.instruments().items():
            twin = TWINS[entry.driver](self.lab, name, entry.model, entry.options)
            if entry.driver == "attempt_core":
                self._listen(twin)
            if entry.driver == "websq":
                twin.enabled.set(0, 1.0)
                for trace in twin.bias:
                    trace.set(0, 20e-6)
        self.lab.memories = join_memory_links(self.lab, testbed, seed)
        self._batches = itertools.count(1)
        self.results: dict[str, Any] = {}
        self.figures: dict[str, Figure] = {}
        self.notes: list[str] = []
        self.progress = Talk()
        self.fails, self.late_s = 0, 0.0

    def _listen(self, core: Any) -> None:
        """Keep all records, as a host that listens does; the core itself forgets old ones."""
        said, tell = self.records.setdefault(core.name, []), core.record

        def record(kind: str, text: str) -> None:
            said.append((kind, text.split(" ")))
            tell(kind, text)

        core.record = record

    # --- what sequences use of a run --------------------------------------------------------------------------

    def result(self, name: str, estimate: Any) -> None:
        self.results[name] = estimate

    def figure(self, figure: Figure) -> None:
        self.figures[figure.name] = figure

    def note(self, text: str) -> None:
        self.notes.append(text)

    def checkpoint(self) -> None:
        """Nobody pauses."""

    def scan(self, values: Any, label: str) -> Iterator[Any]:
        yield from values

    def call(self, name: str, method: str, *args: Any) -> Any:
        core = self.lab.twins[name]
        if method == "held":
            return [Held(*map(int, line.split(" "))) for line in core.memory.lines()]
        if method == "measure_bell":
            other = core.partners()[args[2]] if len(args) > 2 else core
            return core.memory.measure_bell(args[0], other.memory, args[1])
        return getattr(core.memory, method)(*args)

    def entangle(self, a: str, b: str, **asked: Any) -> Entanglement:
        name = next(each for each in self.testbed.memory_links if self._nodes(each) in ((a, b), (b, a)))
        if self.fails:
            self.fails -= 1
            return Entanglement(name, (a, b), "TIMEOUT", "the deadline has come", (), 1000, 0.01, 3, {"late": 3})
        return self._batch(name, (a, b), **asked)

    # --- one batch --------------------------------------------------------------------------------------------

    def _nodes(self, name: str) -> tuple[str, str]:
        first, second = memory_link(self, name)[1].memories  # type: ignore[arg-type]
        return first.partition(".")[0], second.partition(".")[0]

    def _batch(
        self,
        name: str,
        ends: tuple[str, str],
        *,
        pairs: int,
        deadline_s: float,
        min_fidelity: float = 0.0,
        keep: bool = False,
        max_age_s: float = 0.0,
    ) -> Entanglement:
        link = self.testbed.memory_links[name]
        stop = Stop(kind="first") if keep else Stop(kind="count", count=pairs)
        given = {"keep": "keep" if keep else "measure", "target": link.target if keep else None, "stop": stop}
        terms = Terms(most_attempts=2**40, most_s=deadline_s, max_age_s=max_age_s, **given)
        program = attempt_program(self.testbed, Wiring(self.testbed), name, terms)
        if not keep:
            readout = tuple(Readout(node=node, bases=tuple(each)) for node, each in zip(ends, NINE))
            program = program.model_copy(update={"readout": readout})
        batch, start_ps = next(self._batches), self.lab.now_ps + LEAD_PS
        cores = [self.lab.twins[each] for each in (*link.memories, link.station)]
        for core in cores:
            core.arm(program, batch, 1, start_ps)
            core.run.commit()
        while not all(core.run.state == "DONE" for core in cores):
            self.lab.advance_to(self.lab._queue[0][0])
        runs = [core.run for core in cores]
        said = [words for kind, words in self.records[link.station] if kind == "H" and int(words[1]) == batch]
        known = [[*map(int, words[:5])] for words in said if words[5] == "-"]
        self._bits = {core.name: self._read(core.name, batch) for core in cores[:2]}
        found = [self._pair(program, ends, runs, numbers, keep, max_age_s) for numbers in known]
        seconds = runs[0].attempts * program.period_ps / S
        return Entanglement(name, ends, "OK", "", tuple(found), runs[0].attempts, seconds, len(known))

    def _read(self, core: str, batch: int) -> dict[int, int]:
        """Return what a core measured in a batch, by attempt."""
        outcomes = [words for kind, words in self.records[core] if kind == "M"]
        return {int(words[1]): int(words[3]) for words in outcomes if int(words[0]) == batch}

    def _pair(self, program: Any, ends: Any, runs: Any, numbers: list[int], keep: bool, max_age_s: float) -> Pair:
        hseq, batch, k, pattern, t_ps = numbers
        label, begin_ps = program.table()[pattern], runs[0].start_ps + k * program.period_ps
        if not keep:
            bits = {run.core.core_name: self._bits[run.core.name][k] for run in runs[:2]}
            bases = "".join(program.basis(node, k) for node in ends)
            return Pair(batch, hseq, k, label, label, begin_ps, t_ps, bases=bases, bits=(bits[ends[0]], bits[ends[1]]))
        done = []
        for owed in program.owed(label):
            (core,) = [run.core for run in runs[:2] if run.core.core_name == owed.node]
            core.correct(batch, k, hseq, owed.operation, t_ps + owed.deadline_ps)
            done.append(Correction(owed.node, owed.operation, self.lab.now_ps))
        self.lab.advance_to(self.lab.now_ps + round(self.late_s * S))
        return Pair(batch, hseq, k, label, self._target(runs), begin_ps, t_ps, tuple(done))

    def _target(self, runs: Any) -> str:
        memories = [run.core.name for run in runs[:2]]
        return next(link.target for link in self.testbed.memory_links.values() if link.memories == memories)


@pytest.fixture
def core_run() -> Iterator[Callable[..., CoreRun]]:
    """``core_run(file, seed, link={...}, memory={...}, ...)``: a run on an example, some of its numbers changed.

    What ``link`` holds is for all memory links, ``memory`` for all memories, the others for all stations and detectors.
    """
    made: list[CoreRun] = []

    def make(
        file: str = "memory_two_node.yaml",
        seed: int = 1,
        *,
        link: Mapping[str, Any] | None = None,
        memory: Mapping[str, Any] | None = None,
        visibility: float | None = None,
        dark_rate: float | None = None,
    ) -> CoreRun:
        testbed = load(EXAMPLES / file).testbed.model_copy(deep=True)
        for body in testbed.nodes.values():
            for name, optic in body.optics.items():
                if optic.kind == "heralding_station" and visibility is not None:
                    body.optics[name] = optic.model_copy(update={"visibility": visibility})
            for name, entry in body.instruments.items():
                if entry.driver == "websq" and dark_rate is not None:
                    model = entry.model.model_copy(update={"dark_rate": dark_rate})
                    body.instruments[name] = entry.model_copy(update={"model": model})
        for name, each in testbed.memory_links.items():
            testbed.memory_links[name] = each.model_copy(update=dict(link or {}))
            for end in each.memories:
                node, _, instrument = end.partition(".")
                entry = testbed.nodes[node].instruments[instrument]
                model = entry.model.model_copy(update=dict(memory or {}))
                testbed.nodes[node].instruments[instrument] = entry.model_copy(update={"model": model})
        made.append(CoreRun(testbed, seed))
        return made[-1]

    yield make
    for each in made:
        each.lab.stop()
        each.lab.run()
