"""What the service wants done by whoever holds it: plain values, carried out in the order they come."""

from dataclasses import dataclass

from ....testbed.attempts.program import AttemptProgram
from .replies import Event


@dataclass(frozen=True)
class StartBatch:
    """Run this program at these parties from hardware time ``start_ps`` on.

    Attributes:
        order: the service's number of the batch, from 1; what is reported about it names this number.
        request: for whom.
        parties: nodes and station, sorted.
        resources: what is reserved for it, in the order in which everybody sets them up.
    """

    order: int
    request: str
    link: str
    program: AttemptProgram
    parties: tuple[str, ...]
    start_ps: int
    resources: tuple[str, ...]


@dataclass(frozen=True)
class AbortBatch:
    """End this batch now, or never begin it; asked once."""

    order: int
    reason: str


@dataclass(frozen=True)
class Calibrate:
    """Make this calibration now and report how it ended; its resources are reserved until then."""

    calibration: str
    links: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Tell:
    """Tell the client."""

    who: str
    event: Event


Action = StartBatch | AbortBatch | Calibrate | Tell
