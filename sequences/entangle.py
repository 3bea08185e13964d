"""Heralded pairs for a run, from the coordinator of the testbed it runs on."""

from typing import Any

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.client import RemoteInstruments
from ..orchestrator.client.entangle import DeliveredPair, Pairs
from ..testbed.clock import WallClock
from ..testbed.errors import BellringerError

__all__ = ["DeliveredPair", "Pairs", "entangle"]


def entangle(host: Instruments, request: dict[str, Any]) -> Pairs:
    """Ask for pairs.

    Raises:
        BellringerError: the service does not take the request, or there is none.
    """
    if not (isinstance(host, RemoteInstruments) and isinstance(host.clock, WallClock)):
        raise BellringerError(
            "heralded pairs need a testbed that runs in real time",
            hint="start one with `bellringer up FILE --dry-run`, then run without --dry-run",
        )
    return Pairs(host.coordinator(), request)
