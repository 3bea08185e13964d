"""``bellringer audit``: a whole log is told to be, and where one is broken."""

import json

from bellringer.console.audit import audit_command
from bellringer.orchestrator.wire.audit import Audit, verify


def written(path):
    with Audit(path) as audit:
        for reason in ("smoke", "fire", "all clear"):
            audit.append(who="anna", role="operator", verb="estop", arguments={"reason": reason}, result="done")
    return path


def test_whole_logs_are_told_with_the_hash_to_compare(tmp_path, capsys):
    files = [written(tmp_path / name / "audit.jsonl") for name in ("alice", "bob")]
    assert audit_command(files, as_json=False) == 0
    told = capsys.readouterr().out.splitlines()
    assert [
        f"{path}: whole, 3 lines" in line and verify(path).last_hash in line for path, line in zip(files, told)
    ] == [
        True,
        True,
    ]


def test_a_changed_line_is_found_and_the_other_logs_are_looked_at_all_the_same(tmp_path, capsys):
    changed, whole = (written(tmp_path / name / "audit.jsonl") for name in ("alice", "bob"))
    changed.write_text(changed.read_text().replace("fire", "dust"))
    assert audit_command([changed, whole, tmp_path / "missing"], as_json=True) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["whole"] for each in told] == [False, True, False]
    assert told[0]["where"].startswith(f"{changed}:3"), "the line after it does not fit any more"


def test_a_broken_log_is_an_error_for_people(tmp_path, capsys):
    path = written(tmp_path / "audit.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert audit_command([path], as_json=False) == 1
    assert "a line before this one was changed, removed or added" in " ".join(capsys.readouterr().err.split())
