"""The run context: what a sequence holds in its hands.

Instruments are reached by name. Nothing here knows whether they are real.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ..analysis import Estimate
from ..orchestrator.agent.calls import Instruments
from ..orchestrator.records import RunFolder
from ..orchestrator.wire.shown import by_hand_text, moment
from ..testbed.errors import BellringerError, LimitError
from ..testbed.testbed import Link, Testbed
from .acquisition import Acquisition, acquire
from .control import RunControl
from .entangling import entangle
from .figures import Figure
from .needs import the_link
from .pairs import Entanglement
from .progress import Progress

T = TypeVar("T")


class Run:
    """One run of a sequence.

    Attributes:
        testbed: the testbed file.
        folder: the run's record.
        results: name -> Estimate, in the order they were given.
    """

    def __init__(
        self, testbed: Testbed, host: Instruments, folder: RunFolder, control: RunControl, progress: Progress
    ) -> None:
        self.testbed, self.folder, self.progress = testbed, folder, progress
        self._host, self._control = host, control
        self.results: dict[str, Estimate] = {}
        self.figures: list[Figure] = []
        self.notes: list[str] = []
        self.clock_memory: dict[str, float] = {}
        self._recordings = 0
        self._event_ps = 0

    # --- instruments ------------------------------------------------------------------------------------------

    def get(self, name: str, setting: str) -> Any:
        """Ask an instrument: ``run.get("charlie.pump", "power_now")`` in watts."""
        return self._host.do(name, "get", setting)

    def set(self, name: str, setting: str, value: Any, *, confirm: bool = False) -> None:
        """Set an instrument: ``run.set("charlie.pump", "power", 0.010)`` in its unit; checked before any I/O.

        To raise an emitter to more than ten times what it is, and than the testbed file says, needs ``confirm``.
        """
        self._event("set", instrument=name, setting=setting, value=value, **({"confirm": True} if confirm else {}))
        self._host.do(name, "set", setting, value, **({"confirm": True} if confirm else {}))

    def call(self, name: str, method: str, *args: Any, **keywords: Any) -> Any:
        """Call a method of an instrument's capability: ``run.call("charlie.source", "prepare")``."""
        self._event("call", instrument=name, method=method, args=args, **keywords)
        return self._host.do(name, "call", method, *args, **keywords)

    def move(self, angles: Mapping[str, float]) -> None:
        """Turn several rotators side by side, angles in degrees; returns when all have arrived."""
        self._event("move", angles=dict(angles))
        self._host.gather([self._host.submit(name, "set", "angle", angle) for name, angle in angles.items()])

    def together(self, calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Make several calls side by side, each ``(instrument, verb, ...)``; return their values."""
        return self._host.gather([self._host.submit(name, verb, *args) for name, verb, *args in calls])

    # --- links ------------------------------------------------------------------------------------------------

    def link(self, name: str = "") -> Link:
        """Return a link of the testbed; the only one if ``name`` is empty."""
        return the_link(self.testbed, name)[1]

    def start_source(self, link: Link) -> None:
        """Bring the link's pair source to its settings; light is on afterwards (unless its pump is set to 0 W)."""
        self.progress.say(f"preparing {link.source}: oven, plate, pump")
        self.call(link.source, "prepare")

    def acquire(self, link: Link, seconds: float, label: str = "") -> Acquisition:
        """Record time tags at both ends over one hardware-time interval, aligned from the tags themselves.

        Raises:
            LimitError: ``seconds`` is not above zero; nothing was sent.
        """
        if not 0.0 < seconds < math.inf:
            raise LimitError(
                f"cannot record for {seconds:g} s",
                where=f"acquisition at {' and '.join(link.ends)}",
                hint="nothing was sent; choose an integration time above zero",
            )
        self._recordings += 1
        return acquire(self, link, seconds, self._recordings, label)

    def entangle(
        self,
        a: str,
        b: str,
        *,
        pairs: int,
        min_fidelity: float = 0.0,
        deadline_s: float = 600.0,
        keep: bool = False,
        max_age_s: float = 0.0,
        miss_budget: float | None = None,
        bases: tuple[str, str] | None = None,
        calibration_max_age_s: float | None = None,
    ) -> Entanglement:
        """Ask the coordinator for heralded pairs of two nodes, and return what became of the request.

        Qubits are measured in their own attempt, in all nine pairs of Pauli bases in turn or in those given (``("XZ",
        "XZ")``: attempt after attempt in X and X, then in Z and Z), or kept (``keep``) up to
        ``max_age_s`` (s). Until ``deadline_s`` (s) pairs are delivered; ``min_fidelity`` is what the link must promise.
        Corrections of kept qubits must come in time on the link as it was measured (``bellringer link measure``), but
        for a share of ``miss_budget``: 0.1 % if it is not given, and then none within 20 ms by software. A link whose
        calibration is older than ``calibration_max_age_s`` (s) is calibrated first; None: older than its file allows.

        Raises:
            BellringerError: the request was refused; nothing was tried then.
        """
        asked: dict[str, Any] = {
            "pairs": pairs,
            "max_age_s": max_age_s,
            "min_fidelity": min_fidelity,
            "deadline_s": deadline_s,
        }
        asked |= {} if miss_budget is None else {"miss_budget": miss_budget}
        asked |= {} if bases is None else {"bases": list(bases)}
        asked |= {} if calibration_max_age_s is None else {"calibration_max_age_s": calibration_max_age_s}
        self._event("entangle", nodes=(a, b), keep=keep, **asked)
        found = entangle(self._host, (a, b), {"kind": "keep" if keep else "measure", **asked}, self.progress)
        self._event(
            "entangled",
            state=found.state,
            why=found.why,
            pairs=len(found.pairs),
            heralds=found.heralds,
            batches=found.batches,
            no_heralds=found.no_heralds,
            uncounted=sorted(found.uncounted),
        )
        return found

    # --- flow -------------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """A place where the run may be paused or aborted."""
        if self._control.paused and not self._control.aborted:
            self._event("paused")
            self.folder.add(status="paused")
            self.progress.say("paused; Enter or `bellringer resume` goes on, Ctrl-C again or `bellringer abort` aborts")
            with self._host.clock.idle():
                self._control.wait_resumed()
            self._tell_by_hand()
            if not self._control.aborted:
                self._event("resumed")
                self.folder.add(status="running")
        self._control.checkpoint()

    def _tell_by_hand(self) -> None:
        """Write down what people set in this run's name from elsewhere, since this was last called."""
        for body in self._host.by_hand():
            self._event("by_hand", **body)
            self.note(by_hand_text(body) + f", at {moment(body['utc'])} UTC")

    def scan(self, values: Iterable[T], label: str) -> Iterator[T]:
        """Go through ``values`` with a progress bar and a checkpoint before each."""
        items = list(values)
        self.progress.start(label, len(items))
        try:
            for item in items:
                self.checkpoint()
                yield item
                self.progress.step()
        finally:
            self.progress.end()

    def sleep(self, seconds: float) -> None:
        """Wait, in lab time."""
        self._host.clock.sleep(seconds)

    # --- what comes out ---------------------------------------------------------------------------------------

    def result(self, name: str, estimate: Estimate) -> None:
        """Give a result; it is in the record at once."""
        self.results[name] = estimate
        self._event(
            "result", name=name, value=estimate.value, error=estimate.error, unit=estimate.unit, reason=estimate.reason
        )

    def figure(self, figure: Figure) -> None:
        """Give a figure for the report; its numbers are written to ``data/`` at once."""
        self.figures.append(figure)
        self.folder.write_json(f"data/{figure.name}.json", figure.as_dict())

    def note(self, text: str) -> None:
        """Say something that a reader of the results must know."""
        if text not in self.notes:
            self.notes.append(text)
            self.progress.say(text)
            self._event("note", text=text)

    def _event(self, kind: str, **body: Any) -> None:
        with contextlib.suppress(BellringerError):  # a simulated lab that has gone takes its time with it, no more
            self._event_ps = self._host.clock.now_ps()
        self.folder.event(self._event_ps, kind, **body)
