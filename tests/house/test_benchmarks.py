"""Every benchmark explains itself. None is run for its speed here: a test never depends on how fast the machine is."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))


def output_of(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_benchmarks():
    assert BENCHMARKS


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_its_docstring_names_the_figures_it_prints(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = set(re.findall(r"``(\w+)``", ast.get_docstring(tree) or ""))
    assert named, "the docstring names its figures in double backticks"
    parts = [ast.parse(part.read_text(encoding="utf-8")) for part in path.parent.glob("*/*.py")]
    written = {node.value for each in (tree, *parts) for node in ast.walk(each) if isinstance(node, ast.Constant)}
    assert named <= written, "figures that it does not print"


@pytest.mark.process
@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_its_help_shows_the_docstring(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert doc.splitlines()[0] in output_of(str(path), "--help")


@pytest.mark.process
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("command_latency.py --rounds 1 --requests 20", {"ratio_loop_p50", "ratio_driver_p50"}),
        ("stream.py --rounds 1 --arrays 2 --megabytes 1", {"throughput_ratio"}),
        ("estop.py --presses 1", {"estop_ms_p50", "estop_ms_p99", "estop_ms_max"}),
        (
            "heralding.py --attempts 1000000 --rounds 1 --corrections 5 --heralds 100",
            {"attempts_per_s", "heralds_per_s", "correction_p50_ratio", "correction_p99_ratio"},
        ),
        ("time_tags.py --only counting --tags 40000", {"two_fold", "all_pairs", "four_fold", "histogram", "merge"}),
    ],
)
def test_a_benchmark_runs_and_prints_its_figures(words, named):
    script, *options = words.split()
    figures = json.loads(output_of(str(ROOT / "benchmarks" / script), *options, "--json"))
    assert named <= set(figures)
    assert all(figures[name] > 0 for name in named)
    assert figures.get("lost", 0) == 0


@pytest.mark.process
@pytest.mark.timeout(300)
def test_the_pairs_benchmark_prints_its_two_figures():
    figures = json.loads(output_of(str(ROOT / "benchmarks" / "pairs.py"), "--json"))
    assert set(figures) == {"pairs_per_s", "cost_over_random_draws"}
    assert all(value > 0 for value in figures.values())
