"""Compiled loops, got ready before they are needed."""

from .coincidences import coincidences
from .tags import Tags


def compiled_anew() -> bool:
    """Count two tags; return whether the loop for that had to be compiled, as all are after a first installation.

    numba keeps what it compiled on the disk (0.3 s to load in each process); compiling takes a second or two a loop.
    """
    coincidences(Tags([0, 10**6], [0, 1]), [(0, 1)])
    from ._stream_kernels import count_pairs

    return sum(count_pairs.stats.cache_misses.values()) > 0
