"""What coordinator, nodes and station tell each other about a batch.

    coordinator -> party       Prepare, Commit, Abort, Ask, Recorded
    party       -> coordinator Armed, NotArmed, Aborted, Confirm, Result
    station     -> node        Feedforward

Who sent a message is what the socket authenticated, never a field. ``epoch`` is the sender's: the coordinator's own, or
the highest one a party has obeyed. Every message may be lost, doubled, late or overtaken; the machines bear it.

Commands carry a ``nonce`` and ``ttl_s``, which the receiving port checks as it does for every command, before a machine
sees them. What only makes dark (``Abort``) or only asks is never too late, and a ``Feedforward`` has a deadline in
hardware time instead.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from ..wire.messages import Message

Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class BatchMessage(Message, frozen=True):
    """Base of all messages about a batch.

    Attributes:
        epoch: of the sender.
        run: the run the batch belongs to.
        batch: its number (``terms.NUMBERS``), never used again.
        boot: random per start of the sending process.
        seq: counts what this process sent, to this receiver, from 1.
    """

    least_role: ClassVar[str] = "node"
    epoch: Whole
    run: str
    batch: Whole
    boot: str
    seq: Whole


# --- coordinator to node or station --------------------------------------------------------------------------------


class Prepare(BatchMessage, tag="prepare", frozen=True):
    """Load this program and be armed for ``start_ps``.

    Attributes:
        start_ps: hardware time of attempt 0.
        digest: SHA-256 of ``program``.
        program: canonical bytes of the attempt program.
        calibration: identity of the calibration the program was compiled with, as this party knows it.
    """

    start_ps: Whole
    digest: str
    program: bytes
    calibration: str
    ticket: str = ""
    """Of a dry run in lockstep: the participant that ends when the core is armed; so for ``Commit``, at its report."""
    nonce: int = 0
    ttl_s: float = 2.0


class Commit(BatchMessage, tag="commit", frozen=True):
    """Everybody is armed: begin at ``start_ps``. Worth nothing from then on."""

    start_ps: Whole
    ticket: str = ""
    nonce: int = 0
    ttl_s: float = 2.0


class Abort(BatchMessage, tag="abort", frozen=True):
    """End it if it runs, never begin it if not, and answer with ``Result`` or ``Aborted``."""

    reason: str


class Ask(BatchMessage, tag="ask", frozen=True):
    """Where is the result? Answered with ``Result`` or ``Aborted``, or not at all while the batch is under way."""


class Recorded(BatchMessage, tag="recorded", frozen=True):
    """The result with this hash is on the coordinator's disk."""

    body_hash: str


class Show(Message, tag="show", frozen=True):
    """How many more qubits does this core have room for, looked at now? Asked in dry runs in lockstep.

    Answered with that and with ``wire.messages.Core.over``.
    ``ticket`` is the participant that ends when it was looked at.
    """

    least_role: ClassVar[str] = "node"
    instrument: str
    ticket: str


# --- node or station to coordinator --------------------------------------------------------------------------------


class Armed(BatchMessage, tag="armed", frozen=True):
    """Ready, and begins at the start time if committed before it."""

    start_ps: Whole
    digest: str


class NotArmed(BatchMessage, tag="not_armed", frozen=True):
    """Refused to arm; ``again`` if it may be asked again for the same batch."""

    reason: str
    again: bool = False


class Aborted(BatchMessage, tag="aborted", frozen=True):
    """There is no result of this batch here, and never will be."""

    reason: str


class Confirm(BatchMessage, tag="confirm", frozen=True):
    """Herald records (station) or corrections (node) that are on this party's disk, while the batch still runs.

    ``body`` is ``entries.records_to_bytes`` of them. Lost ones are not sent again: the ``Result`` holds all.
    """

    body: bytes


class Result(BatchMessage, tag="result", frozen=True):
    """What became of the batch here; ``body`` is an ``entries.Ended``. It is on disk, and sent until ``Recorded``."""

    body: bytes


# --- station to node -----------------------------------------------------------------------------------------------


class Feedforward(BatchMessage, tag="feedforward", frozen=True):
    """Attempt ``k`` was heralded as ``label`` at ``t_ps``; ``epoch`` is the batch's own.

    What to do, and until when, stands in the program that the node has loaded.
    """

    hseq: Whole
    k: Whole
    label: str
    t_ps: Whole
    ticket: str = ""
    """Of a dry run in lockstep: the participant that ends when the correction was handed to the core."""


FromCoordinator = Prepare | Commit | Abort | Ask | Recorded
FromParty = Armed | NotArmed | Aborted | Confirm | Result
