"""From pydantic's errors to problems a physicist can act on: the place, what is wrong, what may stand there."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .errors import BellringerError, nearest
from .problems import Key, Problem, choose, label
from .schema import schema_at
from .testbed import Testbed

_BLOCK = "a block of 'name: value' lines"
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "list_type": "a list of '- item' lines",
    "dict_type": _BLOCK,
    "model_type": _BLOCK,
    "model_attributes_type": _BLOCK,
}


def validate(data: Any, spelled: Mapping[tuple[Key, ...], str]) -> tuple[Testbed | None, list[Problem]]:
    """Return the testbed, or None and everything that is wrong with ``data`` taken by itself.

    ``spelled`` holds scalars as they stand in the file, for hints that show how to quote them.
    """
    try:
        return Testbed.model_validate(data), []
    except ValidationError as error:
        problems = [_problem(item, data, spelled) for item in error.errors(include_url=False)]
    # A misspelt key is also a missing one; saying so once is enough.
    misspelt = {(*problem.keys[:-1], problem.hint) for problem in problems}
    return None, [p for p in problems if (*p.keys[:-1], f"did you mean '{p.keys[-1]}'?") not in misspelt]


def _problem(error: Any, data: Any, spelled: Mapping[tuple[Key, ...], str]) -> Problem:
    keys, at_name = _keys(error["loc"], data)
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "union_tag_not_found":
        kind, keys = ("missing", (*keys, "kind")) if isinstance(found, Mapping) else ("model_type", keys)
    elif kind == "union_tag_invalid":
        kind, keys, found = "literal_error", (*keys, "kind"), context["tag"]
    name, schema = keys[-1] if keys else "the file", schema_at(keys, data)
    if at_name:
        what, hint = _bad_name(kind, name)
    elif found is None and kind in (*_WANTED, "value_error"):
        what, hint = f"nothing stands after '{name}:'", f"write {_WANTED.get(kind, 'a value')}, or remove the key"
    elif kind == "value_error" and isinstance(context["error"], BellringerError):
        what, hint = context["error"].what, context["error"].hint
    elif kind == "missing":
        what, hint = f"'{name}' is missing", _how_to_write(name, schema)
    elif kind in ("extra_forbidden", "invalid_key"):
        known = schema_at(keys[:-1], data).get("properties", {})
        what, hint = f"unknown key '{name}'", nearest(str(name), known)
    elif kind == "literal_error":
        what, hint = f"'{found}' is no valid {name}", choose(found, schema["enum"])
    elif kind in _WANTED:
        what, hint = _wrong_type(kind, name, found, spelled.get(keys, ""))
    elif keys == ("bellringer",):
        what, hint = f"version {found} of the testbed file format is not known", "this program reads 'bellringer: 1'"
    elif kind in ("too_short", "too_long"):
        wanted = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        what, hint = f"{name} has {context['actual_length']} entries, {wanted} wanted", schema.get("description", "")
    else:
        what, hint = f"{name} is {found!r}: " + error["msg"].replace("Input should", "it must"), "correct the value"
    about = label(keys[:-1])
    return Problem(keys, f"{about}: {what}" if about else what, hint)


def _keys(location: tuple[Key, ...], data: Any) -> tuple[tuple[Key, ...], bool]:
    """Return the keys in the file for pydantic's location, and whether the key itself is meant, not its value.

    Pydantic also names the chosen member of a union, which stands nowhere in the file.
    """
    keys: list[Key] = []
    for step in location:
        if step == "[key]":
            return tuple(keys), True
        if isinstance(data, Mapping) and step not in data and data.get("kind") == step:
            continue
        keys.append(step)
        data = _inside(data, step)
    return tuple(keys), False


def _inside(data: Any, step: Key) -> Any:
    if isinstance(data, list) and isinstance(step, int):
        return data[step]
    return data.get(step) if isinstance(data, Mapping) else None


def _bad_name(kind: str, name: Key) -> tuple[str, str]:
    if kind == "int_type":
        return f"'{name}' is no input number", "write 1, 2, ... without quotes"
    return f"'{name}' is no valid name", "use letters, digits, '_' and '-', a letter first; no dots or blanks"


def _wrong_type(kind: str, name: Key, found: Any, spelled: str) -> tuple[str, str]:
    wanted = _WANTED[kind]
    if kind == "string_type" and spelled:
        return f"{name} is {spelled}, which YAML does not take as text", f'put it in quotes: "{spelled}"'
    shown = "a list" if isinstance(found, list) else "a block" if isinstance(found, Mapping) else repr(found)
    return f"{name} is {shown}, not {wanted}", f"write {wanted}"


def _how_to_write(name: Key, schema: Mapping[str, Any]) -> str:
    if "examples" in schema:
        return f"add it, for example '{name}: \"{schema['examples'][0]}\"'"
    if "enum" in schema:
        return f"add '{name}: ...'; valid: {', '.join(schema['enum'])}"
    if "minimum" in schema:
        return f"add '{name}: {schema['minimum']}'"
    about = schema.get("description", "")
    return f"add '{name}: ...'" + (f" ({about})" if about else "")
