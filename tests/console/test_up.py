"""What ``up`` refuses before it starts anything."""

from pathlib import Path

import pytest
from bellringer.console.up import up_command
from bellringer.orchestrator.coordinator.lock import FolderLock
from bellringer.testbed.errors import BellringerError

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"


def test_a_second_testbed_in_one_folder_is_refused_with_what_to_do_about_the_first(tmp_path):
    with FolderLock(tmp_path), pytest.raises(BellringerError, match="a testbed is up already") as caught:
        up_command(EXAMPLE, [], dry_run=True, seed=0, state=tmp_path, as_json=False)
    assert "bellringer down" in caught.value.hint
