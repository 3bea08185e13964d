"""Figures of reports."""

from bellringer.console.plots import svg

AXES = {"x_label": "bases", "y_label": "correlator", "log_y": False, "ticks": ["XX", "YY", "ZZ"]}
FIGURE = {"name": "correlators", "title": "", "marks": [], **AXES}
POINTS = {"label": "psi+", "x": [0, 1, 2], "y": [0.5, None, -0.5], "error": [0.1, None, 0.2], "style": "points"}


def test_what_was_not_measured_leaves_a_gap():
    drawn = svg({**FIGURE, "series": [POINTS]})
    assert drawn.count("<use") > svg({**FIGURE, "series": []}).count("<use")
