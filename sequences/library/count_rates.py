"""How many clicks there are: the first thing to look at."""

import numpy as np

from ...analysis import rate
from ...testbed.testbed import Testbed
from ..figures import Figure
from ..needs import above_zero, the_link
from ..run import Run
from ..sequence import sequence


@sequence
def count_rates(run: Run, link: str = "", integration_s: float = 1.0, source: bool = True) -> None:
    """Count singles of every detector of a link, and raw coincidences of every detector pair.

    Rates are raw. ``source=false`` leaves the source dark: what remains are dark counts and background.
    """
    chosen = run.link(link)
    if source:
        run.start_source(chosen)
    acquisition = run.acquire(chosen, integration_s, "count rates")
    names = [[f"{end}_{port}" for port in ("transmitted", "reflected")] for end in acquisition.ends]
    rows: list[tuple[str, ...]] = [("detector", "clicks", "rate (1/s)")]
    for end_names, counts in zip(names, acquisition.singles()):
        for name, count in zip(end_names, counts):
            estimate = rate(int(count), acquisition.seconds)
            run.result(f"singles_{name}", estimate)
            rows.append((name, str(count), str(estimate)))
    coincidences = acquisition.coincidences()
    for (i, j), count in np.ndenumerate(coincidences):
        run.result(f"coincidences_{names[0][i]}_{names[1][j]}", rate(int(count), acquisition.seconds))
        rows.append((f"{names[0][i]} & {names[1][j]}", str(count), str(rate(int(count), acquisition.seconds))))
    run.figure(Figure("count_rates", "Count rates", table=tuple(rows), caption=acquisition.reason))


@count_rates.needs
def _needs(testbed: Testbed, link: str, integration_s: float, source: bool) -> None:
    the_link(testbed, link)
    above_zero(integration_s=integration_s)
