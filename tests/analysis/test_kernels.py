"""Compiled kernels: not loaded before they are needed, compiled once for all, and found again by the next process."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import bellringer.analysis
import pytest

ROOM = Path(bellringer.analysis.__file__).parent

IMPORT = """
import sys
import bellringer.analysis
print(sorted({name.split(".")[0] for name in sys.modules} & {"numba", "llvmlite", "blosc2", "h5py", "pyarrow"}))
"""

FIRST_USE = """
import json, sys
from bellringer.analysis import Tags, coincidences, correlogram
tags = Tags.merge([Tags([0, 9], [0, 0]), Tags([5], [1])])
found = [coincidences(tags, [(0, 1)], 5).tolist(), int(correlogram(tags).counts.sum())]
stats = [(f.stats.cache_hits, f.stats.cache_misses) for name, module in sorted(sys.modules.items())
         if name.startswith("bellringer.analysis.") for f in vars(module).values() if hasattr(f, "py_func")]
print(json.dumps([found, sum(sum(h.values()) for h, _ in stats), sum(sum(m.values()) for _, m in stats)]))
"""


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables}, check=True
    )
    return done.stdout


def test_importing_the_analysis_brings_no_compiler_and_no_file_library():
    assert run(IMPORT).strip() == "[]"


def test_a_second_process_compiles_nothing(tmp_path):
    answers, hits, misses = json.loads(run(FIRST_USE, NUMBA_CACHE_DIR=str(tmp_path)))
    assert (answers, hits) == ([[2], 2], 0)
    assert misses > 3
    again, hits, misses = json.loads(run(FIRST_USE, NUMBA_CACHE_DIR=str(tmp_path)))
    assert again == answers
    assert (hits > 3, misses) == (True, 0)


def with_numba():
    """Return the files that hold compiled loops, by their imports."""
    return [
        path for path in sorted(ROOM.rglob("*.py")) if {"numba"} <= {name.partition(".")[0] for name in named(path)}
    ]


def named(path):
    """Return the modules that a file imports, those of this package with a dot before."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append("." * node.level + (node.module or ""))
    return found


def test_compiled_loops_stand_in_files_of_their_own():
    assert {path.name for path in with_numba()} == {path.name for path in ROOM.rglob("*_kernels.py")}


@pytest.mark.parametrize("path", with_numba(), ids=lambda path: path.stem)
def test_a_file_of_kernels_imports_none_of_ours(path):
    """numba compiles anew when a kernel's own file has changed; a loop from another file would stay as it was."""
    assert set(named(path)) <= {"math", "typing", "numba", "numpy", "numpy.typing"}


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*_kernels.py")), ids=lambda path: path.stem)
def test_every_kernel_is_kept_on_disk_and_lets_other_threads_run(path):
    source = path.read_text()
    decorators = [line for line in source.splitlines() if line.startswith(("@njit", "@numba.njit"))]
    assert decorators
    assert all("cache=True, nogil=True" in line and "parallel" not in line for line in decorators)
