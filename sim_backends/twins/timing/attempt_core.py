"""Far end of the core protocol attempt/1 (docs/attempt-protocol.md): a reference core on the simulated lab.

Written from the specification. Its clock is lab time, without error while it is locked. A command takes effect
``reaction`` after its bytes arrived, and is late by as much as that is after its time. Programs are read with the
types of ``testbed.attempts``, as everybody's are. Not modelled: shapes of pulses, several batches at a time.
"""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from ....testbed.attempts import AttemptProgram
from ....testbed.models import CoreModel
from ...lab.traces import Trace
from ..twin import Twin
from .attempt_commands import Commands
from .attempt_memory import Memory
from .attempt_run import OVER, Run
from .attempt_wire import Session
from .herald_link import HeraldLink

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Event, Lab

_REMEMBERED_RUNS = 16
_REMEMBERED_RECORDS = 4096
_LATE_PS = 1_500_000
_LOST = 3
_FAULTS = ("underflow", "overflow", "late_pulse", "lose_records")


class AttemptCoreTwin(Twin):
    """A core called after its node, a station's if its model has no slots; dark and without programs after power-up."""

    driver = "attempt_core"

    def __init__(self, lab: "Lab", name: str, model: CoreModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self.core_name = name.partition(".")[0]
        slots: int = getattr(model, "slots", 0)
        self.is_station = slots == 0
        self.boot = f"{int(self.rng.integers(2**32)):08x}"
        self.emitting = Trace(0.0)
        """1 while the outputs are on."""
        self.link: HeraldLink | None = None
        self.locked = True
        self.memory = Memory(self, slots)
        self.programs: dict[str, AttemptProgram] = {}
        self.runs: dict[int, Run] = {}
        self.run: Run | None = None
        self.never: set[int] = set()
        """Batches that were aborted before they were heard of."""
        self.epoch = self.hseq = self.garbage = self.last_record = 0
        self.control: Session | None = None
        self._records: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED_RECORDS)
        self._sessions: dict[int, Session] = {}
        self._faults: set[str] = set()
        self._lost = 0
        self._lease_s = 0.0
        self._lease: Event | None = None
        self._commands = Commands(self)
        self.main_port = lab.tcp_port(name, self._on_bytes)
        self.main_port.on_connect = self._connected
        self.main_port.on_disconnect = self._disconnected

    # --- connections ------------------------------------------------------------------------------------------

    def _connected(self, client: "Client") -> None:
        session = self._sessions[id(client)] = Session(client, self._on_line)
        session.say(self._greeting())

    def _disconnected(self, client: "Client") -> None:
        session = self._sessions.pop(id(client), None)
        if session is not None and session is self.control:
            self.control = None
            self.dark("connection lost")

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        session = self._sessions.get(id(client))
        if session is not None:
            session.feed(data)

    def _on_line(self, session: Session, text: str | None) -> None:
        if text is None:
            self.garbage += 1
            if session.role in ("", "control"):
                session.say("0 ERR garbage this line cannot be understood")
            return
        if session is self.control:
            self.renew_lease()
        self.lab.after(self.model.reaction, partial(self._commands.obey, session, text), owner=self.name)
        self._commands.announce_body(session, text)

    def _greeting(self) -> str:
        traits = ["absolute_start", "herald_in_loop", "branching", "feedforward_in"]
        if self.is_station:
            traits = ["absolute_start", "herald_in_loop", "records_heralds"]
        elif self.link is not None and self.core_name not in self.link.line_ps:
            traits = ["absolute_start", "feedforward_in"]
        words = {
            "name": self.core_name,
            "role": "station" if self.is_station else "node",
            "boot": self.boot,
            "maker": "bellringer",
            "model": "reference",
            "serial": f"{sum(self.name.encode()) % 10_000:04d}",
            "firmware": "1",
            "traits": ",".join(traits),
            "partners": ",".join(self.partners()),
            "resolution": round(self.model.resolution * 1e12),
            "slots": len(self.memory.slots),
            "lead": self.lead_ps,
        }
        return "attempt/1 " + " ".join(f"{key}={value}" for key, value in words.items() if value != "")

    def partners(self) -> "dict[str, AttemptCoreTwin]":
        """Return the other cores of this node whose qubits it has gates with, by instrument."""
        found = {}
        for name, twin in self.lab.twins.items():
            node, _, instrument = name.partition(".")
            if not isinstance(twin, AttemptCoreTwin) or twin is self or node != self.core_name:
                continue
            if self.memory.slots and twin.memory.slots:
                found[instrument] = twin
        return found

    @property
    def lead_ps(self) -> int:
        """Return the least time from ARM to the start, ps."""
        return round(self.model.lead * 1e12)

    def listen(self, session: Session, first: int) -> None:
        """Make ``session`` a records connection and send it the records from number ``first`` on."""
        session.role = "records"
        stored = self.records(first, self.last_record)
        if stored:
            session.say(*stored)

    def hang_up(self, session: Session) -> None:
        """Break a connection."""
        self.main_port.drop(session.client)

    # --- the lease and the dark -------------------------------------------------------------------------------

    def take_control(self, session: Session, lease_s: float) -> None:
        """Make ``session`` the control connection."""
        session.role, self.control, self._lease_s = "control", session, lease_s
        self.renew_lease()

    def renew_lease(self) -> None:
        """Count the lease from now."""
        if self._lease is not None:
            self._lease.cancel()
        self._lease = self.lab.after(self._lease_s, self._lease_out, owner=self.name)

    def _lease_out(self) -> None:
        if self.control is not None:
            self.dark("lease out")

    def dark(self, why: str) -> None:
        """Abort what there is; outputs off."""
        if self.run is not None:
            self.run.end("DARK", why)
        self.switch(False)

    def switch(self, on: bool) -> None:
        """Switch the outputs."""
        self.emitting.set(self.lab.now_ps, float(on))

    @property
    def state(self) -> str:
        if self.run is not None:
            return self.run.state
        return "LOADED" if self.programs else "EMPTY"

    # --- batches ----------------------------------------------------------------------------------------------

    def arm(self, program: AttemptProgram, batch: int, epoch: int, start_ps: int) -> None:
        """Make ready to run a batch."""
        self.epoch = epoch
        self.run = self.runs[batch] = Run(self, program, batch, epoch, start_ps)
        while len(self.runs) > _REMEMBERED_RUNS:
            oldest = next(iter(self.runs))
            self.never.add(oldest)
            del self.runs[oldest]

    def busy(self) -> bool:
        """Return whether a batch is armed, committed or running."""
        return self.run is not None and self.run.state not in OVER

    def heard(self, batch: int, k: int, hseq: int) -> None:
        """A herald came along the hardware line."""
        if self.run is not None and self.run.batch == batch and self.run.state == "RUNNING":
            self.run.heard(k, hseq)

    def correct(self, batch: int, k: int, hseq: int, operation: str, not_after_ps: int) -> None:
        """Apply a correction if it is lawful now, and record what became of it."""
        run = self.runs.get(batch)
        why = "unknown batch"
        if run is not None:
            why = self.memory.correct(run, k, operation, not_after_ps)
        said = f"{batch} {k} {hseq} {operation} {self.lab.now_ps} {why or '-'}"
        if run is not None:
            run.applied.append(said)
        self.record("A", said)

    # --- records ----------------------------------------------------------------------------------------------

    def herald(self, text: str) -> int:
        """Record what the detectors saw and return its number."""
        self.hseq += 1
        self.record("H", f"{self.hseq} {text}")
        return self.hseq

    def record(self, kind: str, text: str) -> None:
        """Number a record, keep it, and send it to everybody who listens."""
        self.last_record += 1
        line = f"{kind} {self.last_record} {text}"
        self._records.append((self.last_record, line))
        if "lose_records" in self._faults:
            self._lost += 1
            if self._lost >= _LOST:
                self._faults.discard("lose_records")
            return
        for session in self._sessions.values():
            if session.role == "records":
                session.say(line, delay_s=self.model.reaction)

    @property
    def oldest_record(self) -> int:
        """Return the number of the oldest record that is still known, or of the next one."""
        return self._records[0][0] if self._records else self.last_record + 1

    def records(self, first: int, most: int) -> list[str] | None:
        """Return records from number ``first`` on, None if that one is no longer known."""
        if first < self.oldest_record:
            return None
        return [line for number, line in self._records if first <= number < first + most]

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def take_fault(self, kind: str) -> bool:
        """Return whether a fault waits, and take it away."""
        there = kind in self._faults
        self._faults.discard(kind)
        return there

    def take_lateness(self) -> int:
        """Return by how much the pulses of the batch that begins now are late, ps."""
        return _LATE_PS if self.take_fault("late_pulse") else 0

    def own_fault(self, kind: str) -> None:
        """``underflow`` and ``late_pulse`` (in the next batch), ``overflow`` (at the next click), ``lose_records`` (the
        next three are not sent), ``unlock`` and ``lock`` of the clock."""
        if kind in ("unlock", "lock"):
            self.locked = kind == "lock"
            if not self.locked:
                self.dark("clock unlocked")
        elif kind in _FAULTS:
            self._faults.add(kind)
            self._lost = 0
        else:
            super().own_fault(kind)

    def inspect(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "emitting": bool(self.emitting.at(self.lab.now_ps)),
            "batch": self.run.batch if self.run is not None else 0,
            "qubits": len(self.memory.lines()),
            "garbage": self.garbage,
        }
