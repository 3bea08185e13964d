"""What a script pays for the client: no driver, no testbed file, no table of units before one is needed."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
from bellringer.orchestrator.client import connect
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.process
def test_the_client_imports_no_driver_and_nothing_heavy():
    told = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True, timeout=50).stdout
    modules = set(json.loads(told))
    assert "bellringer.orchestrator.client.lab" in modules
    assert not [name for name in modules if name.startswith("bellringer.drivers")]
    assert {"pint", "pydantic", "yaml", "rich", "typer", "matplotlib", "serial", "pyvisa"}.isdisjoint(modules)
