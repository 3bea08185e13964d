"""What a correlator needs is compiled and loaded before it listens, and it says so if that takes long."""

import json
import subprocess
import sys

import pytest
from bellringer.orchestrator.correlator import warm

pytestmark = pytest.mark.process

FEED = """
import json, sys
import numpy as np
from bellringer.drivers.interfaces import ClockMap, Recording, TagBlock
from bellringer.orchestrator.correlator import Correlator, LinkEnds
from bellringer.orchestrator.correlator.warm import warm_up

def loops():
    return {name + "." + f.__name__: len(f.signatures) for name, module in sorted(sys.modules.items())
            if name.startswith("bellringer.") for f in vars(module).values() if hasattr(f, "py_func")}

def misses():
    return sum(sum(f.stats.cache_misses.values()) for name, module in sorted(sys.modules.items())
               if name.startswith("bellringer.") for f in vars(module).values() if hasattr(f, "py_func"))

told = []
warm_up(told.append)
before, compiled = loops(), misses()
S, rng = 10**12, np.random.default_rng(2)
source = Correlator(LinkEnds("a-b", ("a", "b"), ((1, 2), (3, 4)), 600))
maps = ClockMap(0, 0.0, 10**10, 5e-6, "host clock", True), ClockMap(4 * 10**9, 0.0, 10**10, 5e-6, "host clock", True)
pairs = np.sort(rng.integers(0, 4 * S, 12_000))
tags = []
for first, shift in ((1, 0), (3, 25_000_000)):
    times = np.sort(np.concatenate([pairs + shift, rng.integers(0, 4 * S, 60_000)]))
    channels = np.where(rng.random(len(times)) < 0.5, first, first + 1).astype(np.uint8)
    for array in (times, channels):
        array.flags.writeable = False  # as they come from a frame
    tags.append((times, channels))
states = []
for number, low in enumerate(range(0, 4 * S, S // 5), 1):
    for end, (times, channels) in enumerate(tags):
        part = slice(*np.searchsorted(times, [low, low + S // 5]))
        gaps = np.array([[low + 5, low + 10**9]])
        block = TagBlock(low, low + S // 5, times[part], channels[part], gaps)
        source.feed(end, str(end), number, block, maps[end])
        states.append(source.state)
gaps = np.array([[S, S + 10**10]])
source.correlate(*(Recording(*each, 4 * S, map, gaps) for each, map in zip(tags, maps)))
print(json.dumps([told, compiled, before == loops(), sorted(set(states)), len(before)]))
"""


def run():
    done = subprocess.run([sys.executable, "-c", FEED], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_after_warming_up_nothing_is_compiled_or_loaded():
    run()  # it may be the first process ever
    told, compiled, same, states, loops = run()
    assert (told, compiled) == ([], 0)
    assert same, "tags needed a loop that was not ready"
    assert "aligned" in states
    assert loops > 15


@pytest.mark.parametrize("anew", [True, False])
def test_it_is_told_before_loops_are_compiled(mocker, anew):
    mocker.patch.object(warm, "compiled_anew", return_value=anew)
    order = mocker.MagicMock()
    mocker.patch.object(warm, "Correlator", order.correlator)
    warm.warm_up(order.tell)
    first, *_ = order.mock_calls
    assert ("compiling the loops" in str(first)) == anew
