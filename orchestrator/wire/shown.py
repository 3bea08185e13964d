"""Times and faults as people read them, everywhere alike; machines get them as they are."""

import re
from collections.abc import Mapping
from typing import Any

NEXT = r"; (?=[\w-]+\.[\w-]+: )"
"""Where one error ends and that of the next instrument begins, in a fault that tells of several."""


def moment(utc: str) -> str:
    """Return a time of day in UTC (``utc_now``) to the second: "2026-01-31 12:05:00"."""
    return utc[:19].replace("T", " ")


def estop_text(press: Mapping[str, Any]) -> str:
    """Return who pressed the e-stop, when and why, in one line."""
    reason = f": {press['reason']}" if press["reason"] else ""
    return f"e-stop pressed by '{press['who']}' at {moment(press['utc'])} UTC{reason}"


def not_dark(fault: str) -> tuple[list[str], str]:
    """Return the instruments that a node's fault says could not be made dark, each with what happened in one line.

    Also the advice for the first of them.
    """
    found = re.fullmatch(r"\d+: not confirmed dark: (.*)", fault, re.DOTALL)
    errors = re.split(NEXT, found[1]) if found else [""]
    return [error.partition("\n")[0] for error in errors if error], errors[0].partition("\n  next:  ")[2]


def fault_text(fault: str) -> str:
    """Return a node's fault in one line, without the number that tells it from another one of the same text.

    Errors of several instruments, joined by semicolons, lose where they were (their names say it) and repeated advice.
    """
    said: set[str] = set()

    def advice(found: re.Match[str]) -> str:
        again = found[1] in said
        said.add(found[1])
        return "" if again else f" ({found[1]})"

    fault = re.sub(r"\n  where: [^\n]*", "", re.sub(r"^\d+: ", "", fault))
    return re.sub(rf"\n  next:  (.*?)(?={NEXT}|\n|$)", advice, fault).rstrip(": ")


def by_hand_text(body: Mapping[str, Any]) -> str:
    """Return what somebody did by hand in a run's name (event ``by_hand`` of an agent)."""
    if "setting" in body:
        what = f"set {body['instrument']}.{body['setting']} to {body['value']}"
    else:
        given = [*map(str, body["args"]), *(f"{name}={value}" for name, value in body["keywords"].items())]
        what = f"called {body['instrument']} {body['method']}({', '.join(given)})"
    return f"{body['who']} {what} by hand" + (f", which failed: {body['error']}" if "error" in body else "")
