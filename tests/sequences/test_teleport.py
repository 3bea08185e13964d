"""``teleport`` and ``swap`` on cores: what arrives agrees with the prediction, and perfect pairs carry everything."""

import pytest
from bellringer.sequences.library.swap import swap
from bellringer.sequences.library.teleport import teleport

def pull(run):
    return float(run.figures["prediction"].table[1][3])

def test_t(core_run):
    run = core_run(seed=3)
    teleport(run, shots=20)
    print(run.results, run.figures["prediction"].table, run.notes, run.figures["teleported_states"].table)

def test_s(core_run):
    run = core_run("memory_three_node.yaml", seed=3)
    swap(run, shots=50)
    print(run.results, run.figures["prediction"].table, run.notes, run.figures["swapped_pairs"].table)
