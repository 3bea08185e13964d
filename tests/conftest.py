"""The order of all tests: files in no order, so that those that wait for processes and those that compute mix."""

import zlib

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: zlib.crc32(item.path.name.encode()))
