"""Row 19: the time of day of all computers steps while pairs are made; leases and batches do not notice.

Every process of the testbed gets a time of day that the test can move, under ``time`` and ``datetime`` themselves.
"""

import textwrap
import time
from datetime import datetime

import pytest
from bellringer.orchestrator.wire.messages import Status

from .memory_site import CORES, MemorySite
from .service_process import PATIENCE_S

pytestmark = pytest.mark.process

MOVED = """
    import datetime, os, time

    def off():
        with open(os.environ["TIME_OF_DAY_IS_OFF_BY"]) as file:
            return float(file.read() or 0.0)

    class Moved(datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.datetime.fromtimestamp(time.time(), zone)

    def moved(what, unit):
        return lambda: what() + type(what())(off() * unit)

    time.time, time.time_ns = moved(time.time, 1), moved(time.time_ns, 1_000_000_000)
    Moved.fromtimestamp = datetime.datetime.fromtimestamp
    datetime.datetime = Moved
"""
"""A ``sitecustomize``, which Python imports before anything else."""
STEPS_S = (1.0, 0.0, -1.0, 3600.0, 0.0, -86400.0, 0.0)
"""By how much the time of day is off, one after the other: a leap second repeated or left out is a step of one."""
PAIRS = 20
ROUNDED_S = 0.002


@pytest.fixture
def site(tmp_path):
    folder, off = tmp_path / "python", tmp_path / "off"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(MOVED))
    off.write_text("0")
    site = MemorySite(tmp_path / "site")
    site.environment = {"PYTHONPATH": str(folder), "TIME_OF_DAY_IS_OFF_BY": str(off)}
    site.off = off
    try:
        site.start()
        yield site
    finally:
        site.close()


def step(site, off_s):
    """Set the time of day of every process; at once, for they read it at any moment."""
    part = site.off.with_suffix(".part")
    part.write_text(str(off_s))
    part.replace(site.off)


def shown(site, name):
    """Return by how much a process's time of day is off: the least and the most, s."""
    before_s = time.time()
    there_s = datetime.fromisoformat(site.ask(name, Status(0))["utc"]).timestamp()
    return there_s - time.time() - ROUNDED_S, there_s - before_s + ROUNDED_S


def test_row_19_the_time_of_day_steps_and_leases_and_batches_do_not_notice(site):
    asked = site.entangle(kind="measure", pairs=PAIRS * len(STEPS_S), deadline_s=PATIENCE_S)
    pairs = iter(asked)
    for off_s in STEPS_S:
        step(site, off_s)
        for name in ("coordinator", *CORES):
            least_s, most_s = shown(site, name)
            assert least_s <= off_s <= most_s, "the test does not move this process's time of day"
        assert len([next(pairs) for _ in range(PAIRS)]) == PAIRS
        for name in CORES:
            assert site.ask(name, Status(0))["leased"], (name, off_s)
    assert next(pairs, None) is None
    assert asked.state == "OK"
    assert not any("clock" in reason or "step" in reason for reason in asked.counts), asked.counts
    assert site.faults() == dict.fromkeys(CORES, "")
