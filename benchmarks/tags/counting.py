"""Counting, histograms and merging against plain C kernels for the same layout; the counts must be the same."""

from itertools import combinations

import numpy as np
from bellringer.analysis import Tags, coincidences, correlogram

from .measure import ratio
from .reference import Reference
from .streams import channels_of


def figures(tags: int) -> dict[str, float]:
    """Return ``two_fold``, ``all_pairs``, ``four_fold``, ``histogram`` and ``merge``: ratios, and our Mtags/s."""
    c = Reference()
    found: dict[str, float] = {}

    def note(name: str, ours, reference) -> None:
        found[name], seconds = ratio(ours, reference)
        found[f"{name}_mtags_s"] = tags * 1e-6 / seconds

    two = _tags(channels_of(1, 2, tags))
    t, n = two.times_ps, two.channels
    assert coincidences(two, [(0, 1)], 500)[0] == c.two_fold(t, n, 500)
    note("two_fold", lambda: coincidences(two, [(0, 1)], 500), lambda: c.two_fold(t, n, 500))
    assert (correlogram(two).counts == c.histogram(t, n, 100, 100_000)).all()
    note("histogram", lambda: correlogram(two), lambda: c.histogram(t, n, 100, 100_000))

    four = _tags(channels_of(1, 4, tags))
    t4, n4 = four.times_ps, four.channels
    assert coincidences(four, [(0, 1, 2, 3)], 1000)[0] == c.four_fold(t4, n4, 1000)
    note("four_fold", lambda: coincidences(four, [(0, 1, 2, 3)], 1000), lambda: c.four_fold(t4, n4, 1000))

    streams = channels_of(4, 2, tags)
    parts = [Tags(t, np.full(len(t), k, np.uint8)) for k, t in enumerate(streams)]
    eight, numbers = Tags.merge(parts), [part.channels for part in parts]
    plain = c.merge_eight(streams, numbers)
    assert all((x == y).all() for x, y in zip((eight.times_ps, eight.channels), plain))
    note("merge", lambda: Tags.merge(parts), lambda: c.merge_eight(streams, numbers))

    t8, n8, pairs = eight.times_ps, eight.channels, list(combinations(range(8), 2))
    matrix = c.all_pairs(t8, n8, 1000)
    assert coincidences(eight, pairs, 1000).tolist() == [matrix[a, b] + matrix[b, a] for a, b in pairs]
    note("all_pairs", lambda: coincidences(eight, pairs, 1000), lambda: c.all_pairs(t8, n8, 1000))
    return found


def _tags(streams: list[np.ndarray]) -> Tags:
    return Tags.merge([Tags(t, np.full(len(t), k, np.uint8)) for k, t in enumerate(streams)])
