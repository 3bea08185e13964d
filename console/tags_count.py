"""``bellringer tags count``: singles and coincidences of a file's channels, with accidentals and errors."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..analysis import CoincidenceCounter, DelayedCounter, Estimate, SinglesCounter, accidentals_from_rates, rate
from ..analysis.pair_figures import figures_of
from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer
from .tags_files import Opened, delays_of, telling, whole_ps

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
    with telling(files[0], "see bellringer tags count --help"):
        CoincidenceCounter(asked, window_ps, delays_ps, how)  # refuses what makes no sense before files are read
    found = Opened(files, format, options, look=True)
    with telling(files[0], "see bellringer tags count --help"):
        body = counted(found, asked, window_ps, delays_ps, how)
    body["notes"] = found.notes()
    if as_json:
        emit_json(body)
    else:
        _show(body)


def counted(
    found: Opened, groups: Sequence[Sequence[int]], window_ps: int, delays_ps: dict[int, int], how: str
) -> dict[str, Any]:
    """Return singles and coincidences as plain values; without groups those of every pair there is."""
    assert found.counts is not None
    every = itertools.combinations(np.flatnonzero(found.counts).tolist(), 2)
    asked = [list(group) for group in groups or itertools.islice(every, MOST_PAIRS)]
    pairs = [(group[0], group[1]) for group in asked if len(group) == 2 and how == "all"]
    singles, counter = SinglesCounter(), CoincidenceCounter(asked, window_ps, delays_ps, how)
    off = DelayedCounter(pairs, window_ps, delays_ps, found.tags_per_s)
    for tags in found.blocks("counting"):
        for each in (singles, counter, off):
            each.feed(tags)
    live_s, exposure_s = singles.live_time_ps * 1e-12, off.exposure_s()
    delayed = dict(zip(pairs, off.counts().tolist()))
    rows = []
    for group, count in zip(asked, counter.read().tolist()):
        row = _row(group, count, singles, window_ps, how)
        if tuple(group) in delayed:
            clicks = (int(singles.counts[group[0]]), int(singles.counts[group[1]]))
            time_s = counter.live_time_ps * 1e-12
            figures = figures_of(count, clicks, time_s, delayed[group[0], group[1]], exposure_s, window_ps)
            row["accidentals"] = figures.accidentals.as_dict()
            row["car"] = figures.car.as_dict()
            row["heralding"] = [each.as_dict() for each in figures.heralding]
        rows.append(row)
    return {
        "window_ps": window_ps,
        "delays_ps": {str(channel): delay for channel, delay in delays_ps.items()},
        "how": how,
        "live_s": live_s,
        "tags_in_gaps": int(found.counts.sum() - singles.counts.sum()),
        "singles": [
            {"channel": c, "count": int(singles.counts[c]), "rate": singles.rate(c).as_dict()}
            for c in np.flatnonzero(singles.counts).tolist()
        ],
        "coincidences": rows,
    }


def _row(group: list[int], count: int, singles: SinglesCounter, window_ps: int, how: str) -> dict[str, Any]:
    row: dict[str, Any] = {"channels": group, "count": count}
    row["rate"] = rate(count, singles.live_time_ps * 1e-12).as_dict()
    if how == "all" and len(group) > 1:
        rates = [singles.rate(channel) for channel in group]
        row["accidentals_from_rates"] = accidentals_from_rates(rates, window_ps).as_dict()
    return row


def _channels_of(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise BellringerError(f"--group {text!r} is no list of channels", hint="write --group 0,1 or --group 0,1,2,3")
    return [int(word) for word in words]


def _show(body: dict[str, Any]) -> None:
    out = printer()
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
