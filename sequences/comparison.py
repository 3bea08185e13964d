"""Results set beside what the testbed file predicts, each with its pull."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .figures import Figure

if TYPE_CHECKING:
    from .run import Run


def comparison(run: "Run", predicted: Mapping[str, float], title: str, caption: str) -> Figure:
    """Return the table of results that have been given and are predicted: measured, predicted, pull in sigma."""
    rows: list[tuple[str, ...]] = [("quantity", "measured", "predicted from the file", "pull (sigma)")]
    for name, value in predicted.items():
        measured = run.results[name]
        pull = (
            "" if measured.value is None or not measured.error else f"{(measured.value - value) / measured.error:+.2f}"
        )
        number = f"{value:.2e}" if 0 < abs(value) < 1e-3 else f"{value:.4g}"  # as ``Estimate`` is written
        rows.append((name, str(measured), f"{number} {measured.unit}".strip(), pull))
    return Figure("prediction", title, table=tuple(rows), caption=caption)
