"""The station's side of heralding: it alone decides which clicks are a herald, and tells the nodes of it directly.

Whatever its core reports is kept, with the reason if it is no herald. Only heralds are fed forward; what follows from
a label is the nodes' own business, by the program they have loaded.
"""

from dataclasses import dataclass
from typing import Protocol

from ...testbed.attempts import AttemptProgram
from .entries import Heralded, Opened
from .messages import Feedforward
from .terms import NUMBERS, Reason, Send


class Clicks(Protocol):
    """A core's herald record: numbered from its boot; ``k`` is the nodes' attempt, ``t_ps`` the last click."""

    @property
    def hseq(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def pattern(self) -> int: ...
    @property
    def t_ps(self) -> int: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Verdict:
    """What follows from one record.

    Attributes:
        kept: the entry for the journal; None if it belongs to no batch that is under way.
        reason: why it is no herald, "" if it is one.
        missing: how many records before it never came.
        sends: to the nodes; to be sent before anything else is done.
    """

    kept: Heralded | None
    reason: str
    missing: int = 0
    sends: tuple[Send, ...] = ()


class Arbiter:
    """Decides about the clicks of one station.

    Args:
        boot: of its process, for messages.
    """

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._sent: dict[str, int] = {}
        self._last: int | None = None
        self._grant: Opened | None = None
        self._program: AttemptProgram | None = None
        self._table: dict[int, str] = {}
        self._attempts: set[int] = set()
        self._overflows: list[tuple[int, int]] = []

    def begin(self, grant: Opened, program: AttemptProgram) -> None:
        """A batch is armed; what belongs to another one is no herald from now on."""
        self._grant, self._program, self._table = grant, program, dict(program.table())
        self._attempts.clear()
        self._overflows.clear()

    def end(self) -> None:
        """The batch is over."""
        self._grant = self._program = None

    def overflowed(self, begin_ps: int, end_ps: int) -> None:
        """Tags were lost between these hardware times: nothing in a window they touch is a herald."""
        self._overflows.append((begin_ps, end_ps))

    def take(self, clicks: Clicks) -> Verdict:
        """Decide about one record; records of one core come in the order of their numbers."""
        grant, program = self._grant, self._program
        if self._last is not None and clicks.hseq <= self._last:
            return Verdict(None, Reason.DOUBLE)
        missing = 0 if self._last is None else clicks.hseq - self._last - 1
        self._last = clicks.hseq
        if grant is None or program is None or clicks.batch != grant.batch:
            older = grant is not None and clicks.batch // NUMBERS < grant.epoch
            return Verdict(None, Reason.WRONG_EPOCH if older else Reason.UNKNOWN_BATCH, missing)
        reason = clicks.reason or self._refusal(clicks, grant, program)
        label = "" if reason else self._table[clicks.pattern]
        kept = Heralded(
            grant.run, grant.batch, clicks.hseq, clicks.k, clicks.pattern, clicks.t_ps, label=label, reason=reason
        )
        if reason:
            return Verdict(kept, reason, missing)
        self._attempts.add(clicks.k)
        return Verdict(kept, "", missing, tuple(self._tell(node, grant, kept) for node in program.nodes))

    def _refusal(self, clicks: Clicks, grant: Opened, program: AttemptProgram) -> str:
        begin_ps = grant.start_ps + (clicks.k + program.shift) * program.period_ps
        if clicks.k < 0 or clicks.t_ps < grant.start_ps + program.shift * program.period_ps:
            return Reason.EARLY
        if clicks.k >= program.attempts:
            return Reason.LATE
        if clicks.k in self._attempts:
            return Reason.DOUBLE
        if program.calibrates(clicks.k):
            return Reason.CALIBRATION
        if any(begin <= begin_ps + program.period_ps and end >= begin_ps for begin, end in self._overflows):
            return Reason.OVERFLOW
        inside = clicks.t_ps - begin_ps
        if not any(each.begin_ps <= inside < each.begin_ps + each.length_ps for each in program.windows):
            return Reason.OUTSIDE
        if clicks.pattern in self._table:
            return ""
        return Reason.TWO_CLICKS if _twice_in_a_window(clicks.pattern, program) else Reason.UNKNOWN_PATTERN

    def _tell(self, node: str, grant: Opened, kept: Heralded) -> Send:
        self._sent[node] = self._sent.get(node, 0) + 1
        message = Feedforward(
            0,
            grant.epoch,
            grant.run,
            grant.batch,
            self._boot,
            self._sent[node],
            hseq=kept.hseq,
            k=kept.k,
            label=kept.label,
            t_ps=kept.t_ps,
        )
        return Send(node, message)


def _twice_in_a_window(pattern: int, program: AttemptProgram) -> bool:
    windows, detectors = len(program.windows), len(program.detectors)
    for window in range(windows):
        bits = sum(pattern >> (detector * windows + window) & 1 for detector in range(detectors))
        if bits > 1:
            return True
    return False
