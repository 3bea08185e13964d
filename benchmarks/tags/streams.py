"""Tags as a pair source and detectors make them, for the benchmarks."""

import numpy as np

RATE = 1e6
"""Tags a second on each channel."""
CORRELATED = 0.1
JITTER_PS = 300 / 2.3548
"""Standard deviation of a detector with 300 ps FWHM."""


def channels_of(groups: int, size: int, tags: int, seed: int = 1) -> list[np.ndarray]:
    """Return the int64 ps times of groups * size channels, ``tags`` in all; 10 % of each are common to its group."""
    rng = np.random.default_rng(seed)
    each = tags // (groups * size)
    span, common = int(each / RATE * 1e12), int(each * CORRELATED)
    streams = []
    for _ in range(groups):
        shared = rng.integers(0, span, common)
        for _ in range(size):
            seen = shared + np.rint(rng.normal(0, JITTER_PS, common)).astype(np.int64)
            streams.append(np.sort(np.concatenate([seen, rng.integers(0, span, each - common)])))
    return streams
