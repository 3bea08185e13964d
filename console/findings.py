"""What ``bellringer doctor`` finds: one line per check, with what to do about it."""

from dataclasses import dataclass

from ..testbed.errors import BellringerError

OK, WARN, BAD, UNKNOWN = "ok", "warn", "bad", "unknown"


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, how it is, what was seen, and the way to mend it."""

    check: str
    state: str
    text: str
    fix: str = ""


def of_error(check: str, error: BellringerError, state: str = BAD) -> Finding:
    """Return the finding that an error is."""
    return Finding(check, state, f"{error.what}{f' ({error.where})' if error.where else ''}", error.hint)
