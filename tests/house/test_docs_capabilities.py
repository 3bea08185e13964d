"""docs/capabilities.md names every member of every capability; the code says the unit of every number."""

import ast
import dataclasses
import inspect
import itertools
import re
from typing import Any

import pytest
from bellringer.drivers.interfaces import (
    CAPABILITIES,
    Applied,
    BatchReport,
    ClockMap,
    Counted,
    Held,
    HeraldRecord,
    Outcome,
    Recording,
    TagBlock,
    Traits,
    attempts,
    capabilities,
)
from bellringer.drivers.registry import driver_class, names

UNITS = {"W": "W", "°C": "degC", "degrees": "deg", "s": "s", "1/s": "1/s", "ps": "ps", "K": "K"}
"""Units as the docs spell them, and as declarations do."""
DATA = (Counted, ClockMap, Recording, TagBlock, Traits, HeraldRecord, Applied, BatchReport, Held, Outcome)
STATED = re.compile(r"(?:(?<=[\s(,])|^)(?:W|°C|degrees|s|1/s|ps|K|dimensionless)(?=[\s).,:;]|$)")


@pytest.fixture
def tables(documentation: Any) -> dict[str, dict[str, list[dict[str, str]]]]:
    """The tables of every section, by its heading."""
    return {section.heading: section.tables() for section in documentation["capabilities.md"].sections()}


def members(capability: type) -> set[str]:
    return {name for name in {*vars(capability), *inspect.get_annotations(capability)} if not name.startswith("_")}


def parameters(capability: type, method: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(capability, method), eval_str=True).parameters.values())[1:]


def test_every_capability_has_a_section_and_no_other_table_is_there(tables):
    assert {heading for heading, found in tables.items() if "member" in found} == {c.__name__ for c in CAPABILITIES}
    assert {heading for heading, found in tables.items() if "attribute" in found} == {c.__name__ for c in DATA}
    assert all(set(found) <= {"member", "attribute"} for found in tables.values())


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_member_stands_there_with_its_parameters_and_no_other_does(tables, capability):
    written = [re.fullmatch(r"`(\w+)(\(([\w, ]*)\))?`", row["member"]) for row in tables[capability.__name__]["member"]]
    assert all(written)
    assert sorted(each[1] for each in written) == sorted(members(capability))
    for each in written:
        method = callable(getattr(capability, each[1], None))
        assert bool(each[2]) == method, f"{each[0]}: only a method has brackets"
        if method:
            assert re.findall(r"\w+", each[3]) == [p.name for p in parameters(capability, each[1])]


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_number_stands_there_with_its_unit_and_its_default(tables, capability):
    attributes = inspect.get_annotations(capability, eval_str=True)
    for row in tables[capability.__name__]["member"]:
        name = re.match(r"`(\w+)", row["member"])[1]
        if name in attributes:
            assert row["gives"] in UNITS, f"{name} has no unit"
            assert row["takes"] in ("", row["gives"])
            continue
        for parameter in parameters(capability, name):
            assert f"`{parameter.name}`" in row["takes"], f"{name} says nothing of {parameter.name}"
            if parameter.annotation is float:
                wanted = "" if parameter.default is parameter.empty else f"{parameter.default:g} "
                units = "|".join(map(re.escape, UNITS))
                assert re.search(rf"`{parameter.name}` {wanted}({units})\b", row["takes"]), f"{name}: {parameter.name}"
        gives = inspect.signature(getattr(capability, name), eval_str=True).return_annotation
        assert ("float" in row["gives"]) == ("float" in str(gives)), name
        assert "float" not in row["gives"] or row["gives"].rpartition(", ")[2] in UNITS, name
        assert (row["gives"] == "") == (gives is None), name


@pytest.mark.parametrize("data", DATA)
def test_every_field_of_what_is_returned_stands_there_with_the_unit_its_name_carries(tables, data):
    written = {row["attribute"].strip("`"): row for row in tables[data.__name__]["attribute"]}
    fields = {field.name: field for field in dataclasses.fields(data)}
    assert set(written) == set(fields)
    for name, row in written.items():
        assert (row["unit"] == "ps") == name.endswith("_ps"), name
        plain = {int: "int", float: "float", str: "str", bool: "bool"}.get(fields[name].type)
        assert plain is None or row["type and shape"] == plain, name


@pytest.mark.parametrize("name", names())
def test_drivers_declare_the_attributes_of_their_capability_in_its_unit(tables, name):
    driver = driver_class(name)
    for capability in CAPABILITIES:
        if not all(hasattr(driver, member) for member in members(capability)):
            continue
        for row in tables[capability.__name__]["member"]:
            attribute = row["member"].strip("`")
            if attribute in inspect.get_annotations(capability):
                declared = driver.readings()[attribute]
                assert declared.unit == UNITS[row["gives"]], f"{name}.{attribute}"
                assert declared.writable == bool(row["takes"]), f"{name}.{attribute}"


# --- the docstrings in the code ---------------------------------------------------------------------------------


def classes() -> dict[str, ast.ClassDef]:
    bodies = [ast.parse(inspect.getsource(module)).body for module in (capabilities, attempts)]
    return {node.name: node for body in bodies for node in body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_docstring_of_every_float_attribute_states_its_unit(capability):
    body = classes()[capability.__name__].body
    docs = {
        node.target.id: after.value.value
        for node, after in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
    attributes = inspect.get_annotations(capability, eval_str=True)
    assert set(docs) == set(attributes), "every attribute has a docstring below it"
    for name, kind in attributes.items():
        assert kind is not float or STATED.search(docs[name]), f"{capability.__name__}.{name}: {docs[name]}"


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_docstring_of_every_method_states_the_units_of_what_it_takes_and_gives(capability):
    for name in members(capability) - set(inspect.get_annotations(capability)):
        doc = inspect.getdoc(getattr(capability, name)) or ""
        for parameter in parameters(capability, name):
            if parameter.annotation is float and not parameter.name.endswith("_s"):
                assert re.search(rf"``{parameter.name}`` \({STATED.pattern}\)", doc), f"{name}: {parameter.name}"
        gives = inspect.signature(getattr(capability, name), eval_str=True).return_annotation
        assert "float" not in str(gives) or STATED.search(doc), f"{name} gives a number in no unit"


@pytest.mark.parametrize("data", DATA)
def test_the_docstring_of_what_is_returned_describes_every_field_with_its_unit(data):
    described = dict(re.findall(r"^\s*(\w+): (.*)$", inspect.getdoc(data) or "", re.MULTILINE))
    for field in dataclasses.fields(data):
        assert field.name in described, field.name
        bounded = re.search(r"error of ``(\w+)``", described[field.name])  # then the unit is the other field's
        about = described[bounded[1] if bounded else field.name]
        assert field.type is not float or STATED.search(about), field.name
