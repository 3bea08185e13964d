"""What a tag file no longer has: told by the numbers and running totals in the blocks around a hole."""

from collections.abc import Sequence
from dataclasses import dataclass

from .index import Entry, Index
from .layout import END_BY_REPAIR


@dataclass(frozen=True)
class Loss:
    """One hole.

    Attributes:
        what: in words.
        from_byte, to_byte: where in the file, [from, to).
        blocks: how many are lost; None where that is unknown.
        tags: in them; None where that is unknown.
        from_ps, to_ps: between which times, as far as known; None where nothing sound is on that side.
    """

    what: str
    from_byte: int
    to_byte: int
    blocks: int | None
    tags: int | None
    from_ps: int | None
    to_ps: int | None

    def __str__(self) -> str:
        blocks = "" if not self.blocks else f", {self.blocks} block{'s' if self.blocks > 1 else ''}"
        tags = ", tags unknown" if self.tags is None else f", {self.tags} tags"
        left, right = ("?" if t is None else f"{t} ps" for t in (self.from_ps, self.to_ps))
        return f"{self.what}: bytes {self.from_byte} to {self.to_byte}{blocks}{tags}, between {left} and {right}"


def losses(index: Index, damaged: Sequence[Entry]) -> list[Loss]:
    """Return all holes in byte order; ``damaged`` are the blocks known to have a bad payload."""
    bad = {entry.number for entry in damaged}
    found = []
    if index.header is None:
        first = index.blocks[0].offset if index.blocks else index.size
        found.append(Loss("the file's header is damaged, its metadata are lost", 0, first, 0, 0, None, None))
    at, number, total = index.start if index.header else found[0].to_byte, 0, 0
    last: int | None = None
    good = [entry for entry in index.blocks if entry.number not in bad]
    for entry in [*good, *([index.end] if index.end else [])]:
        header = entry.header
        if entry.number != number or entry.offset != at:
            found.append(
                Loss(
                    "damaged or missing" if entry.number != number else "bytes that belong to no block",
                    min(at, entry.offset),
                    max(at, entry.offset),
                    entry.number - number,
                    header.tags_before - total,
                    last if last is not None else _first(damaged, number, entry.number),
                    header.first_ps if header.tags else _last(damaged, number, entry.number),
                )
            )
        at, number, total = entry.end, entry.number + 1, header.tags_before + header.tags
        last = header.last_ps if header.tags else last
    if index.end is None:
        torn = at < index.size
        what = "torn off" if torn else "no end mark: still being written, or cut off between two blocks"
        found.append(Loss(what, at, index.size, None, None, last, None))
    else:
        if index.end.header.kind == END_BY_REPAIR:
            found.append(Loss("torn off before the repair", at, at, None, None, last, None))
        if at < index.size:
            found.append(Loss("bytes after the end mark", at, index.size, 0, 0, last, None))
    return found


def _first(damaged: Sequence[Entry], low: int, high: int) -> int | None:
    times = [each.header.first_ps for each in damaged if low <= each.number < high and each.header.tags]
    return min(times, default=None)


def _last(damaged: Sequence[Entry], low: int, high: int) -> int | None:
    times = [each.header.last_ps for each in damaged if low <= each.number < high and each.header.tags]
    return max(times, default=None)
