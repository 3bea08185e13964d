"""The published JSON Schema describes the example testbed: same keys, kinds and forms of values."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from bellringer.testbed.loader import load
from bellringer.testbed.schema import json_schema, schema_at

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
JSON_TYPES = {"string": str, "number": (int, float), "integer": int, "object": dict, "array": list}


def _leaves(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every block and value of parsed YAML with its keys, without lists' items."""
    yield keys, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))


def test_every_value_of_the_example_has_the_type_of_its_schema() -> None:
    data = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    checked = 0
    for keys, value in _leaves(data):
        wanted = schema_at(keys, data).get("type")
        if wanted is None:  # settings and options: the driver's business; choices have no type
            continue
        types = [JSON_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
        assert any(isinstance(value, kind) for kind in types), f"{keys}: {value!r} is no {wanted}"
        checked += 1
    assert checked > 100


def test_every_key_of_the_example_is_known_to_the_schema() -> None:
    data = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    closed = 0
    for keys, value in _leaves(data):
        schema = schema_at(keys, data)
        if isinstance(value, dict) and schema.get("additionalProperties") is False:
            assert set(value) <= set(schema["properties"]), keys
            assert set(schema.get("required", ())) <= set(value), keys
            closed += 1
    assert closed > 20


def test_quantities_are_strings_with_an_example() -> None:
    length = json_schema()["$defs"]["FibreOptic"]["properties"]["length"]
    assert (length["type"], length["examples"]) == ("string", ["10 km"])


def test_defaults_carry_their_unit() -> None:
    assert json_schema()["$defs"]["LaserModel"]["properties"]["linewidth"]["default"] == "1000000 Hz"


def test_plain_numbers_may_be_text_too() -> None:
    assert json_schema()["$defs"]["TaggerModel"]["properties"]["frequency_error"]["type"] == ["number", "string"]


def test_descriptions_of_the_models_are_in_it() -> None:
    assert "phase matching" in json_schema()["$defs"]["CrystalOptic"]["properties"]["brightness"]["description"]


def test_it_is_plain_json_with_a_title_and_without_an_id() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["title"] == "bellringer testbed file"
    assert "$id" not in schema
    assert "x-unit" not in json.dumps(schema)


FIBRE = json_schema()["$defs"]["FibreOptic"]["properties"]


@pytest.mark.parametrize("name", [name for name in FIBRE if "examples" in FIBRE[name]])
def test_every_example_of_a_fibre_loads(lab: Any, name: str) -> None:
    loaded = load(lab.path, {f"alice.fibre.{name}": FIBRE[name]["examples"][0]})
    assert getattr(loaded.testbed.optics()["alice.fibre"], name) > 0
