"""Figures as SVG."""

import numpy as np
from bellringer.console.plots import svg
from bellringer.sequences.figures import Figure, Series


def drawn(y, error):
    text = svg(
        Figure("c", "Correlators", series=(Series("measured", np.arange(2), np.array(y), np.array(error)),)).as_dict()
    )
    return text.count("<use") + text.count("<path")


def test_a_point_without_a_value_or_an_uncertainty_is_left_out_or_drawn_without_a_bar():
    """Correlators of few pairs that all agree, or of none; in a run's record that is ``null``."""
    assert drawn([None, 0.5], [None, 0.2]) <= drawn([1.0, 0.5], [None, 0.2]) < drawn([1.0, 0.5], [0.1, 0.2])
