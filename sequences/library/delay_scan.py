"""Finding a link in time: where the coincidence peak lies and how fast the two clocks drift apart."""

from ...analysis import Estimate
from ...testbed.testbed import Testbed
from ..figures import Figure, Series
from ..needs import above_zero, the_link
from ..run import Run
from ..sequence import sequence


@sequence
def delay_scan(run: Run, link: str = "", integration_s: float = 1.0, bin_ps: int = 20, span_ps: int = 5_000) -> None:
    """Find a link's delay and relative clock drift from the tags alone, and draw the correlation peak.

    ``delay`` is when the second end's tag of a pair comes, on its own clock, relative to the first end's, at mid-data.
    Taggers restart at zero with each recording, so it holds for this recording; the drift holds for the clocks.
    """
    chosen = run.link(link)
    run.start_source(chosen)
    acquisition = run.acquire(chosen, integration_s, "delay scan")
    clock = acquisition.clock
    if clock is None:
        for name, unit in (("delay", "s"), ("drift", ""), ("significance", "sigma")):
            run.result(name, Estimate(None, None, unit, acquisition.reason))
    else:
        run.result("delay", Estimate(clock.offset_ps * 1e-12, clock.offset_error_ps * 1e-12, "s"))
        run.result("drift", Estimate(clock.drift, clock.drift_error, ""))
        run.result(
            "significance", Estimate(clock.significance, None, "sigma", "a significance has no error of its own")
        )
    histogram = acquisition.histogram(bin_ps, span_ps)
    window = acquisition.window_ps
    run.figure(
        Figure(
            "correlation",
            "Correlation of the two ends",
            "time difference (ps)",
            f"coincidences per {bin_ps} ps",
            (Series("all detector pairs", histogram.centres_ps, histogram.counts, style="steps"),),
            marks=(-float(window), float(window)),
            caption="Dotted: the coincidence window. The delay has been taken out.",
        )
    )


@delay_scan.needs
def _needs(testbed: Testbed, link: str, integration_s: float, bin_ps: int, span_ps: int) -> None:
    the_link(testbed, link)
    above_zero(integration_s=integration_s, bin_ps=bin_ps, span_ps=span_ps)
