"""docs/faults.md names, for every row of the fault table that is covered, tests that exist, and every test of a row."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = set(range(1, 41))


@pytest.fixture
def table(documentation):
    (tables,) = [section.tables() for section in documentation["faults.md"].sections()]
    return tables["row"]


def named(row):
    """Return the (file, function) pairs of a row's last cell; a file without a folder is in tests/faults."""
    found = re.findall(r"`([\w./]+)::(\w+)`", row["test"])
    return [(file if "/" in file else f"faults/{file}", function) for file, function in found]


def written():
    """Return the (file, function) pairs of all tests of faults, and of every other test that is named after a row."""
    return {
        (file, node.name)
        for path in TESTS.rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for file in [str(path.relative_to(TESTS))]
        if node.name.startswith("test_row_") or file.startswith("faults/")
    }


def test_every_row_is_there_in_order(table):
    rows = [int(row["row"]) for row in table]
    assert set(rows) == ROWS
    assert rows == sorted(rows)
    assert all(row["what happens"] and row["what is expected"] for row in table)


def test_every_named_test_exists_and_carries_its_rows_number(table):
    exist = written()
    for row in table:
        assert named(row), row
        for file, function in named(row):
            assert (file, function) in exist, f"{file}::{function}"
            assert f"{int(row['row']):02d}" in re.findall(r"\d\d", function[: len("test_row_00_and_00_")])


def test_every_test_of_a_row_is_named_and_none_twice_in_a_row(table):
    mentioned = [(row["row"], *pair) for row in table for pair in named(row)]
    assert len(set(mentioned)) == len(mentioned)
    assert {(file, function) for _, file, function in mentioned} == written()
