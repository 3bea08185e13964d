"""What the cores of one link share: the clicks of each batch, drawn once, and the line that carries heralds back.

Clicks are drawn at the start time, when it is certain who runs. A node that stops later emits no more: clicks of later
attempts are dropped. (Really a single node's photons would still click, heralding nothing of use; not modelled.)
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ....testbed.attempts import AttemptProgram

if TYPE_CHECKING:
    from .attempt_core import AttemptCoreTwin
    from .attempt_run import Run

_REMEMBERED = 32

Ints = npt.NDArray[np.int64]
Clicks = tuple[Ints, Ints, Ints, npt.NDArray[np.bool_]]
"""Attempt, pattern and hardware time (ps) of each click, and whether it was a double one."""


class HeraldSource(Protocol):
    """The physics of a link: what the detectors see, and the qubits behind it."""

    def batch(
        self, program: AttemptProgram, batch: int, start_ps: int, attempts: int, emitting: tuple[str, ...]
    ) -> tuple[Ints, Ints, Ints]:
        """Return attempt indices k (ascending), click patterns and hardware times (ps) of the attempts with clicks.

        ``emitting`` are the nodes whose cores run the batch.
        """

    def doubled(self, batch: int) -> npt.NDArray[np.bool_]:
        """Return for each click of a batch whether a detector clicked twice in one window, which no pattern shows."""

    def operate(self, node: str, batch: int, k: int, operation: str, t_ps: int) -> None:
        """Apply I, X, Y, Z or H at hardware time ``t_ps`` (ps) to a node's qubit of attempt ``k``."""

    def measure(self, node: str, batch: int, k: int, basis: str, t_ps: int) -> int:
        """Measure a node's qubit of attempt ``k`` at hardware time ``t_ps`` (ps) and return 0 or 1."""

    def read(self, node: str, batch: int, k: int, basis: str, t_ps: int) -> int:
        """Return the bit a core reads by itself in attempt ``k`` of a program that measures, in its basis at its time.

        Nothing else is done with that qubit; ``t_ps`` as in ``measure``.
        """

    def drop(self, node: str, batch: int, k: int) -> None:
        """A node has given up its qubit of attempt ``k``."""

    def attempts(self, node: str, batch: int, k: int, count: int) -> None:
        """A node's qubit of attempt ``k`` was stored while ``count`` attempts were made beside it."""

    def prepare(self, memory: str, k: int, state: str, t_ps: int) -> None:
        """Take in a fresh qubit (``memory``, 0, ``k``) of a memory in the eigenstate ``state`` such as "X+"."""

    def qubit(self, node: str, batch: int, k: int) -> tuple[str, int, int]:
        """Return the name of a qubit by which every source of the lab knows it from now on."""

    def bell_measure(self, first: tuple[str, int, int], second: tuple[str, int, int], t_ps: int) -> str:
        """Measure two qubits of one node in the Bell basis at ``t_ps`` (ps), give them up, return the label read."""


class _Batch:
    def __init__(self) -> None:
        self.runs_until: dict[str, int | None] = {}
        self.clicks: Clicks | None = None


class HeraldLink:
    """One link of nodes and a station.

    Args:
        line_ps: how long a herald takes from the station to each node's core by a hardware line, ps; a node that is
            not named has no line.
    """

    def __init__(self, source: HeraldSource, line_ps: Mapping[str, int] | None = None) -> None:
        self.source = source
        self.line_ps = dict(line_ps or {})
        self.cores: dict[str, AttemptCoreTwin] = {}
        self._batches: dict[tuple[int, int, str], _Batch] = {}

    def join(self, core: "AttemptCoreTwin") -> None:
        """Make ``core`` one end of this link, by its name."""
        self.cores[core.core_name] = core
        core.link = self

    def committed(self, name: str, run: "Run") -> None:
        """Core ``name`` will run a batch."""
        self._batches.setdefault(run.key, _Batch()).runs_until[name] = None
        while len(self._batches) > _REMEMBERED:
            del self._batches[next(iter(self._batches))]

    def ended(self, name: str, run: "Run") -> None:
        """Core ``name`` emits no more of a batch from now on."""
        known = self._batches.get(run.key)
        if known is not None and known.runs_until.get(name, 0) is None:
            known.runs_until[name] = run.core.lab.now_ps

    def clicks(self, run: "Run") -> Clicks:
        """Return the clicks of a batch; drawn when first asked for, at or after the start time."""
        known = self._batches[run.key]
        if known.clicks is None:
            running = [node for node in run.program.nodes if known.runs_until.get(node, 0) is None]
            drawn = self.source.batch(run.program, run.batch, run.start_ps, run.program.attempts, tuple(running))
            known.clicks = (*drawn, self.source.doubled(run.batch))
        return known.clicks

    def emitted(self, run: "Run", k: int) -> bool:
        """Return whether every node that began the batch was still running when attempt ``k`` began."""
        begin_ps = run.start_ps + k * run.program.period_ps
        ends = [self._batches[run.key].runs_until.get(node) for node in run.program.nodes]
        return all(end is None or end <= run.start_ps or end > begin_ps for end in ends)

    def announce(self, station: str, batch: int, k: int, hseq: int, t_ps: int) -> None:
        """Send a herald that station ``station`` found at ``t_ps`` along the lines to the nodes' cores."""
        for name, core in self.cores.items():
            delay_ps = self.line_ps.get(name)
            if name != station and delay_ps is not None:
                core.lab.at(t_ps + delay_ps, functools.partial(core.heard, batch, k, hseq), owner=core.name)
