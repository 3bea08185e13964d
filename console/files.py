"""Testbed files for the command line: load and check, override, summarise, copy an example."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import typer

from ..drivers.check import check
from ..testbed.errors import BellringerError, nearest
from ..testbed.loader import LoadedTestbed, load


def parse_overrides(words: Sequence[str]) -> dict[str, str]:
    """Return ``["charlie.pump.power=10 mW"]`` as a mapping."""
    overrides = {}
    for word in words:
        path, equals, value = word.partition("=")
        if not equals or not path.strip():
            raise BellringerError(
                f"--set {word!r} has no value", hint='write --set node.instrument.setting="value with unit"'
            )
        overrides[path.strip()] = value.strip().strip('"')
    return overrides


def load_checked(file: Path, overrides: Sequence[str]) -> LoadedTestbed:
    """Return the testbed in ``file`` with overrides, after every check that needs no I/O."""
    loaded = load(file, parse_overrides(overrides))
    check(loaded)
    return loaded


def summary(loaded: LoadedTestbed) -> None:
    """Print what the file describes."""
    from rich.table import Table

    from .out import printer

    table = Table(title=f"{loaded.testbed.name}: no errors")
    for column in ("instrument", "driver", "resource", "settings"):
        table.add_column(column, overflow="fold")
    for name, entry in loaded.testbed.instruments().items():
        settings = ", ".join(f"{key} = {value}" for key, value in entry.settings.items())
        table.add_row(name, entry.driver, entry.resource or "composed of " + ", ".join(entry.parts.values()), settings)
    printer().print(table)


def copy_example(folder: Path, example: str) -> None:
    """Copy an example testbed into ``folder``; never overwrites."""
    files = {
        Path(item.name).stem: item
        for item in resources.files("bellringer.examples").iterdir()
        if item.name.endswith(".yaml")
    }
    if example not in files:
        raise BellringerError(f"there is no example '{example}'", hint=nearest(example, files))
    target = folder / f"{example}.yaml"
    if target.exists():
        raise BellringerError(f"{target} exists already", hint="choose another folder; nothing was changed")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(files[example].read_text(encoding="utf-8"), encoding="utf-8")
    typer.echo(f"wrote {target}")
    typer.echo(f"next:  bellringer run {target} chsh --dry-run")
