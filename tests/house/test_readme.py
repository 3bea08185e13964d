"""What README and docs tell people to type works: commands, options, links, Python."""

import ast
import importlib
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import typer
from bellringer.console.dry_run import simulated_lab
from bellringer.console.files import load_checked
from bellringer.console.main import app, sequence_options
from bellringer.sequences import Run, find_sequence, run_sequence
from bellringer.sequences.acquisition import Acquisition
from bellringer.sequences.sequence import LIBRARY

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "bell_three_node.yaml"


def commands(page: Any) -> list[list[str]]:
    """Return the command lines in a page's blocks of code, as words."""
    blocks = [block for section in page.sections() for block in section.code()]
    lines = [line for block in blocks for line in block.splitlines()]
    found = [line for line in lines if re.match(r"(\.venv/bin/)?bellringer |make ", line)]
    words = [shlex.split(line, comments=True) for line in found]
    return [each[: each.index(">")] if ">" in each else each for each in words]


def mentioned(page: Any) -> list[list[str]]:
    """Return the commands within a page's sentences, as words; they may stand without their arguments."""
    return [shlex.split(line) for line in re.findall(r"`(bellringer [^`]+)`", page.text)]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]\w*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def understood(words: list[str], own: Any, *, whole: bool = True) -> None:
    """Parse a command as the program would, without running it; ``own`` is the README's own sequence.

    If it need not be ``whole``, the mere name of a command is enough.
    """
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command '{words[0]}'"
        command, words = command.commands[words[0]], words[1:]
    if not whole and not words:
        return
    context = command.make_context(command.name, list(words))
    if command.name == "run":
        name = context.params["sequence"]
        if ".py" not in name or name == "my_scans.py:pump_scan":
            sequence = own if ".py" in name else find_sequence(name)
            sequence.resolve(sequence_options(context.args))
    if context.params.get("overrides"):
        load_checked(EXAMPLE, context.params["overrides"])


@pytest.fixture
def own_sequence(documentation: Any, tmp_path: Path) -> Any:
    """The sequence in the README, from a file as a user would write it."""
    (code,) = (block for section in documentation["README.md"].sections() for block in section.code("python"))
    file = tmp_path / re.match(r"# (\w+\.py)\n", code)[1]
    file.write_text(code)
    return find_sequence(f"{file}:pump_scan")


def test_every_command_and_option_exists(each_page, own_sequence):
    for words in commands(each_page):
        if words[0] == "make":
            assert words[1] in makefile_targets(), words
        else:
            understood(words[1:], own_sequence)
    for words in mentioned(each_page):
        understood(words[1:], own_sequence, whole=False)


def test_the_readme_shows_commands_of_every_kind(documentation):
    shown = {" ".join(words[1:3]) for words in commands(documentation["README.md"])}
    assert {"demo", "test", "init my_lab", "lab up", "ls drivers", "runs show"} <= shown


WRONG = [
    "launch",
    "check lab.yaml --hurry",
    "run lab.yaml chsh --pace 2",
    "run lab.yaml chsh --set charlie.pump.colour=red",
]


@pytest.mark.parametrize("line", WRONG)
def test_a_command_that_does_not_exist_would_be_found(line, own_sequence):
    with pytest.raises(Exception, match=r"launch|hurry|pace|colour"):
        understood(line.split(), own_sequence)


def test_every_link_leads_somewhere(each_page, documentation):
    for link in each_page.links():
        if re.match(r"https?://|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (each_page.path.parent / file).resolve() if file else each_page.path
        assert target.exists(), f"{link} in {each_page.path.name}"
        if anchor:
            assert anchor in type(each_page)(target).anchors(), f"{link} in {each_page.path.name}"


def test_every_python_block_compiles_and_imports_what_exists(each_page):
    for block in (block for section in each_page.sections() for block in section.code("python")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


def test_the_page_on_sequences_has_all_of_run_and_acquisition(documentation):
    text = documentation["sequences.md"].text
    shown = set(re.findall(r"^\| `run\.(\w+)", text, re.MULTILINE))
    assert shown == {name for name, _ in inspect.getmembers(Run, inspect.isfunction) if not name.startswith("_")}
    public = {name for name in {*vars(Acquisition), *Acquisition.__annotations__} if not name.startswith("_")}
    assert {name for name in public if not re.search(rf"`{name}\b", text)} == set()
    assert {name for name in LIBRARY if f"`{name}`" not in text} == set()


# --- whole dry runs ---------------------------------------------------------------------------------------------


@pytest.mark.process
def test_the_readmes_sequence_runs(own_sequence, tmp_path):
    asked = {"steps": 2, "integration_s": 0.1}
    with simulated_lab(EXAMPLE, [], seed=1) as lab:
        outcome = run_sequence(load_checked(EXAMPLE, []), own_sequence, asked, lab.clock,
                               endpoints=lab.endpoints, runs=tmp_path / "runs")  # fmt: skip
    assert (outcome.status, outcome.error) == ("completed", None)
    assert list(outcome.results) == ["rate_1", "rate_2"]
    half, full = (outcome.results[name].value for name in ("rate_1", "rate_2"))
    assert 0 < half < full, "half the pump power makes half the pairs; about 750 and 1500 counts"


@pytest.mark.process
@pytest.mark.timeout(300)
def test_the_notebook_runs(documentation, tmp_path, monkeypatch):
    first, second, third = (
        block for section in documentation["notebook.md"].sections()[:1] for block in section.code("python")
    )
    assert "my_lab/bell_three_node.yaml" in first
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    exec(first.replace("my_lab/bell_three_node.yaml", str(EXAMPLE)), names)
    assert names["outcome"].status == "completed"
    assert names["outcome"].results["S"].value > 2
    exec(second, names)
    plt = names["plt"]
    assert len(plt.gca().lines) == 4, "points and a fit for each of two fringes"
    plt.close("all")
    signature = inspect.signature(run_sequence)
    exec(third, {**names, "run_sequence": signature.bind})  # on instruments that are not here: only that it could be
