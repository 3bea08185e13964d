"""``bellringer tags correlate``: the histogram of two channels' time differences, in the terminal or as a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..analysis import CorrelationHistogram, Histogram
from ..analysis.peaks import Peak, peak
from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer
from .tags_files import Opened, delays_of, telling, whole_ps

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ROWS = 8


def correlate_command(
    files: Sequence[Path],
    channels: tuple[int, int],
    bin: str,
    span: str,
    delays: Sequence[str],
    plot: Path | None,
    format: str,
    options: Sequence[str],
    as_json: bool,
) -> None:
    """Correlate, show, and draw if asked."""
    bin_ps, span_ps, delays_ps = whole_ps(bin, "--bin", 1), whole_ps(span, "--span", 1), delays_of(delays)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise BellringerError("a figure is .png or .svg", where=str(plot), hint="name it so, e.g. --plot g2.svg")
    with telling(files[0], "see bellringer tags correlate --help"):
        counter = CorrelationHistogram([channels], bin_ps, span_ps, delays_ps)
    found = Opened(files, format, options)
    with telling(files[0]):
        for tags in found.blocks("correlating"):
            counter.feed(tags)
    histogram = counter.read()[0]
    where = peak(histogram)
    if plot is not None:
        with telling(plot):
            _draw(plot, histogram, where, channels)
    if as_json:
        emit_json({
            "start": channels[0], "stop": channels[1], "bin_ps": bin_ps, "span_ps": span_ps,
            "live_s": counter.live_time_ps * 1e-12,
            "counts": histogram.counts.tolist(), "first_edge_ps": int(histogram.edges_ps[0]),
            "peak": {"centre": where.centre.as_dict(), "width": where.width.as_dict(),
                     "counts": where.counts.as_dict(), "background": where.background,
                     "significance": where.significance},
            "notes": found.notes(),
        })  # fmt: skip
        return
    out = printer()
    for line in bars(histogram, max(20, min(out.width, 200) - 2)):
        out.print(line, markup=False, no_wrap=True, overflow="crop")
    total = int(histogram.counts.sum())
    out.print(f"start {channels[0]}, stop {channels[1]}: {total} pairs in {len(histogram.counts)} bins of {bin_ps} ps")
    if where.centre.value is None:
        out.print(f"no peak: {where.centre.reason}", markup=False)
    else:
        out.print(f"peak at {where.centre}, {where.width} wide (FWHM), {where.counts} counts over "
                  f"{where.background:.4g} a bin", markup=False)  # fmt: skip
    for note in found.notes():
        out.print(note, style="yellow", markup=False)
    if plot is not None:
        out.print(f"wrote {plot}", markup=False, soft_wrap=True)


def bars(histogram: Histogram, width: int) -> list[str]:
    """Return a histogram as lines of text, the scale below it; bins are joined to fit, and their highest is shown."""
    columns = min(width - len(str(int(histogram.counts.max()))), len(histogram.counts))
    edges = np.linspace(0, len(histogram.counts), columns + 1).round().astype(int)
    heights: npt.NDArray[Any] = np.maximum.reduceat(histogram.counts, edges[:-1])
    most = max(1, int(heights.max()))
    eighths = np.ceil(heights * (8 * _ROWS / most)).astype(int)
    lines = ["".join(_EIGHTHS[level] for level in np.clip(eighths - 8 * row, 0, 8)) for row in reversed(range(_ROWS))]
    left, right = (_time(int(edge)) for edge in (histogram.edges_ps[0], histogram.edges_ps[-1]))
    middle = _time(int(histogram.edges_ps[0] + histogram.edges_ps[-1]) // 2)
    room = max(0, columns - len(left) - len(middle) - len(right))
    scale = left + " " * (room // 2) + middle + " " * (room - room // 2) + right
    return [f"{lines[0]} {most}", *lines[1:], scale]


def _time(ps: int) -> str:
    for unit, factor in (("s", 10**12), ("ms", 10**9), ("us", 10**6), ("ns", 10**3)):
        if abs(ps) >= factor:
            return f"{ps / factor:.6g} {unit}"
    return f"{ps} ps"


def _draw(path: Path, histogram: Histogram, where: Peak, channels: tuple[int, int]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "correlation", "font.size": 10}):
        page = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = page.subplots()
        axes.stairs(histogram.counts, histogram.edges_ps * 1e-3, fill=True, color="#0b6e99", alpha=0.4)
        if where.centre.value is not None:
            axes.axvline(where.centre.value * 1e-3, ls=":", lw=1, color="#888888")
            axes.set_title(f"peak at {where.centre}", fontsize=10)
        axes.set_xlabel(f"time of channel {channels[1]} after channel {channels[0]} (ns)")
        axes.set_ylabel("pairs a bin")
        axes.set_xlim(histogram.edges_ps[0] * 1e-3, histogram.edges_ps[-1] * 1e-3)
        axes.spines[["top", "right"]].set_visible(False)
        page.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
