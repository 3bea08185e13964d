"""Messages between an agent and the driver process of a real-time core, beside those of every driver process (pipe)."""

from ..wire.messages import Message


class Look(Message, tag="look", frozen=True):
    """To a driver process: what does the core's clock show? Answered with ``Progress.seen`` and an empty reply.

    Attributes:
        lanes: as in ``Attempts``, so that the ways are open before they are needed.
    """

    instrument: str
    lanes: tuple[tuple[str, str, str], ...]
    ticket: str = ""


class Attempts(Message, tag="attempts", frozen=True):
    """To a driver process: load, arm, run when told to begin, and see to heralds and corrections until the end.

    Answered with ``Progress`` on the way, and at the end with a reply: (attempts, lateness in ps, underflows, what it
    was stopped by), which may be that it refused the batch; a refusal is a core that cannot be spoken to.

    Attributes:
        program: canonical bytes, with SHA-256 ``digest``.
        station: name of the station.
        lanes: (party, endpoint, public key) of the other parties' ways of corrections.
    """

    instrument: str
    run: str
    batch: int
    epoch: int
    start_ps: int
    digest: str
    program: bytes
    station: str
    lanes: tuple[tuple[str, str, str], ...]
    ticket: str = ""


class Begin(Message, tag="begin", frozen=True):
    """To a driver process, at any time: the armed batch may begin; in lockstep under this ticket."""

    batch: int
    ticket: str = ""


class End(Message, tag="end", frozen=True):
    """To a driver process, at any time: end the batch now."""

    batch: int
    reason: str


class Permit(Message, tag="permit", frozen=True):
    """To a driver process, at any time: until when (``elapsed_s``) batches may be lit if nothing else is said."""

    until_s: float


class Progress(Message, tag="progress", frozen=True):
    """From a driver process, with the number of the job it is about: one of these.

    Attributes:
        armed: the core is armed.
        records: bytes of herald records or corrections (``entries.records_to_bytes``).
        seen: difference of hardware time and ``elapsed_s`` (ps), when it was looked at (``elapsed_s``), whether its
            clock is locked, free memory slots, and where corrections go: endpoint and public key.
        traffic: beside ``seen``, counts of what went over the ways of corrections (``Lane.traffic``).
        traits: beside ``seen``, the flags of ``testbed.attempts.traits`` that the core has, and its resolution in ps.
    """

    armed: bool = False
    records: bytes = b""
    seen: tuple[int, float, bool, int, str, str] | None = None
    traits: tuple[tuple[str, ...], int] = ((), 0)
    traffic: dict[str, int] = {}
