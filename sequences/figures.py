"""Figures as data: what a report draws and another program can read."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Series:
    """One curve; ``y`` and ``error`` belong to ``x`` point by point (for ``steps``, ``x`` are the bins' centres)."""

    label: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    error: npt.NDArray[Any] | None = None
    style: Literal["points", "line", "steps"] = "points"


@dataclass(frozen=True)
class Figure:
    """One figure: axes with units and some series, or a table with a header row."""

    name: str
    title: str
    x_label: str = ""
    y_label: str = ""
    series: tuple[Series, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    caption: str = ""
    log_y: bool = False
    marks: tuple[float, ...] = field(default=())
    """Vertical lines, such as the edges of the coincidence window."""
    levels: tuple[float, ...] = ()
    """Horizontal lines, such as what can be reached without entanglement."""
    ticks: tuple[str, ...] = ()
    """Names of x = 0, 1, 2, ... where it is no quantity."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, arrays as lists."""
        body = asdict(self)
        for curve in body["series"]:
            for key in ("x", "y", "error"):
                curve[key] = None if curve[key] is None else np.asarray(curve[key]).tolist()
        return body
