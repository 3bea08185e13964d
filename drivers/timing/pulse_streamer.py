"""Swabian Instruments Pulse Streamer 8/2: a pulse generator, and a back-end of attempts that can do little.

It hears nothing, so it runs whole batches of measured qubits, and an external trigger must start them at their time.
Nothing is uploaded before COMMIT, so an armed batch that is never committed cannot run whatever comes at the trigger
input. The generator cannot see when its trigger came: lateness is for the time tags to find.
"""

from collections.abc import Mapping

from ...testbed.attempts import AttemptProgram
from ...testbed.attempts.traits import Traits
from ...testbed.clock import Clock
from ...testbed.errors import ProgramError
from ..interfaces import Applied, BatchReport, HeraldRecord, Refused
from .pulse_patterns import CLOCK_PS, steps
from .pulse_streamer_unit import PulseStreamerUnit

TRAITS = Traits(
    absolute_start=False,
    herald_in_loop=False,
    branching=False,
    records_heralds=False,
    feedforward_in=False,
    resolution_ps=CLOCK_PS,
)


class PulseStreamer(PulseStreamerUnit):
    """A Pulse Streamer 8/2; capabilities ``PulseGenerator`` and, with no trait at all, ``AttemptController``.

    Args:
        channels: channel name -> output number, 0 to 7, as pulses name them; ``ch0`` to ``ch7`` if not given.
    """

    def __init__(
        self,
        resource: str,
        *,
        channels: Mapping[str, int] | None = None,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(
            resource, channels=channels, name=name, clock=clock, limits=limits, serial_number=serial_number
        )
        self._program: AttemptProgram | None = None
        self._attempts = self._batch = self._start_ps = self._epoch = 0
        self._state, self._why = "", ""

    def traits(self) -> Traits:
        """Return what the generator can do: nothing but keep time."""
        return TRAITS

    def load(self, program: AttemptProgram) -> None:
        """Take a program; nothing is sent before it is committed.

        Raises:
            ProgramError: it keeps qubits, stops at heralds, calibrates, or is for others.
            LimitError: its pulses do not fit the generator.
        """
        node = self.name.partition(".")[0]
        for wrong, why in (
            (program.keep != "measure", "it cannot keep qubits"),
            (program.stop.kind != "full", "it cannot stop at a herald"),
            (program.calibration is not None, "it cannot change its pulses between attempts"),
            (node not in program.nodes, f"it is at {node or 'no node'}, the program is for {', '.join(program.nodes)}"),
        ):
            if wrong:
                hint = "use a real-time core, or a full `measure` program"
                raise ProgramError(f"this generator cannot run the program: {why}", where=self.label, hint=hint)
        steps(_pulses(program, node), program.period_ps, self.outputs, self.label)
        self._program = program

    def arm(self, batch: int, epoch: int, start_ps: int, digest: str) -> None:
        """Make ready for a batch whose trigger comes at ``start_ps`` (ps); all outputs are low.

        Raises:
            Refused: busy, an older epoch, no such program, the start has passed, or the batch was there before.
        """
        if self._state in ("ARMED", "COMMITTED") and self.is_playing():
            raise self._refuse("busy", f"batch {self._batch} is {self._state}")
        if epoch < self._epoch:
            raise self._refuse("epoch", f"epoch {self._epoch} was seen")
        if batch <= self._batch:
            raise self._refuse("repeated", f"batch {self._batch} was there before")
        if self._program is None or self._program.digest != digest:
            raise self._refuse("hash", "no such program is loaded")
        late_ps = self.clock.now_ps() - start_ps
        if late_ps >= 0:
            raise self._refuse("past", f"the start was {late_ps} ps ago")
        self.safe_state()
        pulses = _pulses(self._program, self.name.partition(".")[0])
        self.set_pulses(pulses, self._program.period_ps, self._program.attempts)
        self._batch, self._epoch, self._start_ps = batch, epoch, start_ps
        self._attempts, self._state, self._why = self._program.attempts, "ARMED", ""

    def commit(self, batch: int) -> None:
        """Upload; the next rising edge at the trigger input starts the batch.

        Raises:
            Refused: the start has passed, or this batch is not armed.
        """
        if batch != self._batch or self._state not in ("ARMED", "COMMITTED"):
            raise self._refuse("state", f"batch {self._batch} is {self._state or 'not there'}")
        if self._state == "COMMITTED":
            return
        late_ps = self.clock.now_ps() - self._start_ps
        if late_ps >= 0:
            self._end("DARK", "not committed")
            raise self._refuse("late", f"by {late_ps} ps")
        self.trigger = "RISING"
        self.start()
        self._state = "COMMITTED"

    def abort(self, batch: int, reason: str) -> None:
        """End a batch, outputs low; an unknown one can never be armed then."""
        if batch == self._batch and self._state not in ("DONE", "DARK"):
            self._end("DARK", reason or "aborted")
        elif batch > self._batch:
            self._end(self._state, self._why)
            self._batch, self._state, self._why = batch, "DARK", reason or "aborted"

    def _end(self, state: str, why: str) -> None:
        self.safe_state()
        self._state, self._why = state, why

    def read_heralds(self, wait_s: float) -> list[HeraldRecord]:
        """Return nothing, at once: it has no detectors."""
        return []

    def apply(self, batch: int, k: int, hseq: int, operation: str, not_after_ps: int) -> None:
        """Refuse: no correction can reach it."""
        raise self._refuse("state", "it has no feedforward")

    def read_applied(self, wait_s: float) -> list[Applied]:
        """Return nothing, at once: no correction can reach it."""
        return []

    def report(self, batch: int) -> BatchReport:
        """Return what was played. It cannot know its lateness (0), nor how far it got in a batch that broke off (0).

        Raises:
            Refused: it still plays or waits for its trigger, or is another batch than the last.
        """
        if batch != self._batch or not self._state:
            raise self._refuse("gone", f"only batch {self._batch} is remembered")
        if self._state == "ARMED" or (self._state == "COMMITTED" and not self._call("hasFinished")):
            raise self._refuse("busy", f"the batch is {self._state}")
        underflows = 0
        if self._state == "COMMITTED":
            underflows = int(self.underflowed())
            self._end("DARK" if underflows else "DONE", "underflow" if underflows else "attempts")
        done = self._attempts if self._state == "DONE" else 0
        return BatchReport(batch, self._state, done, 0, 0, (), 0, underflows, self._why)

    def _refuse(self, code: str, why: str) -> Refused:
        hint = "see docs/attempt-protocol.md for the codes"
        where = f"{self.label} at {self.resource}"
        return Refused(f"the generator refused: {code}, {why}", code=code, where=where, hint=hint)


def _pulses(program: AttemptProgram, node: str) -> list[tuple[str, int, int]]:
    return [(p.channel, p.begin_ps, p.length_ps) for p in program.pulses if p.node == node]
