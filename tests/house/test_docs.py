"""docs/drivers.md says of every driver what its declarations say, and nothing else."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from bellringer.drivers.check import check
from bellringer.drivers.interfaces import CAPABILITIES, Instrument, Setting
from bellringer.drivers.registry import driver_class, names, options_of
from bellringer.testbed.loader import load
from bellringer.testbed.units import parse

PER_DRIVER = {"option", "setting", "reading", "method", "role"}


@pytest.fixture
def sections(documentation: Any) -> dict[str, Any]:
    """The section of every driver, by the name in its heading."""
    found = {}
    for section in documentation["drivers.md"].sections():
        name = re.search(r": `(\w+)`$", section.heading)
        if section.level == 2 and name:
            found[name[1]] = section
    return found


def rows(section: Any, table: str) -> dict[str, dict[str, str]]:
    """Return a table's rows by the name in backticks that begins each."""
    found = {}
    for row in section.tables().get(table, []):
        name = re.match(r"`(\w+)", row[table])
        assert name, f"{section.heading}: a row of '{table}' begins with {row[table]!r}, not with a name in backticks"
        assert name[1] not in found, f"{section.heading}: {name[1]} stands twice"
        found[name[1]] = row
    return found


def unit_of(value: Any) -> str:
    return value.unit or value.kind.__name__


def test_every_driver_has_a_section_and_a_line_in_the_list_and_no_other_has(documentation, sections):
    assert sorted(sections) == names()
    page = documentation["drivers.md"]
    listed = {row["driver"]: row for row in page.sections()[0].tables()["driver"]}
    assert [re.match(r"\[`(\w+)`\]", cell)[1] for cell in listed] == names()
    for cell, row in listed.items():
        driver = driver_class(re.match(r"\[`(\w+)`\]", cell)[1])
        assert re.findall(r"\[(\w+)\]", row["capability"]) == capabilities_of(driver)


def capabilities_of(driver: type[Instrument]) -> list[str]:
    return [each.__name__ for each in CAPABILITIES if all(hasattr(driver, member) for member in members(each))]


def members(capability: type) -> set[str]:
    return {name for name in {*vars(capability), *inspect.get_annotations(capability)} if not name.startswith("_")}


@pytest.mark.parametrize("name", names())
def test_settings_and_readings_stand_there_with_their_units(sections, name):
    declared = driver_class(name).readings()
    settings = {key: unit_of(value) for key, value in declared.items() if isinstance(value, Setting)}
    readings = {key: unit_of(value) for key, value in declared.items() if not isinstance(value, Setting)}
    assert {key: row["unit"] for key, row in rows(sections[name], "setting").items()} == settings
    assert {key: row["unit"] for key, row in rows(sections[name], "reading").items()} == readings


@pytest.mark.parametrize("name", names())
def test_limits_and_choices_are_the_declared_ones(sections, name):
    for key, row in rows(sections[name], "setting").items():
        setting = driver_class(name).settings()[key]
        between = re.match(r"(-?[\d.]+ \S+) to (-?[\d.]+ [^\s,]+)", row["limits"])
        written = tuple(parse(end, setting.unit) for end in between.groups()) if between else None
        assert written == (None if setting.limits is None else pytest.approx(setting.limits)), f"{name}.{key}"
        assert tuple(re.findall(r"`([A-Z][A-Z0-9]*)`", row["limits"])) == setting.choices, f"{name}.{key}"


@pytest.mark.parametrize("name", names())
def test_connection_options_stand_there_with_their_defaults(sections, name):
    found = {key: row["default"] for key, row in rows(sections[name], "option").items()}
    options = options_of(driver_class(name))
    required = inspect.Parameter.empty
    assert found == {key: "needed" if o.default is required else str(o.default) for key, o in options.items()}


@pytest.mark.parametrize("name", names())
def test_roles_and_further_methods_stand_there(sections, name):
    driver = driver_class(name)
    roles = {key: re.findall(r"`(\w+)`", row["what it must be"]) for key, row in rows(sections[name], "role").items()}
    assert roles == {role: [capability.__name__] for role, capability in driver.roles.items()}
    common = {*dir(Instrument), *driver.readings(), *Instrument.__annotations__}
    common |= {member for each in CAPABILITIES for member in members(each)}
    own = {key for key in dir(driver) if not key.startswith("_")} - common
    assert set(rows(sections[name], "method")) == own


@pytest.mark.parametrize("name", names())
def test_no_table_is_of_anything_else(sections, name):
    assert set(sections[name].tables()) <= PER_DRIVER


@pytest.mark.parametrize("name", names())
def test_verification_and_capability_are_told(sections, name):
    driver, text = driver_class(name), sections[name].text
    assert f"**Verified.** `{driver.verified}`" in text
    told = re.search(r"Capabilit(?:y|ies) (`\w+`(?: and `\w+`)*)", text)
    assert re.findall(r"\w+", told[1].replace(" and ", " ")) == capabilities_of(driver)


def test_the_examples_together_are_a_testbed_file_that_the_drivers_accept(sections, tmp_path: Path):
    instruments: dict[str, Any] = {}
    for name, section in sections.items():
        (entry,) = (yaml.safe_load(block) for block in section.code("yaml"))
        assert [body["driver"] for body in entry.values()] == [name]
        instruments |= entry
    file = tmp_path / "examples.yaml"
    file.write_text(yaml.safe_dump({"bellringer": 1, "name": "page", "nodes": {"table": {"instruments": instruments}}}))
    check(load(file))
