"""Mistakes in a testbed file: found by the check that comes before every command with a file, before any I/O."""

import socket
from pathlib import Path

import pytest
from bellringer.console.files import load_checked
from bellringer.testbed.errors import TestbedFileError

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
TAGGER = "zmq://192.0.2.22:5555"

# What stands in the file, what takes its place, where in the line the error is, what is told, what to do.
MISTAKES = {
    "a typing error in a driver": ("driver: tc200", "driver: tc20", "driver: tc20", "no driver 'tc20'", "'tc200'"),
    "an unknown key": ("linewidth:", "linewith:", "linewith", "unknown", "linewidth"),
    "a word that is not among the choices": (
        "element: half_wave_plate, speed",
        "element: half_wave_plat, speed",
        "element: half_wave_plat,",
        "'half_wave_plat' is no valid element",
        "half_wave_plate",
    ),
    "one address for two instruments": (
        "zmq://192.0.2.32:5555",
        TAGGER,
        f"resource: {TAGGER}",
        f"bob.tagger is at {TAGGER} like alice.tagger",
        "need different 'options: {address: ...}'",
    ),
}


@pytest.fixture
def refusal(tmp_path):
    """Check the example with a change, and return the error; nobody may be connected to meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as unit:
        port = unit.getsockname()[1]
        unit.settimeout(0.05)

        def check(old, new):
            text = EXAMPLE.read_text(encoding="utf-8").replace(
                "socket://192.0.2.21:12000", f"socket://127.0.0.1:{port}"
            )
            assert old in text
            file = tmp_path / "lab.yaml"
            file.write_text(text.replace(old, new, 1), encoding="utf-8")
            with pytest.raises(TestbedFileError) as caught:
                load_checked(file, [])
            with pytest.raises(TimeoutError):
                unit.accept()
            return caught.value, file.read_text(encoding="utf-8").splitlines()

        yield check


@pytest.mark.parametrize("mistake", MISTAKES)
def test_row_38_a_mistake_in_a_testbed_file_is_told_with_its_place_and_what_was_meant_before_any_io(refusal, mistake):
    old, new, at, what, hint = MISTAKES[mistake]
    error, lines = refusal(old, new)
    assert what in error.what
    assert hint in error.hint
    _, line, column = error.where.rsplit(":", 2)
    assert lines[int(line) - 1][int(column) - 1 :].startswith(at)


def test_row_38_a_file_that_is_not_there_is_told_with_the_nearest_name(tmp_path):
    (tmp_path / "lab.yaml").write_text("bellringer: 1\n")
    with pytest.raises(TestbedFileError) as caught:
        load_checked(tmp_path / "lap.yaml", [])
    assert caught.value.hint == "did you mean 'lab.yaml'?"
