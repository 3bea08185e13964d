"""What a block's payload says besides its tags: gaps, the clock; and which blocks belong to a stretch of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._gaps import ToldGaps, told_gaps
from ..tags import Tags
from .index import Entry
from .layout import DAMAGED, GAP, LIMIT_PS, REASONS, ClockState
from .losses import Loss

Payload = npt.NDArray[np.uint8]
"""A block's bytes without its header."""


@dataclass(frozen=True, eq=False)
class Block:
    """One block.

    Attributes:
        number: counted from 0 in the recording.
        tags: with the gaps that were appended with them.
        reasons: of those gaps, one each.
        missed: events lost in each gap, None where unknown.
        clock: None if the writer did not say.
        end_byte: where in the file it ends.
        missing: it stands for blocks that are lost.
    """

    number: int
    tags: Tags
    reasons: tuple[str, ...]
    missed: tuple[int | None, ...]
    clock: ClockState | None
    end_byte: int
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Told:
    """Tags, the reasons of their gaps and events missed in each, and (from when on, ps; state) of the clock."""

    tags: Tags
    reasons: tuple[str, ...]
    missed: tuple[int | None, ...]
    clocks: tuple[tuple[int, ClockState], ...]


def touches(entry: Entry, from_ps: int | None, to_ps: int | None) -> bool:
    header = entry.header
    spans = [(header.first_ps, header.last_ps)] if header.tags else []
    spans += [(header.gap_first_ps, header.gap_last_ps)] if header.gaps else []
    low, high = -LIMIT_PS if from_ps is None else from_ps, LIMIT_PS if to_ps is None else to_ps
    return not spans or any(first < high and last >= low for first, last in spans)


def gap_records(entry: Entry, payload: Payload) -> "np.ndarray[Any, Any]":
    return np.frombuffer(payload, GAP, entry.header.gaps, entry.header.channels)


def state_of(entry: Entry, payload: Payload) -> bytes:
    start = entry.header.channels + entry.header.gaps * GAP.itemsize
    return payload[start : start + entry.header.state_bytes].tobytes()


def start_of(entry: Entry) -> int:
    return entry.header.first_ps if entry.header.tags else entry.header.gap_first_ps


def hole_between(last_ps: int, first_ps: int) -> tuple[int, int]:
    """Return the gap of a hole, without the tags at its ends; a hole of no length hides what comes right after it."""
    return (last_ps + 1, max(first_ps, last_ps + 2))


def told_of(records: "np.ndarray[Any, Any]", holes: Sequence[Loss] = ()) -> ToldGaps:
    edges = np.column_stack([records["from_ps"], records["to_ps"]]).tolist()
    edges += [hole_between(loss.from_ps or 0, loss.to_ps or 0) for loss in holes]
    reasons = [REASONS[code] if code < len(REASONS) else "unknown" for code in records["reason"].tolist()]
    missed = [None if count < 0 else count for count in records["missed"].tolist()]
    return told_gaps(
        edges, reasons + [REASONS[DAMAGED]] * len(holes), [*missed, *(loss.tags for loss in holes)]
    )  # fmt: skip


def check_order(entries: list[Entry], path: Path) -> None:
    last = -LIMIT_PS
    for entry in (each for each in entries if each.header.tags):
        if entry.header.first_ps < last:
            raise ValueError(f"{path}: block {entry.number} goes back from {last} ps to {entry.header.first_ps} ps")
        last = entry.header.last_ps
