"""``heralded_bell`` on cores: its figures, and what it says when pairs are missing."""

import numpy as np
from bellringer.sequences.library.heralded_bell import heralded_bell


def pulls(run):
    (_, *rows) = run.figures["prediction"].table
    return {row[0]: float(row[3]) for row in rows}


def test_rate_fidelities_and_selected_fraction_stand_together_and_agree_with_the_prediction(core_run):
    """Seed 3, 900 pairs in nine settings: five pulls within 3 sigma, and each correlator within 4."""
    run = core_run(seed=3)
    heralded_bell(run)
    assert all(abs(pull) < 3 for pull in pulls(run).values())
    series = run.figures["correlators"].series
    points, lines = series[::2], series[1::2]
    assert all((np.abs(line.y - point.y) < 4 * point.error).all() for point, line in zip(points, lines))
    assert {line.style for line in lines} == {"line"}
    assert np.ptp([point.x for point in points], axis=0).min() > 0.1, "no point hides another one"
    assert list(run.figures) == ["heralded_pairs", "correlators", "prediction"]
    assert [row[0] for row in run.figures["heralded_pairs"].table[1:]] == ["fidelity", "pair_rate", "selected_fraction"]
