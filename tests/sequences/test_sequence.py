"""Sequences: typed parameters from text, errors that name the nearest right word, files of one's own."""

import pytest
from bellringer.console.main import sequence_options
from bellringer.sequences import find_sequence, sequence
from bellringer.sequences.sequence import LIBRARY
from bellringer.testbed.errors import BellringerError


@sequence
def example(run, points: int, span: float = 2.5, fast: bool = False, label: str = "x") -> None:
    """An example."""


def test_parameters_are_parsed_to_their_types():
    assert example.resolve({"points": "7", "span": "1e-3", "fast": "yes"}) == {
        "points": 7,
        "span": 1e-3,
        "fast": True,
        "label": "x",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs --points"),
        ({"points": "seven"}, "not a whole number"),
        ({"points": "7.5"}, "not a whole number"),
        ({"points": "7", "span": "nan"}, "not a finite number"),
        ({"points": "7", "fast": "maybe"}, "not true or false"),
        ({"points": "7", "spam": "1"}, "did you mean 'span'"),
    ],
)
def test_a_wrong_parameter_is_refused(given, message):
    with pytest.raises(BellringerError, match=message):
        example.resolve(given)


def test_a_parameter_without_a_plain_type_is_refused_when_the_sequence_is_made():
    with pytest.raises(TypeError, match="must be annotated"):

        @sequence
        def bad(run, values: list) -> None:
            """No."""


@pytest.mark.parametrize("name", LIBRARY)
def test_every_library_sequence_is_found_and_documented(name):
    found = find_sequence(name)
    assert found.name == name
    assert found.doc
    assert {"integration_s", "deadline_s"} & found.parameters.keys(), "nothing says how long it may take"


def test_an_unknown_sequence_names_the_nearest():
    with pytest.raises(BellringerError, match="did you mean 'chsh'"):
        find_sequence("chhs")


def test_a_sequence_of_ones_own_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from bellringer.sequences import sequence\n@sequence\ndef scan(run, n: int = 3) -> None:\n    'Mine.'\n"
    )
    assert find_sequence(f"{file}:scan").parameters["n"].default == 3
    assert find_sequence(str(file)).name == "scan"
    with pytest.raises(BellringerError, match="did you mean 'scan'"):
        find_sequence(f"{file}:scn")
    with pytest.raises(BellringerError, match="no file"):
        find_sequence(f"{tmp_path}/other.py:scan")


def test_options_of_a_sequence_on_the_command_line():
    assert sequence_options(["--integration-s", "2", "--fast", "--label=a b", "--span", "-1"]) == {
        "integration_s": "2", "fast": "true", "label": "a b", "span": "-1",
    }  # fmt: skip
    with pytest.raises(BellringerError, match="what is 'stray'"):
        sequence_options(["stray"])
