"""The batch that is under way at a party."""

from dataclasses import dataclass, field
from enum import StrEnum

from ...testbed.attempts import AttemptProgram
from .entries import Ended, Opened, Record, with_records
from .messages import Prepare
from .terms import PS_PER_S, CoreReport, Leads, Now, Reason, end_ps

SILENT_S = 5.0
"""How long a core may take to say what it did after it was stopped; its driver asks for 3 s, and then says that it is
lost. What is longer is nobody's usual delay, and is latched until a person has looked."""
CLOCK_UNLOCKED = "clock unlocked"
"""What a core says that stopped by itself for this (docs/attempt-protocol.md)."""


class State(StrEnum):
    """States of a party, as told to people; those of a batch under way are ARMING to DRAINING."""

    SAFE = "SAFE"
    IDLE = "IDLE"
    ARMING = "ARMING"
    ARMED = "ARMED"
    COMMITTED = "COMMITTED"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    FAULT = "FAULT"


@dataclass
class UnderWay:
    """One batch, from its opening until its result is on disk.

    Attributes:
        loaded: the core was told of it, so it owes a report.
        reported: the core's report is there; nothing that comes later counts.
        stopped: why it was stopped before its end, "" if it was not.
        darkened: whether everything at the node was made dark at that.
        stopped_s: when that was, or when the core was last heard of since, on the monotonic clock.
    """

    grant: Opened
    program: AttemptProgram
    leads: Leads
    state: State = State.ARMING
    loaded: bool = False
    reported: bool = False
    stopped: str = ""
    darkened: bool = False
    stopped_s: float = 0.0
    records: list[Record] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Return whether its records may still become pairs."""
        return not self.reported and not self.stopped

    def same(self, message: Prepare) -> bool:
        """Return whether ``message`` prepares this very batch."""
        grant = self.grant
        asked = (message.run, message.batch, message.start_ps, message.digest)
        return asked == (grant.run, grant.batch, grant.start_ps, grant.digest)

    def overdue(self, now: Now) -> str:
        """Return what should have happened by now and did not, "" if nothing."""
        if self.state in (State.ARMING, State.ARMED) and now.hw_ps > self.grant.start_ps - self.leads.commit:
            return "it was not committed before its start"
        return "the core did not report its end" if now.hw_ps > self._reported_ps else ""

    def silent(self, now: Now) -> bool:
        """Return whether the core was stopped long ago and has not said what it did."""
        return bool(self.stopped) and self.loaded and not self.reported and now.mono_s >= self.stopped_s + SILENT_S

    def due_s(self, now: Now) -> float:
        """Return the monotonic time at which the next of its moments has come."""
        if self.reported:
            return float("inf")
        if self.stopped:
            return self.stopped_s + SILENT_S
        start_ps = self.grant.start_ps
        moments = (start_ps - self.leads.commit + 1, start_ps, self._reported_ps + 1)
        ahead = [each - now.hw_ps for each in moments if each > now.hw_ps]
        return now.mono_s + min(ahead, default=0) / PS_PER_S

    @property
    def _reported_ps(self) -> int:
        """Return the time by which the core must have reported."""
        return end_ps(self.program, self.grant.start_ps) + self.leads.report

    def ended(self, report: CoreReport) -> Ended:
        """Return the result."""
        reason = self.stopped or report.stopped_by
        if report.stopped_by == CLOCK_UNLOCKED:
            reason = Reason.UNTIMED
        if not reason and report.underflows:
            reason = Reason.UNDERFLOW
        if not reason and report.lateness_ps:
            reason = Reason.LATE
        return result(self.grant, report, reason, self.records)


def result(grant: Opened, report: CoreReport, reason: str, records: list[Record]) -> Ended:
    """Return the result of a batch; it is complete if there is no ``reason`` why not."""
    ended = Ended(
        grant.run,
        grant.batch,
        grant.epoch,
        grant.start_ps,
        grant.digest,
        complete=not reason,
        reason=reason,
        attempts=report.attempts,
        lateness_ps=report.lateness_ps,
        underflows=report.underflows,
    )
    return with_records(ended, records)
