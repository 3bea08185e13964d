"""The house: rooms match folders, wheels hold every package, no room is a global import name, files stay small."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_ROOMS = {"tests", "benchmarks", "docs", "build", "dist", "runs"}


def declared_rooms() -> set[str]:
    tree = ast.parse((ROOT / "setup.py").read_text())
    rooms = next(node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "ROOMS")
    return set(ast.literal_eval(rooms))


def test_the_room_list_matches_the_folders():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert declared_rooms() == folders - NOT_ROOMS
    named = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert named == declared_rooms()


def test_every_package_folder_has_an_init():
    for room in declared_rooms():
        for path in (ROOT / room).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), path


@pytest.mark.process
def test_a_wheel_holds_every_module_and_data_file(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(copied(tmp_path)),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    inside = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for room in declared_rooms():
        for path in (ROOT / room).rglob("*"):
            if path.suffix in (".py", ".yaml", ".html", ".typed") and "__pycache__" not in path.parts:
                assert f"bellringer/{path.relative_to(ROOT)}" in inside


def copied(folder: Path) -> Path:
    """Copy what git would, so that building leaves nothing in the checkout."""
    target = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    for name in files:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


@pytest.mark.process
def test_no_room_is_a_global_import_name_outside_the_checkout(tmp_path):
    for room in sorted(declared_rooms() | {"tests"}):
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({room!r}) is not None)"
        assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0, room


def test_no_room_is_importable_by_its_bare_name_in_the_tests():
    for room in declared_rooms():
        assert room not in sys.modules, (
            f"'{room}' was imported by its bare name; run bare pytest, with no root conftest.py"
        )


def test_files_are_short():
    lengths = [len(path.read_text().splitlines()) for room in declared_rooms() for path in (ROOT / room).rglob("*.py")]
    lengths = sorted(length for length in lengths if length > 0)
    assert lengths[-1] <= 500
    assert lengths[len(lengths) // 2] < 150


def test_drivers_and_sequences_do_not_read_the_wall_clock():
    for room in ("drivers", "sequences"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
            assert "time" not in imported, path
