"""Real-time cores that speak attempt/1, bellringer's own protocol (docs/attempt-protocol.md).

Promised: a core is dark unless a committed batch runs, and going dark is believed only when it reads back its outputs;
records that were lost on the way are noticed and fetched; a correction is written and not waited for. The core holds
a lease: reading records renews it, and so does every command.
"""

from collections import deque
from collections.abc import Mapping
from typing import TypeVar

from ...testbed.attempts import AttemptProgram
from ...testbed.attempts.traits import Traits
from ...testbed.clock import Clock
from ...testbed.errors import IdentityError, InstrumentError, LimitError, ProgramError, ProtocolError, TransportTimeout
from ..interfaces import Applied, BatchReport, Held, HeraldRecord, Identity, Instrument, Outcome, Reading
from .attempt_line import AttemptLine, fields
from .attempt_records import Records, applied

T = TypeVar("T")

EIGENSTATES = ("Z+", "Z-", "X+", "X-", "Y+", "Y-")
BELL_STATES = ("phi+", "phi-", "psi+", "psi-")
_PRINTABLE = {chr(code) for code in range(0x20, 0x7F)} - {"*"}


class AttemptCore(Instrument):
    """A core at a node or a station; capabilities ``AttemptController`` and ``QuantumMemory``.

    Args:
        lease_s: the core goes dark by itself when it hears nothing for this long, s; 0.1 to 60.
    """

    verified = "manual"
    model_name = "attempt/1 core"

    state = Reading(lambda core: core._status()["state"], kind=str, doc="State, for example 'RUNNING'.")
    clock_locked = Reading(
        lambda core: core._status()["clock"] == "locked", kind=bool, doc="Whether its clock is locked."
    )
    outputs_on = Reading(
        lambda core: core._status()["outputs"] != "off", kind=bool, doc="Whether its outputs are on, read back."
    )
    boot = Reading(lambda core: core._greeting.get("boot", ""), kind=str, doc="Another text after each start of it.")
    garbage = Reading(lambda core: int(core._status()["garbage"]), kind=int, doc="Lines it could not understand.")

    records_lost = Reading(
        lambda core: core._records.lost, kind=int, doc="Records the core no longer had when they were missed."
    )

    def __init__(
        self,
        resource: str,
        *,
        lease_s: float = 2.0,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        if not 0.1 <= lease_s <= 60.0:
            raise LimitError(f"lease_s = {lease_s:g} s is outside 0.1 s to 60 s", where=self.label, hint="try 2")
        self._lease_s = lease_s
        self._control, self._feedforward = AttemptLine(self), AttemptLine(self)
        self._records = Records(self, self._control)
        self._greeting: dict[str, str] = {}

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._control.connect()

    def _disconnect(self) -> None:
        for line in (self._feedforward, self._records, self._control):
            line.close()

    def identify(self) -> Identity:
        """Read the greeting."""
        try:
            greeting = self._control.greeting()
        except TransportTimeout as error:
            raise self._stranger("it does not greet") from error
        version, _, rest = greeting.partition(" ")
        self._greeting = fields(rest)
        if version != "attempt/1":
            raise self._stranger(f"it greets with {greeting[:80]}")
        missing = {"name", "role", "boot", "traits", "resolution", "slots", "lead"} - self._greeting.keys()
        if missing:
            raise self._stranger(f"its greeting lacks {', '.join(sorted(missing))}")
        maker, model, serial, firmware = (self._greeting.get(k, "") for k in ("maker", "model", "serial", "firmware"))
        return Identity(maker, model, serial, firmware)

    def _prepare(self) -> None:
        self._control.ask(f"OPEN control {round(self._lease_s * 1000)}")
        self._feedforward.connect()
        self._feedforward.greeting()
        self._feedforward.ask("OPEN feedforward")
        self._records.open(self._greeting["boot"])
        self.safe_state()

    def safe_state(self) -> None:
        """Abort what runs, outputs off, and read back that they are; over a new connection if the old one is broken.

        Raises:
            InstrumentError: the core does not confirm it.
        """
        with self.clock.shielded():
            try:
                self._go_dark()
            except InstrumentError:
                try:
                    self._control.close()
                    self._control.connect()
                    self._control.greeting()
                    self._control.ask(f"OPEN control {round(self._lease_s * 1000)}")
                    self._go_dark()
                except InstrumentError as error:
                    raise self.error(
                        f"cannot confirm that the core's outputs are off: {error.what}",
                        "a core goes dark by itself when its lease ends; until that is seen, treat its light as on",
                    ) from error

    def _go_dark(self) -> None:
        self._control.ask("DARK")
        outputs = self._status()["outputs"]
        if outputs != "off":
            raise self.error(f"the outputs are {outputs} after DARK", "cut the power of the core's drivers")

    # --- AttemptController ------------------------------------------------------------------------------------

    def traits(self) -> Traits:
        """Return what the core said of itself when it was opened."""
        has = self._greeting.get("traits", "").split(",")
        flags = {name: name in has for name in Traits.flags()}
        return Traits(**flags, resolution_ps=self._number("resolution"))

    def load(self, program: AttemptProgram) -> None:
        """Send a program; the core computes its hash and compares.

        Raises:
            ProgramError: the core cannot run it; nothing was sent.
            Refused: the core says so.
        """
        name, role, step = self._greeting["name"], self._greeting["role"], self._number("resolution")
        here = (program.station,) if role == "station" else program.nodes
        times = [program.period_ps, *(t for pulse in program.pulses for t in (pulse.begin_ps, pulse.length_ps))]
        if name not in here:
            raise self._unfit(f"it is {name}, the program is for {', '.join(here)}", "load it into another core")
        if any(time % step for time in times):
            raise self._unfit(f"its clock has steps of {step} ps", f"build the program with grid_s={step * 1e-12:g}")
        if program.keep == "keep" and role == "node" and program.memory_modes > self.slot_count():
            raise self._unfit(f"it has {self.slot_count()} memory slots", "build the program with fewer memory_modes")
        body = program.canonical()
        self._control.ask(f"LOAD {program.digest} {len(body)}", body)

    def arm(self, batch: int, epoch: int, start_ps: int, digest: str) -> None:
        """Make ready to run a loaded program; raises Refused with the core's code."""
        self._control.ask(f"ARM {batch:d} {epoch:d} {start_ps:d} {digest}")

    def commit(self, batch: int) -> None:
        """Let the armed batch run; raises Refused (``late``) if its start time has passed."""
        self._control.ask(f"COMMIT {batch:d}")

    def abort(self, batch: int, reason: str) -> None:
        """End a batch in any state; its outputs are off when this returns."""
        said = "".join(each for each in reason if each in _PRINTABLE)[:80]
        self._control.ask(f"ABORT {batch:d} {said or 'aborted'}")

    def read_heralds(self, wait_s: float) -> list[HeraldRecord]:
        """Return new herald records, waiting at most ``wait_s`` (s) for the first; renews the lease."""
        self._records.wait(self._records.heralds, wait_s, self._lease_s)
        return _emptied(self._records.heralds)

    def apply(self, batch: int, k: int, hseq: int, operation: str, not_after_ps: int) -> None:
        """Write a correction and return; what became of it comes as a record."""
        if operation not in ("I", "X", "Y", "Z"):
            raise LimitError(f"'{operation}' is no correction", where=self.label, hint="valid: I, X, Y, Z")
        self._feedforward.tell(f"APPLY {batch} {k} {hseq} {operation} {not_after_ps}")

    def read_applied(self, wait_s: float) -> list[Applied]:
        """Return what became of corrections, waiting at most ``wait_s`` (s) for the first; renews the lease."""
        self._records.wait(self._records.applied, wait_s, self._lease_s)
        return _emptied(self._records.applied)

    def report(self, batch: int) -> BatchReport:
        """Return what was done in a batch; all its records have been taken in then.

        Raises:
            Refused: it still runs, or is not remembered.
        """
        said, _ = self._control.ask(f"REPORT {batch:d}")
        words, _, stopped_by = said.partition(" stopped=")
        found = fields(words)
        try:
            counts = [int(found[key]) for key in ("attempts", "first", "heralds", "lateness", "underflows")]
            wanted, last = int(found["applied"]), int(found["records"])
        except (KeyError, ValueError):
            raise self.protocol_error("REPORT", said, "numbers are missing") from None
        self._records.catch_up(last)
        corrections: list[Applied] = []
        while len(corrections) < wanted:
            _, lines = self._control.ask(f"APPLIED {batch:d} {len(corrections)}")
            if not lines:
                raise self.protocol_error("APPLIED", lines, f"{len(corrections)} of {wanted} corrections came")
            corrections += [applied(line.split(" ")[1:]) for line in lines]
        attempts, first, heralds, lateness, underflows = counts
        return BatchReport(
            *(batch, found.get("state", ""), attempts, first, heralds),
            *(tuple(corrections), lateness, underflows, stopped_by),
        )

    def heard_end(self, batch: int) -> bool:
        """Return whether the core has said by itself that a batch has ended; nothing is asked.

        Its word may get lost on the way: ``report`` is what one can rely on.
        """
        return self._records.over == batch

    def read_clock(self) -> tuple[int, bool]:
        """Return its hardware time, ps, and whether its clock is locked, both of one moment."""
        found = self._status()
        if not found["now"].isdecimal():
            raise self.protocol_error("STATUS", str(found), "'now' is no time")
        return int(found["now"]), found["clock"] == "locked"

    # --- QuantumMemory ----------------------------------------------------------------------------------------

    def slot_count(self) -> int:
        """Return the number of memory slots, as the core said when it was opened."""
        return self._number("slots")

    def held(self) -> list[Held]:
        """Return the qubits in memory, with their ages."""
        _, lines = self._control.ask("SLOTS")
        return [Held(*map(int, line.split(" "))) for line in lines]

    def operate(self, slot: int, operation: str) -> None:
        """Apply I, X, Y, Z or H to the qubit in ``slot``; raises Refused (``slot``) if there is none."""
        if operation not in ("I", "X", "Y", "Z", "H"):
            raise LimitError(f"'{operation}' is no operation", where=self.label, hint="valid: I, X, Y, Z, H")
        self._control.ask(f"OPERATE {slot:d} {operation}")

    def measure(self, slot: int, basis: str) -> int:
        """Measure the qubit in ``slot`` in basis X, Y or Z and free the slot; a lost reply is asked for again."""
        if basis not in ("X", "Y", "Z"):
            raise LimitError(f"'{basis}' is no basis", where=self.label, hint="valid: X, Y, Z")
        said, _ = self._control.ask(f"MEASURE {slot:d} {basis}")
        bit = fields(said).get("bit")
        if bit not in ("0", "1"):
            raise self.protocol_error(f"MEASURE {slot} {basis}", said, "expected a bit")
        return int(bit)

    def prepare(self, slot: int, state: str) -> None:
        """Put a fresh qubit into the empty ``slot``; raises Refused (``slot``) if it is taken."""
        if state not in EIGENSTATES:
            raise LimitError(f"'{state}' is no eigenstate", where=self.label, hint=f"valid: {', '.join(EIGENSTATES)}")
        self._control.ask(f"PREPARE {slot:d} {state}")

    def measure_bell(self, first: int, second: int, partner: str = "") -> str:
        """Measure two qubits in the Bell basis, the second one perhaps of a partner; a lost reply is asked for again.

        Raises:
            LimitError: the core has no such partner; nothing was sent.
        """
        partners = [each for each in self._greeting.get("partners", "").split(",") if each]
        if partner and partner not in partners:
            raise LimitError(
                f"this core has no gates with '{partner}'",
                where=self.label,
                hint=f"its partners: {', '.join(partners) or 'none'}",
            )
        said, _ = self._control.ask(f"BELL {first:d} {second:d} {partner or '-'}")
        label = fields(said).get("label", "")
        if label not in BELL_STATES:
            raise self.protocol_error(f"BELL {first} {second}", said, f"expected one of {', '.join(BELL_STATES)}")
        return label

    def reset(self, slot: int) -> None:
        """Give up the qubit in ``slot``, if there is one."""
        self._control.ask(f"RESET {slot:d}")

    def read_outcomes(self, wait_s: float) -> list[Outcome]:
        """Return outcomes of ``measure`` programs, waiting at most ``wait_s`` (s) for the first; renews the lease."""
        self._records.wait(self._records.outcomes, wait_s, self._lease_s)
        return _emptied(self._records.outcomes)

    # --- wire -------------------------------------------------------------------------------------------------

    def _status(self) -> dict[str, str]:
        said, _ = self._control.ask("STATUS")
        found = fields(said)
        if not {"state", "clock", "now", "outputs", "garbage"} <= found.keys():
            raise self.protocol_error("STATUS", said, "words are missing")
        return found

    def _number(self, key: str) -> int:
        text = self._greeting.get(key, "")
        if not text.isdecimal():
            raise ProtocolError(f"the greeting says {key}={text!r}", where=self.label, hint="it must be a whole number")
        return int(text)

    def _unfit(self, why: str, hint: str) -> ProgramError:
        return ProgramError(f"this core cannot run the program: {why}", where=self.label, hint=hint)

    def _stranger(self, why: str) -> IdentityError:
        return IdentityError(
            f"no attempt/1 core answers here: {why}",
            where=f"{self.label} at {self.resource}",
            hint="check the address; a core of another version needs another driver",
        )


def _emptied(queue: "deque[T]") -> list[T]:
    found = list(queue)
    queue.clear()
    return found
