"""``rack``, the far ends of an ID900, and ``unit``, its driver, open."""

from collections.abc import Iterator

import pytest
from bellringer.drivers.time_taggers.id900 import Id900

from .far_ends import Rack, unopened


@pytest.fixture
def rack() -> Iterator[Rack]:
    far_ends = Rack()
    yield far_ends
    far_ends.close()


@pytest.fixture
def unit(rack: Rack) -> Iterator[Id900]:
    tagger = unopened(rack).open()
    rack.log.clear()
    yield tagger
    tagger._disconnect()
