"""Times and faults as people read them, everywhere alike; machines get them as they are."""

import re


def moment(utc: str) -> str:
    """Return a time of day in UTC (``utc_now``) to the second: "2026-01-31 12:05:00"."""
    return utc[:19].replace("T", " ")


def fault_text(fault: str) -> str:
    """Return a node's fault without the number that tells it from another one of the same text."""
    return re.sub(r"^\d+: ", "", fault).rstrip(": ")
