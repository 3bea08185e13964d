"""The order of tests on several workers: each has files that wait for processes among files that compute, and ends with
the latter. With one alone it is that of the files."""

import itertools
import os
import zlib

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if not workers:
        return
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for _, file in itertools.groupby(sorted(items, key=_anywhere), _anywhere):
        min(shares, key=len).extend(file)
    items[:] = [item for share in shares for item in sorted(share, key=_place)]


def _anywhere(item: pytest.Item) -> float:
    return zlib.crc32(item.path.name.encode()) / 2**32


def _place(item: pytest.Item) -> float:
    return _anywhere(item) * (0.7 if item.get_closest_marker("process") else 1.0)
