"""The JSON Schema of testbed files: for completion in editors, and for naming what may stand at a place in a file.

It describes the form of a file. What wiring, links and drivers say about each other's entries is not in it.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from .descriptions import descriptions
from .model_base import Model
from .problems import Key
from .testbed import Testbed
from .units import text

_UNIT = "x-unit"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) as plain data; quantities are strings with an example, defaults have units."""
    schema = Testbed.model_json_schema()
    models = {model.__name__: model for model in _below(Model)}
    for name, definition in {"Testbed": schema, **schema["$defs"]}.items():
        told = descriptions(models[name])
        for key, field in definition.get("properties", {}).items():
            if key in told:
                field["description"] = told[key]
            unit = field.pop(_UNIT, None)
            if unit and isinstance(field.get("default"), float):
                field["default"] = text(field["default"], unit)
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "bellringer testbed file"}
    return {**schema, **title}


def schema_at(keys: tuple[Key, ...], data: Any) -> Mapping[str, Any]:
    """Return the schema of what stands at ``keys`` of ``data``; empty where anything may stand, or nothing is known.

    ``data`` is needed because an element's ``kind`` decides what else it has.
    """
    schema = _expand(_whole(), data)
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
        known = schema.get("properties", {})
        others = [
            *schema.get("patternProperties", {}).values(),
            schema.get("additionalProperties"),
            schema.get("items"),
        ]
        found = known[key] if key in known else next((other for other in others if isinstance(other, Mapping)), {})
        schema = _expand(found, data)
    return schema


def _below(model: type[Model]) -> Iterator[type[Model]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


@functools.cache
def _whole() -> dict[str, Any]:
    return json_schema()


def _expand(schema: Mapping[str, Any], data: Any) -> Mapping[str, Any]:
    """Follow references, optional values and the choice by ``kind``."""
    if "$ref" in schema:
        return _expand(_whole()["$defs"][schema["$ref"].rpartition("/")[2]], data)
    if "anyOf" in schema:
        return _expand(schema["anyOf"][0], data)
    if "discriminator" in schema:
        kinds = schema["discriminator"]["mapping"]
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if isinstance(kind, str) and kind in kinds:
            return _expand({"$ref": kinds[kind]}, data)
        return {"properties": {"kind": {"enum": sorted(kinds)}}}
    return schema
