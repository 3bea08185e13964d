"""Refusals of values that are no physical quantity, shared by the closed forms of this room."""

import math


def not_negative(**values: float) -> None:
    """Raise ``ValueError`` for a value that is negative, infinite or no number."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; it must be a finite number, zero or more")


def fraction(name: str, value: float) -> float:
    """Return ``value``, or raise ``ValueError`` if it does not lie between 0 and 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")
    return value


def positive(**values: float) -> None:
    """Raise ``ValueError`` for a value that is not above zero; infinity is allowed (what never decays)."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be above zero")
