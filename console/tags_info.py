"""``bellringer tags info``: what is in a file of time tags."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..analysis import SinglesCounter
from ..analysis.files import Part, Source, formats, identify
from .main import emit_json
from .out import printer
from .tags_files import Slow, opened, telling


def formats_command(as_json: bool) -> None:
    """List the formats."""
    if as_json:
        emit_json([
            {"name": each.name, "what": each.what, "suffixes": each.suffixes, "written": each.write is not None,
             "told_by_content": bool(each.magics), "options": each.options}
            for each in formats()
        ])  # fmt: skip
        return
    table = Table()
    for column in ("format", "what", "suffix", "told by", "written"):
        table.add_column(column)
    for each in formats():
        told = "content" if each.magics else "suffix"
        table.add_row(each.name, each.what, ", ".join(each.suffixes), told, "yes" if each.write else "")
    printer().print(table)


def info_command(files: Sequence[Path], format: str, options: Sequence[str], as_json: bool) -> None:
    """Show each file."""
    found = []
    for path in files:
        with telling(path):
            name = format or identify(path).name
        source = opened(path, format, options)
        with telling(path), Slow(f"reading {path.name}", source.size) as bar:
            found.append(described(path, name, source, bar.at))
    if as_json:
        emit_json(found)
        return
    for body in found:
        _show(body)


class _Look(SinglesCounter):
    """All that is counted in a file, block by block."""

    def __init__(self) -> None:
        super().__init__()
        self.all = np.zeros(256, np.int64)
        self.twice = self.missed = 0
        self.reasons: Counter[str] = Counter()
        self._last: tuple[int, int] | None = None

    def take(self, part: Part) -> None:
        """Take the next block."""
        tags = part.tags
        self.feed(tags)
        self.reasons.update(part.reasons)
        self.missed += sum(count for count in part.missed if count)
        self.all += np.bincount(tags.channels, minlength=256)
        again = (np.diff(tags.times_ps) == 0) & (np.diff(tags.channels.astype(np.int16)) == 0)
        self.twice += int(np.count_nonzero(again))
        if len(tags):
            self.twice += self._last == (int(tags.times_ps[0]), int(tags.channels[0]))
            self._last = int(tags.times_ps[-1]), int(tags.channels[-1])


def described(path: Path, format: str, source: Source, stepped: Callable[[int], object]) -> dict[str, Any]:
    """Return what ``info`` tells of a file, as plain values."""
    look = _Look()
    for part in source.parts():
        look.take(part)
        stepped(part.end_byte)
    (start, stop), live_ps = look.span_ps, look.live_time_ps
    names = source.about.get("channels")
    names = names if isinstance(names, dict) else {}
    return {
        "file": str(path),
        "format": format,
        "bytes": source.size,
        "tags": int(look.all.sum()),
        "from_ps": start,
        "to_ps": stop,
        "live_s": live_ps * 1e-12,
        "channels": [
            {"channel": c, "name": names.get(str(c), ""), "tags": int(look.all[c]),
             "rate": look.rate(c).as_dict(), "shown": str(look.rate(c))}
            for c in np.flatnonzero(look.all).tolist()
        ],
        "gaps": look.reasons.total(),
        "in_gaps_s": (stop - start - live_ps) * 1e-12,
        "gap_reasons": dict(look.reasons),
        "missed_events": look.missed,
        "tags_twice": look.twice,
        "clock": source.about.get("clock", []),
        "about": {key: value for key, value in source.about.items() if key not in ("channels", "clock")},
        "repairs": list(source.repairs),
        "losses": list(source.losses),
    }  # fmt: skip


def _show(body: dict[str, Any]) -> None:
    out = printer()
    table = Table(title=f"{Path(body['file']).name}: {body['tags']} tags")
    for column in ("channel", "name", "tags", "rate"):
        table.add_column(column, justify="left" if column == "name" else "right")
    for row in body["channels"]:
        table.add_row(str(row["channel"]), row["name"], str(row["tags"]), row["shown"])
    out.print(table)
    lines = [f"format: {body['format']}, {body['bytes']} bytes"]
    if body["tags"] or body["gaps"]:
        lines.append(f"from {body['from_ps']} ps to {body['to_ps']} ps, live {body['live_s']:.9g} s")
    if body["gaps"]:
        why = ", ".join(f"{count} {reason}" for reason, count in body["gap_reasons"].items())
        missed = f"; {body['missed_events']} events missed" if body["missed_events"] else ""
        lines.append(f"gaps: {body['gaps']}, {body['in_gaps_s']:.6g} s in all ({why}){missed}")
    if body["tags_twice"]:
        lines.append(f"tags twice (same time, same channel): {body['tags_twice']}")
    for state in body["clock"]:
        locked = {True: "locked", False: "NOT locked", None: "lock unknown"}[state["locked"]]
        lines.append(f"clock from {state['from_ps']} ps on: {state['source'] or 'unnamed'}, {locked}")
    for line in lines:
        out.print(line, markup=False)
    for key, value in body["about"].items():
        text = str(value)
        out.print(f"{key}: {text if len(text) < 200 else text[:200] + ' ... (all with --json)'}", markup=False)
    for text in body["repairs"]:
        out.print(f"put right: {text}", style="yellow", markup=False)
    for text in body["losses"]:
        out.print(f"missing: {text}", style="bold red", markup=False)
