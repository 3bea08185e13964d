"""``bellringer audit``: is a log of who did what as the service wrote it?"""

from collections.abc import Sequence
from pathlib import Path

from ..orchestrator.wire.audit import verify
from ..orchestrator.wire.errors import AuditError
from .main import emit_json, print_error


def audit_command(files: Sequence[Path], as_json: bool) -> int:
    """Check every log's chain and tell what holds and where one is broken; return the exit code (0 if all hold)."""
    whole = True
    for path in files:
        try:
            found = verify(path)
        except AuditError as error:
            whole = False
            if as_json:
                emit_json({"file": str(path), "whole": False, "error": error.what, "where": error.where})
            else:
                print_error(error)
            continue
        if as_json:
            torn = list(found.torn)
            emit_json({"file": str(path), "whole": True, "lines": found.lines, "hash": found.last_hash, "torn": torn})
        else:
            noted = f"; torn when the service was killed: line {', '.join(map(str, found.torn))}" if found.torn else ""
            print(f"{path}: whole, {found.lines} lines, the last one's hash is {found.last_hash}{noted}")
    return 0 if whole else 1
