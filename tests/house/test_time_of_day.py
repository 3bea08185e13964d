"""Row 19: nothing but names, logs, displays and one look at the start knows what time of day it is."""

import ast
from pathlib import Path

ROOMS = ("physics", "testbed", "drivers", "sim_backends", "analysis", "orchestrator", "sequences", "console")
HOUSE = Path(__file__).parents[2]
TELLS = {"time", "time_ns", "now", "utcnow", "today", "gmtime", "localtime", "ctime", "strftime"}
"""Of the modules ``time`` and ``datetime``; other objects have methods of these names too."""
MAY = {
    "testbed/clock.py": "where hardware time begins, read once",
    "orchestrator/wire/history.py": "stamps of events, for people",
    "orchestrator/wire/audit.py": "stamps of the audit log",
    "orchestrator/wire/enrolled.py": "when a key was enrolled, for people",
    "orchestrator/coordinator/service.py": "stamps of the journal, for people",
    "orchestrator/records/folder.py": "names of runs, and when they were",
    "orchestrator/client/hold.py": "names of holds",
    "console/sessions.py": "age of files of processes that died",
    "console/doctor_network.py": "compares the clocks of computers",
}


def asks_the_time(path):
    """Return the lines of a module that ask what time of day it is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "time" and TELLS & {each.name for each in node.names}:
            yield node.lineno
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in TELLS
            and node.value.id in ("time", "datetime", "date", "dt")
        ):
            yield node.lineno


def test_row_19_only_names_logs_and_displays_know_the_time_of_day():
    found = {
        str(path.relative_to(HOUSE)): lines
        for room in ROOMS
        for path in (HOUSE / room).rglob("*.py")
        if (lines := list(asks_the_time(path)))
    }
    assert found.keys() == MAY.keys(), {path: lines for path, lines in found.items() if path not in MAY}
