"""Audit log: every change to it is found, torn lines are noted, nothing of a secret or of great length gets in."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from bellringer.orchestrator.wire import Audit, AuditError, verify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "audit.jsonl"


def write(path, lines=5) -> None:
    with Audit(path) as audit:
        for number in range(lines):
            audit.append(
                who="abcd bob",
                role="operator",
                verb="set",
                arguments={"instrument": "alice.pump", "value": number},
                result="done",
                cause=f"00:{number}",
                durable=number % 2 == 0,
            )


def test_a_log_that_nobody_touched_verifies_and_goes_on_after_a_restart(path):
    write(path)
    first = verify(path)
    assert (first.lines, first.torn) == (5, ())
    write(path, 3)
    second = verify(path)
    assert second.lines == 8
    assert second.last_hash != first.last_hash
    assert path.stat().st_mode & 0o077 == 0
    line = json.loads(path.read_text().splitlines()[6])
    assert line["who"] == "abcd bob"
    assert line["verb"] == "set"
    assert line["arguments"] == {"instrument": "alice.pump", "value": 1}
    assert line["cause"] == "00:1"


def test_an_empty_or_missing_log(path):
    with pytest.raises(AuditError, match="cannot read"):
        verify(path)
    write(path, 0)
    assert verify(path).lines == 0


EDITS = {
    "a value": lambda lines: [line.replace('"value": 2', '"value": 3') for line in lines],
    "a hash": lambda lines: [lines[0][:-10] + "0" * 8 + lines[0][-2:], *lines[1:]],
    "a line removed": lambda lines: [*lines[:2], *lines[3:]],
    "the first removed": lambda lines: lines[1:],
    "two swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "one doubled": lambda lines: [lines[0], lines[0], *lines[1:]],
    "a blank line": lambda lines: [lines[0], "", *lines[1:]],
    "the last cut short": lambda lines: [*lines[:-1], lines[-1][:-20]],
    "all of it": lambda lines: ["{}"] * 5,
    "no JSON": lambda lines: ["spam", *lines[1:]],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_is_found(path, edit):
    write(path)
    lines = path.read_text().splitlines()
    edited = edit(lines)
    assert edited != lines
    path.write_text("\n".join(edited) + "\n")
    with pytest.raises(AuditError) as caught:
        verify(path)
    assert str(path) in caught.value.where


def test_every_single_changed_byte_is_found(path):
    write(path, 3)
    content = path.read_bytes()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(AuditError):
            verify(path)


@pytest.mark.parametrize("torn", [b"{", b'{"number": 6, "utc": "2026', b"\xff\xfe", b'{"number"\n{"num'])
def test_a_torn_line_is_noted_at_the_next_start_and_the_chain_holds(path, torn):
    write(path)
    with open(path, "ab") as file:
        file.write(torn)
    with pytest.raises(AuditError, match="torn"):
        verify(path)
    write(path, 2)
    found = verify(path)
    assert found.lines == 8  # five, the note, two
    assert found.torn == tuple(range(6, 7 + torn.count(b"\n")))
    path.write_bytes(path.read_bytes().replace(torn.split(b"\n")[0], torn.split(b"\n")[0][:-1] + b"~", 1))
    with pytest.raises(AuditError):
        verify(path)


def test_a_file_that_is_no_audit_log_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("name: testbed\nnodes:\n  alice: {}\n")
    with pytest.raises(AuditError, match="no audit log"):
        Audit(path)
    assert path.read_text().startswith("name: testbed")


def test_two_writers_are_refused(path):
    with Audit(path), pytest.raises(AuditError, match="another service"):
        Audit(path)


def test_arguments_are_shortened(path):
    with Audit(path) as audit:
        arguments = {
            "text": "x" * 1000,
            "list": list(range(1000)),
            "tags": np.zeros((10, 2)),
            "bad": float("nan"),
            "number": 0.5,
            "nothing": None,
        }
        audit.append(who="w", role="r", verb="v", arguments=arguments, result="y" * 1000)
    (line,) = path.read_text().splitlines()
    assert len(line) < 1500
    kept = json.loads(line)["arguments"]
    assert kept["tags"] == "float64[10, 2]"
    assert kept["bad"] == "nan"
    assert kept["number"] == 0.5
    assert kept["nothing"] is None
    assert kept["text"].endswith("...")
    assert verify(path).lines == 1


def test_a_log_that_cannot_be_written_says_so_and_recovers(path, mocker):
    with Audit(path) as audit:
        line = {"who": "w", "role": "r", "verb": "v", "arguments": {}, "result": "done"}
        audit.append(**line)
        real = os.write
        mocker.patch("os.write", side_effect=lambda fd, data: real(fd, data[: len(data) // 2]))
        with pytest.raises(AuditError, match="cannot be written"):
            audit.append(**line)
        mocker.stopall()
        audit.append(**line)
    assert verify(path).torn == (2,)
    assert verify(path).lines == 3


WRITER = """
import pathlib, sys
from bellringer.orchestrator.wire import Audit
audit = Audit(pathlib.Path(sys.argv[1]))
for number in range(1_000_000):
    audit.append(who="w", role="r", verb="v", arguments={"n": number}, result="done", durable=number == 0)
    if number == 100:
        print("ready", flush=True)
"""


@pytest.mark.process
def test_a_killed_service_leaves_a_log_that_goes_on(path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=path.parents[1]
    ) as writer:
        assert writer.stdout.readline() == b"ready\n"
        writer.kill()
    write(path, 1)
    assert verify(path).lines > 100
