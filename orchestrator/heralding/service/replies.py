"""What the entanglement service tells a client: one reply, then pairs, then one end.

The names of refusals and ends are those of the link layer protocol of Dahlberg et al. (SIGCOMM 2019), with the few
that running a lab adds.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Why a request is refused."""

    UNSUPP = "UNSUPP"
    """No link does this: other nodes, kind, Bell state, cut-off or fidelity."""
    NOTIME = "NOTIME"
    """It would hardly be done by its deadline."""
    NORES = "NORES"
    """The link is suspended, or the service has as many requests as it takes."""
    UNCAL = "UNCAL"
    """The link's forecast or calibration is missing, too old, or failed."""
    INTERLOCK = "INTERLOCK"
    """An interlock is open, or cannot be read."""
    UNAUTH = "UNAUTH"
    """Whoever asks may not."""
    BADREQ = "BADREQ"
    """The request makes no sense, or its id is another request's."""


class State(StrEnum):
    """Where a request is; the last five are its end."""

    WAITING = "WAITING"
    BEGUN = "BEGUN"
    OK = "OK"
    """All pairs were delivered."""
    PARTIAL = "PARTIAL"
    """Some were, when the deadline came, the budget was spent, or the coordinator was restarted."""
    TIMEOUT = "TIMEOUT"
    """None was when the deadline came, or it had become hopeless before."""
    EXPIRED = "EXPIRED"
    """None was when the budget was spent, the longest wait for a first batch over, or the coordinator restarted."""
    CANCELLED = "CANCELLED"
    """Somebody who may took it back; pairs delivered before that count."""

    @property
    def ended(self) -> bool:
        return self not in (State.WAITING, State.BEGUN)


@dataclass(frozen=True)
class Estimate:
    """When a request will be done.

    Attributes:
        wait_s: mean time until the link turns to it.
        work_s: mean time from then on.
        sigma_s: standard deviation of ``work_s``: counting statistics and the forecast's own uncertainty.
        chance: probability to be done by the deadline.
    """

    wait_s: float
    work_s: float
    sigma_s: float
    chance: float


@dataclass(frozen=True)
class Accepted:
    """The request is queued (unless it was a dry run); the link that will do it, and when."""

    request: str
    link: str
    estimate: Estimate


@dataclass(frozen=True)
class Rejected:
    """The request is not queued: why, which field or part of the lab, and what to do next."""

    request: str
    code: Code
    what: str
    where: str = ""
    hint: str = ""


Reply = Accepted | Rejected


@dataclass(frozen=True)
class Herald:
    """A pair as both nodes and the station confirmed it.

    Attributes:
        order: the service's number of the batch.
        hseq: the station's number of the herald.
        k: the node's attempt.
        label: the Bell state that the clicks announced; corrections owed for it have been made.
        t_ps: hardware time of the last click.
    """

    order: int
    hseq: int
    k: int
    label: str
    t_ps: int


@dataclass(frozen=True)
class Pair:
    """A pair is the client's: the ``number``-th, from 1, in the Bell state ``state``."""

    request: str
    number: int
    state: str
    herald: Herald


@dataclass(frozen=True)
class Ended:
    """Nothing more will come for this request."""

    request: str
    state: State
    delivered: int
    why: str


Event = Pair | Ended
