"""The wiring lines become a graph of ports; every wrong line is refused where it stands."""

from typing import Any

import pytest
from bellringer.testbed.errors import TestbedFileError
from bellringer.testbed.loader import load
from bellringer.testbed.wiring import Wiring

FIRST = "charlie.crystal.signal -> alice.fibre -> alice.plate -> alice.splitter"
SECOND = "alice.splitter.transmitted -> alice.detectors.1 -> alice.tagger.1"
THIRD = "alice.splitter.reflected -> alice.detectors.2 -> alice.tagger.2"


def test_next_leads_from_the_crystal_to_the_tagger(lab: Any) -> None:
    wiring = load(lab.path).wiring
    ports = ["charlie.crystal.signal"]
    while (port := wiring.next(ports[-1])) is not None:
        ports.append(port)
    assert ports == ["charlie.crystal.signal", "alice.fibre", "alice.plate", "alice.splitter"]
    assert wiring.next("alice.splitter.transmitted") == "alice.detectors.1"
    assert wiring.next("alice.detectors.1") == "alice.tagger.1"


def test_upstream_leads_back(lab: Any) -> None:
    wiring = load(lab.path).wiring
    assert wiring.upstream("alice.tagger.2") == "alice.detectors.2"
    assert wiring.upstream("alice.detectors.2") == "alice.splitter.reflected"
    assert wiring.upstream("charlie.crystal.signal") is None


def test_route_goes_through_parts_with_several_ports(lab: Any) -> None:
    assert load(lab.path).wiring.route_to("alice.tagger.2") == (
        "charlie.crystal.signal",
        "alice.fibre",
        "alice.plate",
        "alice.splitter.reflected",
        "alice.detectors.2",
    )


def test_route_to_an_unconnected_input_is_empty(lab: Any) -> None:
    assert load(lab.path).wiring.route_to("alice.tagger.4") == ()


def test_paths_are_the_lines_of_the_file(lab: Any) -> None:
    paths = load(lab.path).wiring.paths
    assert len(paths) == 6
    assert paths[1] == ("alice.splitter.transmitted", "alice.detectors.1", "alice.tagger.1")


def test_blanks_around_arrows_do_not_matter(lab: Any) -> None:
    lab.change(SECOND, "alice.splitter.transmitted->alice.detectors.1   ->  alice.tagger.1")
    assert load(lab.path).wiring.next("alice.detectors.1") == "alice.tagger.1"


# Each row: a good line, the line in its place, words of the message, words of the hint.
FAULTS = {
    "unknown part": (FIRST, FIRST.replace("fibre", "fiber"), "no part 'alice.fiber'", "did you mean 'alice.fibre'?"),
    "unknown node": (FIRST, FIRST.replace("charlie", "carlie"), "no part 'carlie.crystal'", "'charlie.crystal'"),
    "unknown crystal output": (
        FIRST,
        FIRST.replace("signal", "sgnal"),
        "no output 'sgnal'",
        "did you mean 'charlie.crystal.signal'?",
    ),
    "crystal without output": (
        FIRST,
        FIRST.replace(".signal", ""),
        "without the name of its output",
        "charlie.crystal.idler",
    ),
    "light into a crystal": (
        FIRST,
        FIRST + "\n  - charlie.pump -> charlie.crystal",
        "charlie.crystal has no input",
        "charlie.crystal.signal",
    ),
    "unknown splitter output": (
        SECOND,
        SECOND.replace("transmitted", "trans"),
        "no output 'trans'",
        "did you mean 'alice.splitter.transmitted'?",
    ),
    "splitter passed through": (
        FIRST,
        FIRST + " -> alice.fibre",
        "without the name of its output",
        "alice.splitter.reflected",
    ),
    "splitter output as input": (
        FIRST,
        FIRST + ".transmitted",
        "no input 'transmitted'",
        "end the line at alice.splitter",
    ),
    "port of a fibre": (FIRST, FIRST.replace("fibre", "fibre.out"), "alice.fibre has no input 'out'", "'alice.fibre'"),
    "third of two detectors": (
        SECOND,
        SECOND.replace("detectors.1", "detectors.3"),
        "no input '3'",
        "alice.detectors.1, alice.detectors.2",
    ),
    "detector without number": (
        SECOND,
        SECOND.replace("detectors.1", "detectors"),
        "without the name of its input",
        "alice.detectors.1",
    ),
    "tagger input 5": (SECOND, SECOND.replace("tagger.1", "tagger.5"), "no input '5'", "alice.tagger.4"),
    "light into a tagger": (
        SECOND,
        SECOND.replace("alice.detectors.1 -> ", ""),
        "gives light, but alice.tagger.1 takes pulses",
        "detector first",
    ),
    "pulses into a fibre": (
        SECOND,
        SECOND.replace("tagger.1", "fibre"),
        "gives pulses, but alice.fibre takes light",
        "detector first",
    ),
    "out of a tagger": (SECOND, SECOND + " -> alice.fibre", "alice.tagger has no output", "alice.tagger.1"),
    "into an oven": (
        SECOND,
        SECOND.replace("alice.detectors.1 -> alice.tagger.1", "charlie.oven"),
        "charlie.oven has no input",
        "nothing is connected",
    ),
    "output twice": (THIRD, SECOND.replace(".1", ".2"), "already feeds alice.detectors.1 (item 2", "correct one"),
    "input twice": (
        THIRD,
        THIRD.replace("tagger.2", "tagger.1"),
        "alice.tagger.1 is fed by alice.detectors.2, but already",
        "correct one",
    ),
    "connection twice": (THIRD, SECOND, "alice.splitter.transmitted -> alice.detectors.1 is wired twice", "once"),
    "no arrow": (FIRST, "alice.fibre", "'alice.fibre' connects nothing", "'->'"),
    "empty segment": (FIRST, "alice.fibre -> ", "'' is no port", "node.part"),
    "too many dots": (
        FIRST,
        FIRST.replace("signal", "signal.x.y"),
        "'charlie.crystal.signal.x.y' is no port",
        "node.part",
    ),
    "circle": (
        FIRST,
        "alice.splitter.transmitted -> alice.fibre -> alice.plate -> alice.splitter",
        "runs in a circle",
        "correct one",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_wrong_line_is_refused_where_it_stands(lab: Any, name: str) -> None:
    good, bad, what, hint = FAULTS[name]
    lab.change(f"- {good}\n", f"- {bad}\n")
    error = lab.refusal()
    last_line = bad.splitlines()[-1].removeprefix("  - ").strip()
    assert what in error.what
    assert hint in (error.hint if "errors" not in error.what else error.what)
    assert error.where == lab.place(last_line, after="alice.detectors.1 ->" if "twice" in name else "wiring:\n")


def test_an_undeclared_tagger_input_is_valid_if_the_file_names_it(lab: Any) -> None:
    lab.change("{1: H, 2: V}", "{1: H, 2: V, 8: monitor}")
    lab.change(SECOND, SECOND.replace("tagger.1", "tagger.8"))
    lab.change("tagger: alice.tagger, transmitted: 1", "tagger: alice.tagger, transmitted: 8")
    assert load(lab.path).wiring.next("alice.detectors.1") == "alice.tagger.8"


def test_an_instrument_without_a_model_may_have_any_port(lab: Any) -> None:
    lab.change('{kind: time_tagger, frequency_error: "0.4 ppm"}', "null")
    lab.change(SECOND, SECOND.replace("tagger.1", "tagger.start"))
    lab.write(lab.text[: lab.text.index("links:")])
    assert load(lab.path).wiring.next("alice.detectors.1") == "alice.tagger.start"


def test_one_name_for_an_instrument_and_an_optic_is_refused(lab: Any) -> None:
    lab.change("      fibre:\n", "      plate:\n")
    lab.change(FIRST, FIRST.replace("alice.fibre -> ", ""))
    error = lab.refusal()
    assert "alice.plate is both an instrument and an optic" in error.what
    assert error.where == lab.place("plate:\n        kind: fibre")


def test_several_wrong_lines_are_reported_together(lab: Any) -> None:
    lab.change(FIRST, FIRST.replace("fibre", "fiber"))
    lab.change(SECOND, SECOND.replace("tagger.1", "tagger.9"))
    assert lab.refusal().what.startswith("2 errors in the testbed file:")


def test_wiring_made_without_a_file_names_the_line_by_its_number(lab: Any) -> None:
    testbed = load(lab.path).testbed.model_copy(update={"wiring": ["charlie.crystal.signal -> alice.fiber"]})
    with pytest.raises(TestbedFileError) as caught:
        Wiring(testbed)
    assert caught.value.where == "wiring.0"
    assert "did you mean 'alice.fibre'?" in caught.value.hint
