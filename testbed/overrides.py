"""The command line's ``--set charlie.pump.power="10 mW"``: values laid over those of a testbed file.

A path is ``node.instrument.setting``, ``node.instrument.block.name`` (``model.efficiency``, ``limits.power.max``,
``options.address``, ``rest.angle``), ``node.optic.field`` or ``links.link.field``. Nodes, parts and links must be in
the file. The value is checked with the file, like a value that stands there; so are the names at the end of a path.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import TestbedFileError, nearest
from .problems import Key
from .schema import schema_at

_BLOCKS = ("settings", "model", "limits", "options", "rest")
_FIELDS = ("resource", "serial_number")
_HOW = "write node.instrument.setting, node.instrument.model.name, node.optic.field or links.link.field"


def override(data: dict[Key, Any], overrides: Mapping[str, str]) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Change ``data`` in place; yield the keys of each change and the option that made it, ``--set path=value``.

    Raises:
        TestbedFileError: a path that leads nowhere.
    """
    for path, value in overrides.items():
        option = f"--set {path}={value}"
        words = path.split(".")
        if len(words) < 3 or not all(words):
            raise TestbedFileError(f"'{path}' is no path to a value", where=option, hint=_HOW)
        keys = _keys(data, words, option)
        _put(data, keys, value, option)
        yield keys, option


def _keys(data: Any, words: list[str], option: str) -> tuple[Key, ...]:
    """Return the keys in the file of a path's words."""
    nodes = _block(data, "nodes")
    first, second, *rest = words
    if first == "links" and first not in nodes:
        links = _block(data, "links")
        if second not in links:
            raise TestbedFileError(f"there is no link '{second}'", where=option, hint=nearest(second, map(str, links)))
        return ("links", second, *rest)
    if first not in nodes:
        hint = nearest(first, [*map(str, nodes), "links"])
        raise TestbedFileError(f"there is no node '{first}'", where=option, hint=hint)
    optics, instruments = _block(nodes[first], "optics"), _block(nodes[first], "instruments")
    if second in optics:
        return ("nodes", first, "optics", second, *rest)
    if second in instruments:
        return ("nodes", first, "instruments", second, *_in_instrument(rest, option))
    hint = nearest(second, map(str, [*instruments, *optics]))
    raise TestbedFileError(f"there is no instrument or optic '{first}.{second}'", where=option, hint=hint)


def _in_instrument(words: list[str], option: str) -> list[str]:
    if words[0] in _BLOCKS:
        return words
    if len(words) > 1:
        what = f"an instrument has no block '{words[0]}' that can be set"
        raise TestbedFileError(what, where=option, hint=nearest(words[0], _BLOCKS))
    return words if words[0] in _FIELDS else ["settings", *words]


def _put(data: Any, keys: tuple[Key, ...], value: str, option: str) -> None:
    whole = data
    for key in keys[:-1]:
        if data.get(key) is None:
            data[key] = {}
        if not isinstance(data[key], dict):
            raise TestbedFileError(f"'{key}' is a value, it holds no '{keys[-1]}'", where=option, hint=_HOW)
        data = data[key]
    data[keys[-1]] = value
    if schema_at(keys, whole).get("type") == "integer" and value.removeprefix("-").isdecimal():
        data[keys[-1]] = int(value)


def _block(data: Any, name: str) -> dict[Key, Any]:
    """Return a block of the file; empty if there is none, or something else in its place."""
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
