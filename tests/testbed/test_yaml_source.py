"""YAML is read strictly: what cannot be read, or would not mean what it seems to say, is refused where it stands."""

from pathlib import Path
from typing import Any

import pytest
from bellringer.testbed.errors import TestbedFileError
from bellringer.testbed.loader import load

SYNTAX = {
    "tab": ("    optics:\n      fibre", "\toptics:\n      fibre", "\toptics", "no tabs"),
    "missing bracket": ("{kind: oven}", "{kind: oven", ":\n        driver: fake_source", "brackets"),
    "colon in text": ("name: test-lab", "name: test: lab", ": lab", "': ' needs quotes"),
    "two documents": ("name: test-lab", "---\nname: test-lab", "---", "one YAML document"),
    "anchor": ('{address: "0"}', '&a {address: "0"}', "&a", "write the value out"),
    "alias": ('{address: "0"}', "*a", "*a", "write the value out"),
    "tag": ('{address: "0"}', "!!python/object/apply:os.getcwd []", "!!python", "without it"),
    "mapping as a key": ('{address: "0"}', "{[a, b]: 0}", "[a, b]", "name: value"),
    "control character": ("test-lab", "test\x07lab", "\x07", "delete it"),
}


@pytest.mark.parametrize("name", SYNTAX)
def test_bad_yaml_is_placed_and_hinted(lab: Any, name: str) -> None:
    old, new, needle, hint = SYNTAX[name]
    lab.change(old, new)
    error = lab.refusal()
    assert hint in error.hint
    assert error.where == lab.place(needle)


def test_a_yaml_bomb_is_refused_at_its_first_anchor(lab: Any) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi"):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    lab.write("\n".join(lines))
    error = lab.refusal()
    assert error.where == f"{lab.path}:1:4"
    assert "anchors" in error.what


def test_deep_nesting_is_refused_before_the_stack_ends(lab: Any) -> None:
    lab.write("a: " + "[" * 5000)
    error = lab.refusal()
    assert "nested more than 32 deep" in error.what
    assert error.where == f"{lab.path}:1:35"


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_says_how_to_begin(lab: Any, text: str) -> None:
    lab.write(text)
    error = lab.refusal()
    assert "empty" in error.what
    assert "bellringer: 1" in error.hint
    assert error.where == f"{lab.path}:1:1"


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "5\n"])
def test_a_file_that_is_no_mapping_is_refused(lab: Any, text: str) -> None:
    lab.write(text)
    error = lab.refusal()
    assert "block of 'name: value' lines" in error.what
    assert error.where == f"{lab.path}:1:1"


def test_a_missing_file_hints_at_the_nearest_one(lab: Any) -> None:
    with pytest.raises(TestbedFileError) as caught:
        load(lab.path.with_name("lap.yaml"))
    assert caught.value.hint == "did you mean 'lab.yaml'?"
    assert caught.value.where == str(lab.path.with_name("lap.yaml"))


def test_a_missing_file_in_an_empty_folder_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(TestbedFileError) as caught:
        load(tmp_path / "lab.yaml")
    assert "bellringer init" in caught.value.hint


def test_a_folder_is_no_testbed_file(tmp_path: Path) -> None:
    with pytest.raises(TestbedFileError, match="cannot read") as caught:
        load(tmp_path)
    assert "YAML file" in caught.value.hint


def test_bytes_that_are_no_utf8_are_placed(lab: Any) -> None:
    lab.path.write_bytes(b"bellringer: 1\nname: K\xf6ln\n")
    error = lab.refusal()
    assert error.where == f"{lab.path}:2:8"
    assert "UTF-8" in error.hint


def test_a_byte_order_mark_is_no_fault(lab: Any) -> None:
    lab.path.write_bytes(b"\xef\xbb\xbf" + lab.text.encode())
    assert load(lab.path).testbed.name == "test-lab"


def test_numbers_that_yaml_would_reinterpret_stay_text(lab: Any) -> None:
    lab.change('options: {address: "0"}', "options: {a: 1:30, b: 010, c: 2026-11-20, d: 0x1F, e: 1_000}")
    options = load(lab.path).testbed.instruments()["charlie.pump_plate"].options
    assert options == {"a": "1:30", "b": "010", "c": "2026-11-20", "d": "0x1F", "e": 1000}


def test_leading_zeros_of_a_serial_number_survive_without_quotes(lab: Any) -> None:
    lab.change('"0042"', "0042")
    assert load(lab.path).testbed.instruments()["alice.tagger"].serial_number == "0042"


def test_exponents_without_a_sign_are_plain_numbers(lab: Any) -> None:
    lab.change("efficiency: 0.8", "efficiency: 8e-1")
    assert load(lab.path).testbed.instruments()["alice.detectors"].model.efficiency == 0.8
