"""Figures as SVG for reports."""

import io
import math
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

COLOURS = ("#0b6e99", "#c0501c", "#3c7d3c", "#7a4a9c")


def _floats(values: list[float | None]) -> list[float]:
    """Return values as they are plotted: NaN, of which nothing is drawn, where a record has none."""
    return [math.nan if value is None else value for value in values]


def svg(figure: dict[str, Any]) -> str:
    """Return an ``<svg>`` element for one figure of ``sequences.figures`` as plain values."""
    with mpl.rc_context(
        {"svg.hashsalt": figure["name"], "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif"}
    ):
        page = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = page.subplots()
        points = 0
        for curve in figure["series"]:
            colour = (
                COLOURS[points % len(COLOURS)] if curve["style"] != "line" else COLOURS[(points - 1) % len(COLOURS)]
            )
            if curve["style"] == "steps":
                axes.step(curve["x"], curve["y"], where="mid", color=colour, lw=1.2, label=curve["label"])
                axes.fill_between(curve["x"], curve["y"], step="mid", color=colour, alpha=0.15)
            elif curve["style"] == "line":
                # Between values that only have names there is nothing to draw a line through.
                dashes: dict[str, Any] = {"ls": "", "marker": "_", "ms": 10, "mew": 2} if figure.get("ticks") else {}
                axes.plot(curve["x"], curve["y"], color=colour, lw=1.2, alpha=0.8, **dashes)
            else:
                axes.errorbar(
                    curve["x"],
                    _floats(curve["y"]),
                    yerr=None if curve["error"] is None else _floats(curve["error"]),
                    fmt="o",
                    ms=4,
                    lw=1,
                    capsize=2,
                    color=colour,
                    label=curve["label"],
                )
            points += curve["style"] != "line"
        for mark in figure["marks"]:
            axes.axvline(mark, ls=":", lw=1, color="#888888")
        for level in figure.get("levels", ()):
            axes.axhline(level, ls=":", lw=1, color="#888888")
        if figure["x_label"].endswith("(deg)"):
            axes.xaxis.set_major_locator(MultipleLocator(45))
        if figure.get("ticks"):
            axes.set_xticks(range(len(figure["ticks"])), figure["ticks"])
        axes.set_xlabel(figure["x_label"])
        axes.set_ylabel(figure["y_label"])
        axes.set_yscale("log" if figure["log_y"] else "linear")
        if not figure["log_y"] and all(y >= 0 for curve in figure["series"] for y in curve["y"] if y is not None):
            axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        if points > 1:
            axes.legend(frameon=False, loc="upper center", ncols=points, bbox_to_anchor=(0.5, 1.12))
        buffer = io.StringIO()
        page.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
