"""The station's side of heralding: it alone decides which clicks are a herald, and tells the nodes of it directly.

Whatever its core reports is kept, with the reason if it is no herald: the core's own (its input overflowed, say), or
one found here. Only heralds are fed forward; what follows from a label is the nodes' own business, by the program they
have loaded.
"""

from typing import Protocol

import msgspec

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


class Verdict(msgspec.Struct, frozen=True):
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
        self._attempts: set[int] = set()
        # Of the program, worked out before the batch: between a herald and its correction every microsecond counts.
        self._table: dict[int, str] = {}
        self._windows: tuple[tuple[int, int], ...] = ()
        self._nodes: tuple[str, ...] = ()
        self._first_ps = self._period_ps = self._most = 0

    def begin(self, grant: Opened, program: AttemptProgram) -> None:
        """A batch is armed; what belongs to another one is no herald from now on.

        Who owes a correction is told before who only has to know.
        """
        self._grant, self._program, self._table = grant, program, dict(program.table())
        owing = {each.node for each in program.feedforward if each.operation != "I"}
        self._nodes = tuple(sorted(program.nodes, key=lambda node: node not in owing))
        self._windows = tuple((each.begin_ps, each.begin_ps + each.length_ps) for each in program.windows)
        self._first_ps = grant.start_ps + program.shift * program.period_ps
        self._period_ps, self._most = program.period_ps, program.attempts
        self._attempts.clear()

    def end(self) -> None:
        """The batch is over."""
        self._grant = self._program = None

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
        hseq, k, t_ps = clicks.hseq, clicks.k, clicks.t_ps
        reason = clicks.reason or self._refusal(k, clicks.pattern, t_ps, program)
        label = "" if reason else self._table[clicks.pattern]
        kept = Heralded(grant.run, grant.batch, hseq, k, clicks.pattern, t_ps, label, reason)
        if reason:
            return Verdict(kept, reason, missing)
        self._attempts.add(k)
        sends = []
        for node in self._nodes:
            self._sent[node] = sent = self._sent.get(node, 0) + 1
            message = Feedforward(0, grant.epoch, grant.run, grant.batch, self._boot, sent, hseq, k, label, t_ps)
            sends.append(Send(node, message))
        return Verdict(kept, "", missing, tuple(sends))

    def _refusal(self, k: int, pattern: int, t_ps: int, program: AttemptProgram) -> str:
        inside = t_ps - self._first_ps
        if k < 0 or inside < 0:
            return Reason.EARLY
        if k >= self._most:
            return Reason.LATE
        if k in self._attempts:
            return Reason.DOUBLE
        if program.calibration is not None and program.calibrates(k):
            return Reason.CALIBRATION
        inside -= k * self._period_ps
        for begin, end in self._windows:
            if begin <= inside < end:
                break
        else:
            return Reason.OUTSIDE
        if pattern in self._table:
            return ""
        return Reason.TWO_CLICKS if _twice_in_a_window(pattern, program) else Reason.UNKNOWN_PATTERN


def _twice_in_a_window(pattern: int, program: AttemptProgram) -> bool:
    windows, detectors = len(program.windows), len(program.detectors)
    for window in range(windows):
        bits = sum(pattern >> (detector * windows + window) & 1 for detector in range(detectors))
        if bits > 1:
            return True
    return False
