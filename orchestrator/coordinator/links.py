"""The entanglement service's lab, from a testbed file: links with their programs, and what each should give."""

from collections.abc import Sequence

from ...testbed.attempts import AttemptProgram, program
from ...testbed.attempts.terms import Terms
from ...testbed.memory_prediction import predict_memory_link
from ...testbed.memory_programs import attempt_program
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring
from ..heralding.service import Forecast, Lab, Link
from ..heralding.service.links import LONGEST_BATCH_S
from ..heralding.service.suspenders import Condition
from ..heralding.terms import PS_PER_S
from .calibrating import calibrations, visibilities

KEPT_S = 1.0
"""Longest memory cut-off that may be asked for, s; a request has its own."""
RATE_ERROR, FIDELITY_ERROR = 0.1, 0.01
"""How far a prediction from the testbed file may be wrong (one sigma): its numbers are nominal ones."""
MOST_ATTEMPTS = 10**9
REHEARSED_HERALDS = 200
"""So many are expected of a batch in lockstep, where nobody else waits for the link, and no message takes lab time."""
BASES = ("XXXYYYZZZ", "XYZXYZXYZ")
"""In which bases the two nodes measure, attempt by attempt: all nine pairs in turn, enough for a tomography."""


def lab_of(testbed: Testbed, conditions: Sequence[Condition], now_s: float, lockstep: bool = False) -> Lab:
    """Return the lab of a testbed's memory links, with what is predicted of them and what suspends them.

    Args:
        lockstep: its time is a simulated lab's in lockstep: what takes long is batches, not attempts.

    Raises:
        BellringerError: a link's wiring leads nowhere, or its program breaks a rule.
    """
    wiring = Wiring(testbed)
    links, forecasts = [], {}
    for name, link in testbed.memory_links.items():
        measured = Terms(most_attempts=MOST_ATTEMPTS, most_s=LONGEST_BATCH_S, keep="measure", target=None)
        kept = Terms(most_attempts=MOST_ATTEMPTS, most_s=LONGEST_BATCH_S, target=link.target, max_age_s=KEPT_S)
        programs = (
            _read_out(attempt_program(testbed, wiring, name, measured)),
            attempt_program(testbed, wiring, name, kept),
        )
        first, second = (memory.partition(".")[0] for memory in link.memories)
        expected = predict_memory_link(testbed, wiring, name)
        for kind in ("measure", "keep"):
            forecasts[name, kind] = Forecast(
                dict(expected.probability), RATE_ERROR, expected.mean_fidelity, FIDELITY_ERROR, now_s
            )
        longest_s = LONGEST_BATCH_S
        if lockstep:
            most_s = REHEARSED_HERALDS / expected.herald_probability * programs[0].period_ps / PS_PER_S
            longest_s = max(longest_s, most_s)
        links.append(
            Link(
                *(name, (first, second), programs),
                forecast_max_age_s=link.calibration.every if link.calibration else float("inf"),
                memories=tuple(link.memories),
                longest_batch_s=longest_s,
            )
        )
    tasks = calibrations(testbed, links, forecasts)
    lab = Lab(links, calibrations=tasks, conditions=(*conditions, *visibilities(testbed)), now_s=now_s)
    lab.forecasts.update(forecasts)
    return lab


def _read_out(base: AttemptProgram) -> AttemptProgram:
    """Return a ``measure`` program whose nodes measure in all bases in turn."""
    readout = tuple({"node": node, "bases": tuple(bases)} for node, bases in zip(base.nodes, BASES))
    return program(**{**base.model_dump(), "readout": readout})
