"""The entanglement service's lab, from a testbed file: links with their programs, and what each should give."""

from ...testbed.attempts.terms import Terms
from ...testbed.memory_prediction import predict_memory_link
from ...testbed.memory_programs import attempt_program
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring
from ..heralding.service import Forecast, Lab, Link
from ..heralding.service.links import LONGEST_BATCH_S

KEPT_S = 1.0
"""Longest memory cut-off that may be asked for, s; a request has its own."""
RATE_ERROR, FIDELITY_ERROR = 0.1, 0.01
"""How far a prediction from the testbed file may be wrong (one sigma): its numbers are nominal ones."""
MOST_ATTEMPTS = 10**9


def lab_of(testbed: Testbed, now_s: float) -> Lab:
    """Return the lab of a testbed's memory links, with what is predicted of them.

    Raises:
        BellringerError: a link's wiring leads nowhere, or its program breaks a rule.
    """
    wiring = Wiring(testbed)
    links, forecasts = [], {}
    for name, link in testbed.memory_links.items():
        measured = Terms(most_attempts=MOST_ATTEMPTS, most_s=LONGEST_BATCH_S, keep="measure", target=None)
        kept = Terms(most_attempts=MOST_ATTEMPTS, most_s=LONGEST_BATCH_S, target=link.target, max_age_s=KEPT_S)
        programs = tuple(attempt_program(testbed, wiring, name, terms) for terms in (measured, kept))
        first, second = (memory.partition(".")[0] for memory in link.memories)
        links.append(Link(name, (first, second), programs, forecast_max_age_s=float("inf")))
        expected = predict_memory_link(testbed, wiring, name)
        for kind in ("measure", "keep"):
            forecasts[name, kind] = Forecast(
                dict(expected.probability), RATE_ERROR, expected.mean_fidelity, FIDELITY_ERROR, now_s
            )
    lab = Lab(links)
    lab.forecasts.update(forecasts)
    return lab
