"""What all machines of a batch speak of: the time, reasons, and the effects they ask for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from ...testbed.attempts import AttemptProgram
from ..wire.messages import Message
from .entries import Entry

PS_PER_S = 10**12
NUMBERS = 10**9
"""Batches are numbered ``epoch * NUMBERS + n``: an epoch never comes back, so neither does a number."""


class Now(NamedTuple):
    """One moment on two clocks of a host that are never compared with another host's, nor mixed.

    Attributes:
        mono_s: seconds that only ever grow (``wire.nonces.elapsed_s``): leases, repetitions.
        hw_ps: hardware time by the host's clock map: starts, deadlines, ages.
    """

    mono_s: float
    hw_ps: int


class Reason(StrEnum):
    """Why clicks are no herald, a correction was not made, or a pair is not delivered."""

    UNKNOWN_PATTERN = "unknown pattern"
    TWO_CLICKS = "two clicks in one window"
    OUTSIDE = "outside window"
    OVERFLOW = "overflow"
    LATE = "late"
    EARLY = "early"
    DOUBLE = "double"
    UNKNOWN_BATCH = "unknown batch"
    WRONG_EPOCH = "wrong epoch"
    GAP = "sequence gap"
    LATE_CORRECTION = "late correction"
    TOO_OLD = "too old"
    UNTIMED = "untimed"
    UNDERFLOW = "underflow"
    CALIBRATION = "calibration"
    UNCONFIRMED = "unconfirmed"
    """Node and station do not all hold the pair, or not the same one."""
    VOID = "in a void batch"
    """They do, but the pair was not its owner's when the batch was ended before its time."""


@dataclass(frozen=True)
class Leads:
    """How long before the start of a batch things must have happened, in ps of hardware time.

    Attributes:
        arm: a node refuses to arm later than this; what loading a program and answering takes.
        decide: the coordinator commits no later than this.
        commit: a node takes a commit no later than this; what handing it to the core takes. A core that gets it after
            the start refuses it by itself.
        report: how long after the end of its batch a core may take to report it. It is dark by then; this is only how
            soon one that says nothing is noticed, so it is long against ``lane.OWED_PS`` and what a busy host takes.
    """

    arm: int = 20 * 10**9
    decide: int = 10 * 10**9
    commit: int = 1 * 10**9
    report: int = 2000 * 10**9


@dataclass(frozen=True)
class CoreReport:
    """What a core says a batch did.

    Attributes:
        attempts: how many were made; 0 if it never began.
        lateness_ps: how late it began, or a pulse of it was; 0 is on time.
        underflows: pulses it had not in time.
        stopped_by: why it ended before its program did, "" if it did not.
    """

    attempts: int = 0
    lateness_ps: int = 0
    underflows: int = 0
    stopped_by: str = ""


LEADS = Leads()


def end_ps(program: AttemptProgram, start_ps: int) -> int:
    """Return when the last outcome of a batch can be known at a node."""
    return start_ps + (program.attempts + program.shift) * program.period_ps + program.round_trip_ps


# --- effects -------------------------------------------------------------------------------------------------------


class Send(msgspec.Struct, frozen=True):
    """Send a message to a party by its name; "" is the coordinator. It may get lost."""

    to: str
    message: Message


@dataclass(frozen=True)
class Journal:
    """Append an entry; once it is on disk, call ``on_journalled`` with its number (or a later one)."""

    number: int
    entry: Entry


@dataclass(frozen=True)
class Load:
    """Load the program into the core and arm it; answer with ``on_armed`` or ``on_ended``."""

    batch: int
    epoch: int
    start_ps: int
    digest: str
    program: bytes


@dataclass(frozen=True)
class Start:
    """Commit the armed batch: the core begins at its start time, if that has not passed when this arrives."""

    batch: int


@dataclass(frozen=True)
class Stop:
    """End the batch at the core now and answer with ``on_ended``: what it did, be it nothing."""

    batch: int
    reason: str


@dataclass(frozen=True)
class Dark:
    """Make every emitter of the node dark, verified by readback; answer with ``on_dark``."""

    reason: str


@dataclass(frozen=True)
class Watchdog:
    """Tell the cores' driver processes until when, on the node's monotonic clock, light may be on without a word.

    They end their batch by themselves then, so a lease ends in time though whoever holds it is frozen.
    """

    until_s: float


@dataclass(frozen=True)
class Report:
    """Something people and displays should hear of."""

    what: str
    body: dict[str, object]


Effect = Send | Journal | Load | Start | Stop | Dark | Watchdog | Report
