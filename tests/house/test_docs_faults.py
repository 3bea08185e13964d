"""docs/faults.md names, for every row of the fault table that is covered, tests that exist, and every test there is."""

import ast
import re
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"
ROWS = {*range(1, 19), 24, *range(26, 29), *range(30, 38), 39, 40}


@pytest.fixture
def table(documentation):
    (tables,) = [section.tables() for section in documentation["faults.md"].sections()]
    return tables["row"]


def named(row):
    """Return the (file, function) pairs of a row's last cell."""
    return re.findall(r"`([\w.]+)::(\w+)`", row["test"])


def written():
    """Return the (file, function) pairs of all tests of faults."""
    return {
        (path.name, node.name)
        for path in FAULTS.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
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
            assert function.startswith(f"test_row_{int(row['row']):02d}_")


def test_every_test_of_faults_is_named_once(table):
    mentioned = [pair for row in table for pair in named(row)]
    assert sorted(mentioned) == sorted(written())
