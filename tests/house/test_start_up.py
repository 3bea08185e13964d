"""What the processes of a testbed load when they start, by name and not by the clock.

Each of what is named here takes a tenth of a second or more of every start, and a testbed is a dozen processes; a
killed driver process is to be replaced sooner than that.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

FILES = [*Path(__file__).parents[2].glob("examples/*.yaml"), Path(__file__).parents[1] / "data" / "memory_link.yaml"]
HEAVY = {"pint", "matplotlib", "numba", "blosc2", "rich", "typer", "asyncio"}
TOLD = "import json, sys; print(json.dumps(sorted(sys.modules)))"
SERVICES = (
    "orchestrator.agent.fork_server",
    "orchestrator.agent.service",
    "orchestrator.coordinator.process",
    "orchestrator.correlator.process",
    "sim_backends.lab.process",
)


def loaded_after(*lines: str) -> set[str]:
    """Return the modules a fresh interpreter has loaded after these lines."""
    command = [sys.executable, "-c", "\n".join([*lines, TOLD])]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, timeout=50).stdout))


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_loads_what_it_seldom_or_never_needs(service):
    modules = loaded_after(f"import bellringer.{service}")
    assert f"bellringer.{service}" in modules
    assert HEAVY.isdisjoint(modules)


def test_examples_are_read_without_the_table_of_all_units():
    assert len(FILES) > 3
    modules = loaded_after("from bellringer.testbed.loader import load", *(f"load({str(file)!r})" for file in FILES))
    assert "bellringer.testbed.units" in modules
    assert "pint" not in modules
