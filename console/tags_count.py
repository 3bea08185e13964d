"""``bellringer tags count``: singles and coincidences of a file's channels, with accidentals and errors."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..analysis import CoincidenceCounter, Estimate, Tags, rate
from ..analysis.pair_figures import accidentals_from_rates, pair_figures
from ..testbed.errors import BellringerError
from .main import emit_json
from .tags_files import Slow, delays_of, opened_together, telling, whole_ps

MOST_PAIRS = 120
"""All pairs of 16 channels; a table of more is nothing to look at."""


def count_command(
    files: Sequence[Path],
    window: str,
    groups: Sequence[str],
    delays: Sequence[str],
    how: str,
    format: str,
    options: Sequence[str],
    as_json: bool,
) -> None:
    """Count and show."""
    window_ps, delays_ps = whole_ps(window, "--window"), delays_of(delays)
    asked = [_channels_of(text) for text in groups]
    found = opened_together(files, format, options)
    with telling(files[0], "see bellringer tags count --help"):
        body = counted(found.tags, asked, window_ps, delays_ps, how)
    body["notes"] = found.notes(files)
    if as_json:
        emit_json(body)
    else:
        _show(body)


def counted(
    tags: Tags, groups: Sequence[Sequence[int]], window_ps: int, delays_ps: dict[int, int], how: str
) -> dict[str, Any]:
    """Return singles and coincidences as plain values; without groups those of every pair there is."""
    live_s = tags.live_time_ps() * 1e-12
    singles = np.bincount(tags.channels[tags.live()], minlength=256)
    channels = np.flatnonzero(singles).tolist()
    groups = list(groups) or list(itertools.combinations(channels, 2))[:MOST_PAIRS]
    counter = CoincidenceCounter(groups or [[0]], window_ps, delays_ps, how)
    step = 1 << 20
    with Slow("counting", len(tags)) as bar:
        for low in range(0, max(1, len(tags)), step):
            part = Tags._of(tags.times_ps[low : low + step], tags.channels[low : low + step],
                            tags.gaps if low == 0 else tags.gaps[:0])  # fmt: skip
            counter.feed(part)
            bar.at(low)
    counts = counter.read().tolist() if groups else []
    rows = []
    with Slow("accidentals", len(groups)) as bar:
        for done, (group, count) in enumerate(zip(groups, counts)):
            bar.at(done)
            rows.append(_row(tags, list(group), count, singles, live_s, window_ps, delays_ps, how))
    return {
        "window_ps": window_ps,
        "delays_ps": {str(channel): delay for channel, delay in delays_ps.items()},
        "how": how,
        "live_s": live_s,
        "tags_in_gaps": int(len(tags) - singles.sum()),
        "singles": [
            {"channel": c, "count": int(singles[c]), "rate": rate(int(singles[c]), live_s).as_dict()} for c in channels
        ],
        "coincidences": rows,
    }


def _row(
    tags: Tags,
    group: list[int],
    count: int,
    singles: np.ndarray[Any, np.dtype[np.int64]],
    live_s: float,
    window_ps: int,
    delays_ps: dict[int, int],
    how: str,
) -> dict[str, Any]:
    row: dict[str, Any] = {"channels": group, "count": count, "rate": rate(count, live_s).as_dict()}
    if how == "all" and len(group) > 1:
        rates = [rate(int(singles[c]), live_s) for c in group]
        row["accidentals_from_rates"] = accidentals_from_rates(rates, window_ps).as_dict()
        if len(group) == 2 and group[0] != group[1]:
            figures = pair_figures(tags, group[0], group[1], window_ps, delays_ps)
            row["accidentals"] = figures.accidentals.as_dict()
            row["car"] = figures.car.as_dict()
            row["heralding"] = [each.as_dict() for each in figures.heralding]
    return row


def _channels_of(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise BellringerError(f"--group {text!r} is no list of channels", hint="write --group 0,1 or --group 0,1,2,3")
    return [int(word) for word in words]


def _show(body: dict[str, Any]) -> None:
    out = Console(highlight=False)
    singles = Table(title=f"singles, live {body['live_s']:.9g} s")
    for column in ("channel", "tags", "rate (1/s)"):
        singles.add_column(column, justify="right")
    for row in body["singles"]:
        singles.add_row(str(row["channel"]), str(row["count"]), _bare(row["rate"]))
    out.print(singles)
    table = Table(title=f"coincidences within {body['window_ps']} ps, {body['how']}")
    for column in ("channels", "count", "rate (1/s)", "accidentals (1/s)", "CAR", "heralding"):
        table.add_column(column, justify="left" if column == "channels" else "right")
    for row in body["coincidences"]:
        accidentals = row.get("accidentals") or row.get("accidentals_from_rates")
        shown = [_bare(each) for each in (row["rate"], accidentals, row.get("car"), *row.get("heralding", ()))]
        channels = ", ".join(map(str, row["channels"]))
        table.add_row(channels, str(row["count"]), shown[0], shown[1], shown[2], "\n".join(shown[3:]))
    out.print(table)
    if body["tags_in_gaps"]:
        out.print(f"{body['tags_in_gaps']} tags lie in gaps and are not counted")
    for note in body["notes"]:
        out.print(note, style="yellow", markup=False)


def _bare(estimate: dict[str, Any] | None) -> str:
    """Return an estimate without its unit, nothing if there is none: the column says the unit."""
    return "" if not estimate or estimate["value"] is None else str(Estimate(estimate["value"], estimate["error"]))
