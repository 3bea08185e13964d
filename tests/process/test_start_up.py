"""Services that wait for their set-up: who started them may end, or change its mind, before there is one."""

import subprocess
import sys

import pytest
from bellringer.console.local_testbed import AGENT, COORDINATOR, CORRELATOR
from bellringer.console.services import Service

pytestmark = pytest.mark.process


@pytest.mark.parametrize("module", [COORDINATOR, AGENT, CORRELATOR])
def test_a_service_whose_set_up_never_comes_leaves_without_a_word(module, tmp_path):
    """Nor does the fork server of an agent stay: it would hold the output open."""
    ended = subprocess.run(
        [sys.executable, "-m", module], stdin=subprocess.DEVNULL, capture_output=True, cwd=tmp_path, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_service_that_was_told_nothing_can_be_stopped_twice():
    service = Service("a coordinator", COORDINATOR)
    service.stop()
    assert service.ended
    service.stop()
