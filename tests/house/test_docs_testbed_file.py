"""docs/testbed-file.md names every field of a testbed file, with values that load; its excerpts are the example's."""

import inspect
import re
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from bellringer.console.files import load_checked
from bellringer.testbed import memory_models, models, testbed
from bellringer.testbed.units import parse

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
HEADINGS = {
    "Testbed": "The top",
    "Node": "Nodes",
    "InstrumentEntry": "Instruments",
    "Limits": "Limits",
    "MemoryLink": "Memory links",
    "Interlock": "Interlocks",
    "LinkCalibration": "Calibrating a link",
    "Interleaving": "Calibrating between attempts",
    "Suspension": "Suspending a link",
}
"""Where models without a kind are described; Link and LinkEnd share a section."""


def all_models() -> dict[str, type[models.Model]]:
    """Return every model of a testbed file by name, the bases left out."""
    found = {**vars(models), **vars(memory_models), **vars(testbed)}
    return {name: each for name, each in found.items() if inspect.isclass(each) and issubclass(each, models.Model)
            and each not in (models.Model, models.CoreModel)}  # fmt: skip


ALL = all_models()
KINDS = {name: typing.get_args(model.model_fields["kind"].annotation)[0] for name, model in ALL.items()
         if "kind" in model.model_fields}  # fmt: skip
SCHEMA = testbed.Testbed.model_json_schema()
"""The schema before it is published: quantities still tell their unit."""


@pytest.fixture
def manual(documentation: Any) -> Any:
    return documentation["testbed-file.md"]


def rows(manual: Any, name: str) -> dict[str, dict[str, str]]:
    """Return the rows of a model's table by field."""
    if name in ("Link", "LinkEnd"):
        (text,) = (section.text for section in manual.sections() if section.heading == "Links")
        text = text.split("Each end:")[name == "LinkEnd"]
        section = type(manual.sections()[0])(2, "Links", text)
    else:
        heading = f"`kind: {KINDS[name]}`" if name in KINDS else HEADINGS[name]
        (section,) = (section for section in manual.sections() if section.heading == heading)
    return {row["field"].strip("`"): row for row in section.tables()["field"]}


def schema_of(name: str, field: str) -> dict[str, Any]:
    block = SCHEMA if name == "Testbed" else SCHEMA["$defs"][name]
    return block["properties"][field]


def choices(annotation: Any) -> tuple[str, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


@pytest.mark.parametrize("name", ALL)
def test_the_table_has_every_field_of_the_model_and_no_other(manual, name):
    assert set(rows(manual, name)) == set(ALL[name].model_fields) - {"kind"}


@pytest.mark.parametrize("name", ALL)
def test_what_to_write_is_accepted_and_the_default_is_the_models(manual, name):
    for key, row in rows(manual, name).items():
        field, unit = ALL[name].model_fields[key], schema_of(name, key).get("x-unit", "")
        number = field.annotation in (int, float)
        if number:
            parse(row["write"], unit)
        assert choices(field.annotation) == (
            tuple(re.findall(r"`([^`]+)`", row["write"])) if choices(field.annotation) else ()
        )
        if field.is_required():
            assert row["default"] == "needed", f"{name}.{key}"
        elif number:
            assert parse(row["default"], unit) == pytest.approx(field.default), f"{name}.{key}"
        else:
            default = field.get_default(call_default_factory=True)
            told = "" if isinstance(default, models.Model) else default or ""
            assert row["default"].strip("`") == told, f"{name}.{key}"


def test_every_kind_has_a_section_and_no_other_has(manual):
    told = re.findall(r"^### `kind: (\w+)`$", manual.text, re.MULTILINE)
    assert sorted(told) == sorted(KINDS.values())


def test_the_excerpts_stand_in_the_example(manual):
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    blocks = [yaml.safe_load(block) for section in manual.sections() for block in section.code("yaml")]
    excerpts = [block for block in blocks if block is not None]
    assert len(excerpts) > 5
    for block in excerpts:
        assert contained(block, example), block
    assert {key for block in excerpts for key in block} == set(example), "every block of the example is shown"


def contained(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contained(value, whole[key]) for key, value in part.items())
    return all(item in whole for item in part) if isinstance(part, list) else bool(part == whole)


def overrides() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "testbed-file.md").read_text(encoding="utf-8")
    return re.findall(r"`--set ([^`]+)`", text)


@pytest.mark.parametrize("override", overrides())
def test_every_set_on_the_page_is_accepted_and_changes_the_testbed(override):
    assert load_checked(EXAMPLE, [override]).testbed != load_checked(EXAMPLE, []).testbed


def test_every_block_that_can_be_overridden_is_shown():
    shown = {override.split("=")[0].split(".")[2] for override in overrides()}
    assert {"model", "limits", "options", "rest", "resource"} <= shown


def test_the_schemas_comment_is_no_part_of_the_file(manual, tmp_path):
    (comment,) = re.findall(r"^# yaml-language-server: .*$", manual.text, re.MULTILINE)
    file = tmp_path / "lab.yaml"
    file.write_text(f"{comment}\n{EXAMPLE.read_text(encoding='utf-8')}", encoding="utf-8")
    assert load_checked(file, []).testbed == load_checked(EXAMPLE, []).testbed
