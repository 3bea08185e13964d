"""Dead time of a click detector, applied to whole arrays."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def apply_dead_time(times: Floats, dead_time: float, last: float) -> Floats:
    """Return the clicks of a non-paralysable detector: none within ``dead_time`` after an accepted one.

    Args:
        times: float64[n], ascending arrival times (any unit, the same for all arguments).
        dead_time: dead time after every accepted click.
        last: time of the last accepted click before ``times`` (``-inf`` if there was none).

    An arrival that is far from the one before it is accepted for sure; one that is near an accepted one is rejected
    for sure. Striking out the latter until nothing is near takes as many passes as the longest chain of near
    arrivals, however long the array.
    """
    if times.size == 0 or dead_time <= 0:
        return times
    while True:
        near = times[1:] - times[:-1] < dead_time
        first_near = times[0] - last < dead_time
        if not first_near and not near.any():
            return times
        rejected = np.empty(times.size, bool)
        rejected[0] = first_near
        rejected[1:] = near
        rejected[2:] &= ~near[:-1]
        if first_near and near.size:
            rejected[1] = False  # its predecessor is rejected, so it must be looked at again
        times = times[~rejected]
        if times.size == 0:
            return times
