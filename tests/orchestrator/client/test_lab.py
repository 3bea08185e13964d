"""A testbed as Python objects: names, values with units, methods, help, and no attribute that is not there."""

import inspect
import pydoc

import pytest
from bellringer.orchestrator.client.described import NoSuchName
from bellringer.orchestrator.client.proxy import signature_of
from bellringer.orchestrator.wire.messages import Do
from bellringer.testbed.errors import Aborted, QuantityError


def test_nodes_instruments_values_and_methods_are_there_to_be_completed(lab):
    assert {"alice", "bob-2", "own", "estop", "ack", "status", "run_names", "close"} <= set(dir(lab))
    assert dir(lab.alice) == ["plate"]
    names = {"angle", "steps", "mode", "locked", "homed", "home", "safe_state", "set", "snapshot"}
    assert set(dir(lab.alice.plate)) == names
    assert list(lab) == ["alice", "bob-2"]
    assert repr(lab["bob-2"]) == "<bob-2: >"


def test_looking_at_an_instrument_asks_it_nothing(lab, connections):
    plate = lab.alice.plate
    for name in dir(plate):
        assert isinstance(getattr(type(plate), name), (property, type(signature_of)))
    pydoc.render_doc(plate)
    assert (repr(plate), str(inspect.signature(plate.home))) == (
        "<alice.plate: Mount 1>",
        "(direction: str = 'cw', *, timeout_s: float = 30.0) -> None",
    )
    assert connections.asked == []


def test_help_tells_what_the_driver_says(lab):
    told = pydoc.plain(pydoc.render_doc(lab.alice.plate))
    assert "Find the reference mark." in told
    assert "Position. In deg. May be set to: -360 to 720 deg (limit of the hardware)." in told
    assert "A rotation mount." in told


def test_values_are_read_and_set_in_their_declared_unit(lab, connections):
    assert lab.alice.plate.angle == 10.0
    lab.alice.plate.angle = 22.5
    assert connections.last == ("angle", 22.5)
    lab["alice.plate"].angle = "0.5 rad"
    assert connections.last == ("angle", pytest.approx(28.647889756541))
    lab["alice"]["plate"].mode = "COARSE"
    assert connections.last == ("mode", "COARSE")
    lab.alice.plate.locked = "on"
    assert connections.last == ("locked", True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("angle", "10", "without a unit"), ("angle", "1 W", "not a quantity in deg"), ("mode", "SLOW", "cannot be"),
     ("steps", "1.5", "whole number"), ("locked", "maybe", "not true or false")],
)  # fmt: skip
def test_text_that_is_no_such_value_is_refused_before_anything_is_sent(lab, connections, name, value, message):
    with pytest.raises(QuantityError, match=message):
        setattr(lab.alice.plate, name, value)
    assert connections.asked == []


@pytest.mark.parametrize(
    ("write", "hint"),
    [
        (lambda lab: setattr(lab.alice.plate, "angel", 3.0), "did you mean 'angle'"),
        (lambda lab: setattr(lab.alice.plate, "homed", True), "is a reading and cannot be set"),
        (lambda lab: setattr(lab.alice.plate, "home", True), "no setting 'home'"),
        (
            lambda lab: setattr(lab.alice, "plate", 3.0),
            r"lab\.alice\.plate\.SETTING = \.\.\.; its settings: angle, ",
        ),
        (lambda lab: setattr(lab.alice, "plat", 3.0), "did you mean 'plate'"),
        (lambda lab: setattr(lab, "alice", 3.0), r"write lab\.alice\.INSTRUMENT\.SETTING"),
        (lambda lab: lab.alice.plate.angel, "did you mean 'angle'"),
        (lambda lab: lab.alise, "did you mean 'alice'"),
        (lambda lab: lab.alice.plat, "did you mean 'alice.plate'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest_one(lab, connections, write, hint):
    with pytest.raises(NoSuchName, match=hint):
        write(lab)
    assert connections.asked == []


def test_what_notebooks_look_for_is_answered_without_the_network(lab, connections):
    for each in (lab, lab.alice, lab.alice.plate):
        assert not hasattr(each, "_ipython_display_")
        assert not hasattr(each, "__array__")
    assert connections.asked == []


def test_methods_are_called_with_plain_values(lab, connections):
    lab.alice.plate.home("ccw", timeout_s=5)
    assert connections.last == ("home", ("ccw",), {"timeout_s": 5})
    with pytest.raises(TypeError, match=r"alice\.plate\.home cannot be called like this: .*'timeout'") as caught:
        lab.alice.plate.home(timeout=5)
    assert "it is home(direction: str = 'cw', *, timeout_s: float = 30.0) -> None" in str(caught.value)
    lab.alice.plate.safe_state()
    where, message = connections.asked[-1]
    assert (where, isinstance(message, Do) and message.verb) == ("aside", "safe_state"), "it waits for nobody's call"


@pytest.mark.parametrize("text", ["(", "(x: )", "() -> None: import os", "(a, a)", "(x=1, y)"])
def test_a_signature_that_is_none_is_left_out(text):
    assert signature_of(text) is None


def test_nothing_in_a_signature_is_evaluated():
    assert str(signature_of("(x=__import__('os').abort())")) == "(self, /, x=__import__('os').abort())"


def test_tables_show_values_with_their_units_and_what_cannot_be_had(lab, connections):
    html = lab.alice.plate._repr_html_()
    assert "<td>10 deg</td>" in html
    assert "<td>?</td>" in html, "it could not tell whether it is homed"
    connections.values["mode"] = "<script>"
    assert "<script>" not in lab.alice.plate._repr_html_()
    assert lab.alice.plate.__rich__().row_count == 5


def test_what_cannot_be_shown_says_so_and_does_not_raise(lab, connections):
    def fail(*words):
        raise QuantityError("it is unplugged")

    connections.ask_node = fail
    assert "it is unplugged" in lab.alice.plate._repr_html_()


def test_what_is_held_is_used_only_as_long_as_the_hold_lasts(lab, connections):
    class Hold:
        def check(self):
            raise Aborted("it was aborted")

    lab._speaker.holds["alice.plate"] = Hold()
    with pytest.raises(Aborted):
        lab.alice.plate.angle = 3.0
    assert connections.asked == []
    lab.alice.plate.safe_state()


def test_what_is_held_is_set_in_the_name_of_the_hold(lab, connections):
    class Hold:
        run = "anna's script"

        def check(self):
            pass

    lab.alice.plate.angle = 3.0
    assert connections.asked[-1][1].run == ""
    lab._speaker.holds["alice.plate"] = Hold()
    lab.alice.plate.angle = 3.0
    assert connections.asked[-1][1].run == "anna's script"
    lab.alice.plate.home()
    assert connections.asked[-1][1].run == "anna's script"
    assert lab.alice.plate.angle == 3.0


def test_it_ends_with_its_context(lab, connections):
    with lab as same:
        assert same is lab
    assert connections.asked == [("closed", None)]
