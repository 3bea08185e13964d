"""``bellringer tags info``: what is in a file of time tags."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..analysis import rate
from ..analysis.files import Recording, formats, identify
from .main import emit_json
from .tags_files import opened, telling


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
    Console(highlight=False).print(table)


def info_command(files: Sequence[Path], format: str, options: Sequence[str], as_json: bool) -> None:
    """Show each file."""
    found = []
    for path in files:
        with telling(path):
            name = format or identify(path).name
        found.append(described(path, name, opened(path, format, options)))
    if as_json:
        emit_json(found)
        return
    for body in found:
        _show(body)


def described(path: Path, format: str, recording: Recording) -> dict[str, Any]:
    """Return what ``info`` tells of a file, as plain values."""
    tags = recording.tags
    start, stop = tags.span_ps
    live_s = tags.live_time_ps() * 1e-12
    counts = np.bincount(tags.channels, minlength=256)
    inside = np.bincount(tags.channels[tags.live()], minlength=256)
    names = recording.about.get("channels")
    names = names if isinstance(names, dict) else {}
    twice = np.count_nonzero((np.diff(tags.times_ps) == 0) & (np.diff(tags.channels.astype(np.int16)) == 0))
    return {
        "file": str(path),
        "format": format,
        "bytes": path.stat().st_size,
        "tags": len(tags),
        "from_ps": start,
        "to_ps": stop,
        "live_s": live_s,
        "channels": [
            {"channel": int(c), "name": names.get(str(c), ""), "tags": int(counts[c]),
             "rate": rate(int(inside[c]), live_s).as_dict(), "shown": str(rate(int(inside[c]), live_s))}
            for c in np.flatnonzero(counts)
        ],
        "gaps": len(tags.gaps),
        "in_gaps_s": sum((tags.gaps[:, 1] - tags.gaps[:, 0]).tolist()) * 1e-12,
        "gap_reasons": dict(Counter(recording.reasons)),
        "missed_events": sum(count for count in recording.missed if count),
        "tags_twice": int(twice),
        "clock": recording.about.get("clock", []),
        "about": {key: value for key, value in recording.about.items() if key not in ("channels", "clock")},
        "repairs": list(recording.repairs),
        "losses": list(recording.losses),
    }  # fmt: skip


def _show(body: dict[str, Any]) -> None:
    out = Console(highlight=False)
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
