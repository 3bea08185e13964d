"""Ratios of two pieces of work: taken in turns, by thread CPU time, the median of the rounds."""

import statistics
import time
from collections.abc import Callable


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this thread that ``work`` takes."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def ratio(ours: Callable[[], object], reference: Callable[[], object], rounds: int = 9) -> tuple[float, float]:
    """Return (speed of ours over that of the reference, CPU seconds of ours); medians. Both have run before."""
    pairs = []
    for number in range(rounds):
        both = [(0, ours), (1, reference)][:: 1 if number % 2 else -1]
        taken = dict((k, cpu_s(work)) for k, work in both)
        pairs.append((taken[1] / taken[0], taken[0]))
    return statistics.median(r for r, _ in pairs), statistics.median(s for _, s in pairs)
