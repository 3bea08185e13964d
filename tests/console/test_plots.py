"""Figures of reports."""

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


AXES = {"x_label": "bases", "y_label": "correlator", "log_y": False, "ticks": ["XX", "YY", "ZZ"]}
FIGURE = {"name": "correlators", "title": "", "marks": [], **AXES}
POINTS = {"label": "psi+", "x": [0, 1, 2], "y": [0.5, None, -0.5], "error": [0.1, None, 0.2], "style": "points"}


def test_what_was_not_measured_leaves_a_gap():
    drawn = svg({**FIGURE, "series": [POINTS]})
    assert drawn.count("<use") > svg({**FIGURE, "series": []}).count("<use")
