"""A run's report: one self-contained HTML file, made from the run folder alone."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from ..analysis import Estimate
from ..orchestrator.records import read_run

_PAGE = Path(__file__).with_name("report.html")
HEADLINES = (
    *("S", "visibility_HV", "visibility_DA", "coincidence_rate", "accidental_rate"),
    # A fidelity beside how often it is reached, and of which share of the heralds.
    *("fidelity", "swap_rate", "young_enough", "pair_rate", "selected_fraction"),
)


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path."""
    asked = read_run(folder)
    outcome = _load(folder / "results.json") or {"results": {}, "notes": [], "status": asked["status"]}
    figures = [
        json.loads(path.read_text())
        for path in sorted((folder / "data").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    ]
    results = {name: Estimate(**body) for name, body in outcome["results"].items()}
    page = Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{asked['sequence']} on {asked['testbed']}"),
        run=html.escape(asked["run"]),
        status=html.escape(asked["status"]),
        kind="dry run on a simulated lab, seed " + str(asked.get("seed")) if asked.get("dry_run") else "hardware",
        headlines="".join(_headline(name, results[name]) for name in HEADLINES if name in results),
        problem=f'<p class="problem">{html.escape(asked["error"])}</p>' if asked.get("error") else "",
        notes="".join(f'<p class="note">{html.escape(note)}</p>' for note in outcome["notes"]),
        figures="\n".join(_figure(figure) for figure in figures),
        results=_table([("result", "value"), *((name, str(value)) for name, value in headlines_first(results))]),
        asked=_table(
            [
                ("asked", ""),
                *((key, json.dumps(value) if not isinstance(value, str) else value) for key, value in asked.items()),
            ]
        ),
        instruments=_instruments(folder),
        testbed=html.escape((folder / "testbed.yaml").read_text(encoding="utf-8")),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def headlines_first(results: Mapping[str, Estimate]) -> list[tuple[str, Estimate]]:
    """Return results in the order people look for them."""
    first = [(name, results[name]) for name in HEADLINES if name in results]
    return first + [(name, estimate) for name, estimate in results.items() if name not in HEADLINES]


def _load(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def _headline(name: str, estimate: Estimate) -> str:
    return f'<div class="headline"><span>{html.escape(name)}</span><b>{html.escape(str(estimate))}</b></div>'


def _figure(figure: dict[str, Any]) -> str:
    from .plots import svg  # matplotlib takes its time to import, and a refused command draws nothing

    body = _table(figure["table"]) if figure["table"] else svg(figure)
    caption = f"<figcaption>{html.escape(figure['caption'])}</figcaption>" if figure["caption"] else ""
    return f"<figure><h2>{html.escape(figure['title'])}</h2>{body}{caption}</figure>"


def _table(rows: list[Any]) -> str:
    head, *body = rows
    lines = ["<table><tr>" + "".join(f"<th>{html.escape(str(cell))}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in body]
    return "".join(lines) + "</table>"


def _instruments(folder: Path) -> str:
    snapshots = _load(folder / "snapshots.json")
    if not snapshots:
        return "<p>No instrument was read.</p>"
    rows = [("instrument", "value at start", "")]
    for name, values in snapshots["start"].items():
        rows += [
            (name, key, "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value))
            for key, value in values.items()
        ]
    return _table(rows)
