"""Times on the command line: seconds, or with a unit."""

import pytest
import typer
from bellringer.console.times import seconds


@pytest.mark.parametrize(("text", "value"), [("5", 5.0), ("0.5", 0.5), ("5 s", 5.0), ("200 ms", 0.2), (1.0, 1.0)])
def test_a_number_is_in_seconds_and_a_unit_may_be_said(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "5 m", "soon", "-5 s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(typer.BadParameter):
        seconds(text)
