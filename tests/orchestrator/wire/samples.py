"""Values that tests of the codec send and receive."""

import msgspec
import numpy as np
from bellringer.drivers.interfaces import ClockMap, Recording
from bellringer.orchestrator.wire.messages import Event, Refusal, Reply, Request

pack, Ext = msgspec.msgpack.encode, msgspec.msgpack.Ext
ANYTHING = Request | Reply | Refusal | Event


def recording(n: int = 4) -> Recording:
    clock_map = ClockMap(12, np.float64(1e-9), 5, 0.0, "PPS", True)
    return Recording(np.arange(n), np.ones(n, np.uint8), np.int64(99), clock_map, np.array([[1, 2]]))


def nested(levels: int):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value
