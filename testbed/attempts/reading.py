"""Attempt programs from plain values and from JSON text, with refusals that people can read.

Stricter than JSON: a key may appear once, NaN and infinities are refused, and nothing is turned into another type
(``3.0``, ``"3"`` and ``true`` are no whole numbers).
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..errors import BellringerError, ProgramError, nearest
from ..models import Model
from ..problems import Key, Problem, choose
from .program import AttemptProgram, Calibration, Correction, Herald, Pulse, Readout, Stop, Window
from .rules import error_of

LONGEST_TEXT = 1 << 20
"""Bytes; cores need not take longer programs."""

_PARTS: dict[Key, type[Model]] = {
    "pulses": Pulse,
    "windows": Window,
    "heralds": Herald,
    "feedforward": Correction,
    "readout": Readout,
    "stop": Stop,
    "calibration": Calibration,
}


def program(**fields: Any) -> AttemptProgram:
    """Return the program with these fields (its own types or plain values).

    Raises:
        ProgramError: names every field that is wrong and says what to do.
    """
    try:
        return AttemptProgram(**fields)
    except ValidationError as error:
        raise _readable(error) from None


def from_json(text: bytes | str) -> AttemptProgram:
    """Return the program that JSON text holds.

    Raises:
        ProgramError: no JSON, a key twice, or a field that is wrong.
    """
    if len(text) > LONGEST_TEXT:
        hint = "share one table between patterns, or split the batch"
        raise ProgramError(f"the program has {len(text)} bytes, at most {LONGEST_TEXT} are allowed", hint=hint)
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except ProgramError:
        raise
    except (ValueError, RecursionError) as error:  # text that is not UTF-8 is a ValueError too
        raise ProgramError(f"no JSON: {error}", hint="write it with AttemptProgram.canonical()") from None
    if not isinstance(data, Mapping):
        raise ProgramError(f"the text holds {type(data).__name__}, not a program", hint="it must be a JSON object")
    try:
        return AttemptProgram.model_validate_json(text)
    except ValidationError as error:
        raise _readable(error) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ProgramError(f"the key '{twice}' stands there twice", hint="remove one of them")
    return found


def _no_constant(constant: str) -> Any:
    raise ProgramError(f"{constant} is no number of an attempt program", hint="times are whole picoseconds")


def _readable(error: ValidationError) -> ProgramError:
    items = error.errors(include_url=False)
    rule = items[0].get("ctx", {}).get("error")
    if isinstance(rule, ProgramError):
        return rule
    places = [tuple(item["loc"]) for item in items]
    # A list whose items are refused is also too short; saying what is wrong with the items is enough.
    found = [_problem(i) for i in items if i["type"] != "too_short" or not _inside(tuple(i["loc"]), places)]
    misspelt = {(*each.keys[:-1], each.hint) for each in found}  # a misspelt key is also a missing one: say it once
    return error_of([p for p in found if (*p.keys[:-1], f"did you mean '{_last(p)}'?") not in misspelt])


def _inside(place: tuple[Key, ...], others: list[tuple[Key, ...]]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in others)


def _last(problem: Problem) -> Key:
    return problem.keys[-1] if problem.keys else ""


def _problem(item: Any) -> Problem:
    keys: tuple[Key, ...] = tuple(item["loc"])
    kind, found, context = item["type"], item["input"], item.get("ctx", {})
    name = keys[-1] if keys else "program"
    if kind == "extra_forbidden":
        part = _PARTS.get(keys[0]) if len(keys) > 1 else AttemptProgram
        return Problem(keys, f"unknown key '{name}'", nearest(str(name), (part or AttemptProgram).model_fields))
    if kind == "missing":
        return Problem(keys, "is missing", "add it")
    if kind == "literal_error":
        valid = [each.strip().strip("'") for each in context["expected"].replace(" or ", ", ").split(", ")]
        return Problem(keys, f"{found!r} is no valid {name}", choose(found, valid))
    if kind.startswith("int"):
        return Problem(keys, f"{found!r} is no whole number of 64 bits", "times are whole picoseconds, counts whole")
    if kind == "string_pattern_mismatch":
        return Problem(keys, f"{found!r} is no name", "a letter, then letters, digits, '_', '.' or '-', at most 63")
    if kind == "value_error" and isinstance(context["error"], BellringerError):
        return Problem(keys, context["error"].what, context["error"].hint)
    return Problem(keys, f"{_short(found)}: " + item["msg"].replace("Input should", "it must"), "correct the value")


def _short(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
