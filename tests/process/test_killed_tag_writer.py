"""A process that writes a tag file is killed with SIGKILL: every block it said was written is there, and right."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis.tagfile import TagFileReader, repair

WRITERS = """
import os, sys
import numpy as np
from bellringer.analysis import Tags
from bellringer.analysis.tagfile import TagFileWriter

def write_for_ever(path, size):
    with TagFileWriter(path, fsync="never") as writer:
        number = 0
        while True:
            rng = np.random.default_rng(number)
            times = number * 10**12 + np.cumsum(rng.integers(0, 250_000, size))
            number = writer.append(Tags(times, rng.integers(0, 8, size))) + 1
            os.write(1, b"written %d\\n" % (number - 1))

with TagFileWriter(sys.argv[1], fsync="never") as writer:
    writer.append(Tags([1], [1]))  # whatever must be loaded is loaded
for line in sys.stdin:
    path, size = line.split()
    child = os.fork()
    if child == 0:
        write_for_ever(path, int(size))
    os.write(1, b"pid %d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""
"""Starts a writer for each line of stdin, without a new interpreter for each."""


def killed(folder: Path, times: int, seed: int) -> int:
    """Kill writers ``times`` times, each at a random moment; return how many files were torn within a block."""
    rng, torn = random.Random(seed), 0
    command = [sys.executable, "-c", WRITERS, str(folder / "warm.tags")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        try:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            for number in range(times):
                path, size = folder / f"{number}.tags", rng.choice([1, 1000, 100_000])
                nursery.stdin.write(f"{path} {size}\n")
                nursery.stdin.flush()
                lines = []
                for line in nursery.stdout:  # its pid, and proof that it is writing
                    lines.append(line)
                    if any(each.startswith("pid") for each in lines) and any("written" in each for each in lines):
                        break
                time.sleep(rng.uniform(0, 0.02))
                os.kill(next(int(line.split()[1]) for line in lines if line.startswith("pid")), signal.SIGKILL)
                for line in nursery.stdout:
                    lines.append(line)
                    if line == "dead\n":
                        break
                last = max(int(line.split()[1]) for line in lines if line.startswith("written"))
                torn += checked(path, last, size)
                path.unlink()
        finally:
            nursery.kill()
    return torn


def checked(path: Path, last: int, size: int) -> bool:
    """Check that blocks up to ``last`` at least are there, as they were written; return whether one is torn."""
    with TagFileReader(path) as reader:
        found = -1
        for found, block in enumerate(reader.blocks()):
            assert block.number == found
            rng = np.random.default_rng(found)
            expected = found * 10**12 + np.cumsum(rng.integers(0, 250_000, size))
            assert np.array_equal(block.tags.times_ps, expected)
            assert np.array_equal(block.tags.channels, rng.integers(0, 8, size))
        assert last <= found <= last + 1
        assert not reader.ended
        (loss,) = reader.losses()
    target = path.with_suffix(".repaired")
    assert repair(path, target).blocks == found + 1
    target.unlink()
    return loss.what == "torn off"


@pytest.mark.process
def test_ten_times_every_written_block_is_there(tmp_path):
    killed(tmp_path, 10, seed=1)


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.timeout(1200)
def test_two_hundred_times_every_written_block_is_there(tmp_path):
    killed(tmp_path, 200, seed=2)
