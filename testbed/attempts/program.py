"""What a batch of entanglement attempts does, as immutable data: the same bytes for compiler, cores and simulation.

Times are whole picoseconds. Attempt ``k`` of a node begins at ``T + k * period_ps``; pulses are counted from there.
Windows are counted from the beginning of a period at the station, where the photons of a node's attempt ``k`` arrive
in the station's period ``k + shift``. Records always carry the node's ``k``.

A program that exists obeys ``rules.problems``; ``digest`` names it everywhere, so whoever holds the same digest holds
the same program. Tuples whose order means nothing are put in order; the orders of ``nodes``, ``windows`` and
``detectors`` mean something and are kept.
"""

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ...physics.states import Operation
from ..models import Model
from .rules import first_error

Scheme = Literal["single_click", "two_click", "spdc_bsm", "serial"]
Label = Literal["phi+", "phi-", "psi+", "psi-"]
Basis = Literal["X", "Y", "Z"]
Clicks = tuple[tuple[str, str], ...]

LONGEST_PS = 2**62
"""Beyond this (53 days) a time is refused: sums of two still fit the 64 bits of hardware time."""

Ps = Annotated[int, Field(ge=0, le=LONGEST_PS)]
Length = Annotated[int, Field(ge=1, le=LONGEST_PS)]
Count = Annotated[int, Field(ge=1, le=2**53)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$")]


def _click_order(clicks: Clicks) -> Clicks:
    return tuple(sorted(clicks))


class Pulse(Model):
    """One pulse of every attempt."""

    node: Name
    channel: Name
    """What it drives, by the name the node's core knows: ``excite``, ``prepare``, ..."""
    begin_ps: Ps
    length_ps: Length


class Window(Model):
    """When the station listens in each of its periods."""

    name: Name
    begin_ps: Ps
    length_ps: Length


class Herald(Model):
    """A click pattern that announces a Bell state: exactly these (detector, window) clicks and no other."""

    clicks: Annotated[Clicks, Field(min_length=1), AfterValidator(_click_order)]
    label: Label


class Correction(Model):
    """What a node does to its qubit when a label is announced."""

    label: Label
    node: Name
    operation: Operation
    deadline_ps: Length
    """Latest hardware time of the operation, counted from the hardware time of the herald at the station."""


class Readout(Model):
    """In which bases a node measures its qubit right after each attempt of a ``measure`` program."""

    node: Name
    bases: Annotated[tuple[Basis, ...], Field(min_length=1, max_length=4096)]
    """Attempt ``k`` is measured in ``bases[k % len(bases)]``."""


class Stop(Model):
    """When a batch ends before its last attempt: at the first herald, after ``count`` heralds, or not (``full``)."""

    kind: Literal["first", "count", "full"]
    count: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Heralds after which to stop; only for ``count``."""


class Calibration(Model):
    """After every ``every`` attempts the next ``length`` periods calibrate instead; clicks in them herald nothing."""

    every: Count
    length: Count


def _begin_order(pulses: tuple[Pulse, ...]) -> tuple[Pulse, ...]:
    return tuple(sorted(pulses, key=lambda pulse: (pulse.begin_ps, pulse.node, pulse.channel, pulse.length_ps)))


def _table_order(heralds: tuple[Herald, ...]) -> tuple[Herald, ...]:
    return tuple(sorted(heralds, key=lambda herald: (herald.clicks, herald.label)))


def _owing_order(feedforward: tuple[Correction, ...]) -> tuple[Correction, ...]:
    return tuple(sorted(feedforward, key=lambda each: (each.label, each.node, each.operation, each.deadline_ps)))


class AttemptProgram(Model):
    """One attempt, how often it is repeated, what counts as a herald, and what is then owed.

    Raises (the constructor, pydantic's ``ValidationError``): names every field that is wrong; ``reading.program`` and
    ``reading.from_json`` raise ``ProgramError`` instead, which people can read.
    """

    version: Literal[1] = 1
    scheme: Scheme
    keep: Literal["keep", "measure"]
    """Whether the qubits are kept for later use, or measured in every attempt."""
    nodes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    station: Name
    period_ps: Length
    round_trip_ps: Ps = 0
    """From the beginning of an attempt until the node knows its outcome: photon out, decision, herald back. A ``keep``
    program must state it; at most ``memory_modes`` attempts may be under way in that time."""
    shift: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Whole periods by which the station's attempt counter is ahead of the node's attempt whose photons arrive."""
    memory_modes: Annotated[int, Field(ge=1, le=2**20)] = 1
    pulses: Annotated[tuple[Pulse, ...], AfterValidator(_begin_order)] = ()
    windows: Annotated[tuple[Window, ...], Field(min_length=1)]
    detectors: Annotated[tuple[Name, ...], Field(min_length=1)]
    heralds: Annotated[tuple[Herald, ...], Field(min_length=1), AfterValidator(_table_order)]
    feedforward: Annotated[tuple[Correction, ...], AfterValidator(_owing_order)] = ()
    """For every label of the herald table the corrections owed; operation ``I`` says that none is."""
    readout: tuple[Readout, ...] = ()
    """Only for ``measure``; a node without an entry has its qubits measured by other means."""
    stop: Stop = Stop(kind="full")
    most_attempts: Count
    """Cut-off in attempts (periods, calibration included)."""
    most_ps: Length
    """Cut-off in time."""
    max_age_ps: Ps = 0
    """Memory cut-off: older pairs are never delivered. 0: no limit, for ``measure`` only."""
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _obeys_the_rules(self) -> Self:
        error = first_error(self)
        if error is not None:
            raise error
        return self

    # --- identity ---------------------------------------------------------------------------------------------

    def canonical(self) -> bytes:
        """Return the bytes that are hashed and sent to cores: ASCII JSON, keys sorted, no blanks."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode("ascii")

    @property
    def digest(self) -> str:
        """Return the SHA-256 of ``canonical()`` in 64 lower-case hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()

    # --- what follows from the fields -------------------------------------------------------------------------

    @property
    def attempts(self) -> int:
        """Return how many periods a batch has at most: what both cut-offs allow."""
        return min(self.most_attempts, self.most_ps // self.period_ps)

    @property
    def in_flight(self) -> int:
        """Return how many attempts are under way before the first one's outcome is known."""
        return max(1, -(-self.round_trip_ps // self.period_ps))

    @property
    def heralds_wanted(self) -> int | None:
        """Return after how many heralds a batch stops, None for never: by the stop rule, or because memory is full."""
        asked = {"first": 1, "count": self.stop.count}.get(self.stop.kind)
        if self.keep == "measure":
            return asked
        return self.memory_modes if asked is None else min(asked, self.memory_modes)

    def basis(self, node: str, k: int) -> str:
        """Return in which basis a node measures attempt ``k``; empty if it does not."""
        for each in self.readout:
            if each.node == node:
                return each.bases[k % len(each.bases)]
        return ""

    def bit(self, detector: str, window: str) -> int:
        """Return the bit of a click in a pattern: ``detector number * number of windows + window number``."""
        names = [each.name for each in self.windows]
        return self.detectors.index(detector) * len(names) + names.index(window)

    def mask(self, clicks: Clicks) -> int:
        """Return the pattern of some clicks as a bit mask."""
        return sum(1 << self.bit(detector, window) for detector, window in set(clicks))

    def table(self) -> dict[int, Label]:
        """Return the herald table: pattern as bit mask -> label."""
        return {self.mask(herald.clicks): herald.label for herald in self.heralds}

    def owed(self, label: str) -> tuple[Correction, ...]:
        """Return the corrections that a label asks for, ``I`` included."""
        return tuple(each for each in self.feedforward if each.label == label)

    def calibrates(self, k: int) -> bool:
        """Return whether period ``k`` belongs to calibration."""
        if self.calibration is None:
            return False
        return k % (self.calibration.every + self.calibration.length) >= self.calibration.every
