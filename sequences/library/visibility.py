"""Polarisation visibility of a link in the H/V and D/A bases."""

from ...analysis import rate
from ...analysis import visibility as four_detector_visibility
from ...testbed.testbed import Testbed
from ..needs import above_zero, the_link
from ..polarisation import measure, note_missing_coincidences
from ..run import Run
from ..sequence import sequence

BASES = {"HV": 0.0, "DA": 45.0}


@sequence
def visibility(run: Run, link: str = "", integration_s: float = 1.0) -> None:
    """Measure |E| with four detectors, both analysers at 0 and both at 45 degrees. Raw: nothing is subtracted."""
    chosen = run.link(link)
    run.start_source(chosen)
    acquisitions = []
    for basis in run.scan(BASES, "bases"):
        acquisition = measure(run, chosen, (BASES[basis], BASES[basis]), integration_s, f"matched basis {basis}")
        acquisitions.append(acquisition)
        counts = acquisition.coincidences()
        run.result(f"visibility_{basis}", four_detector_visibility(counts))
        run.result(f"coincidence_rate_{basis}", rate(int(counts.sum()), acquisition.seconds))
    note_missing_coincidences(run, acquisitions)


@visibility.needs
def _needs(testbed: Testbed, link: str, integration_s: float) -> None:
    the_link(testbed, link)
    above_zero(integration_s=integration_s)
