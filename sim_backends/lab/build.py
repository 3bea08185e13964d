"""Builds the simulated lab that a testbed file describes: a twin for every instrument, all on one optical bench."""

from typing import Any

from ...testbed.errors import BellringerError
from ...testbed.testbed import Testbed
from ..bench.bench import Bench
from ..twins import TWINS
from .lab import Lab
from .memory_links import join_memory_links


def build_lab(testbed: Testbed, seed: int, clock_endpoint: str = "", *, at_rest: bool = False) -> Lab:
    """Return a lab with all twins and the bench, ready to ``run``.

    Args:
        at_rest: begin as a lab that was in use yesterday, ovens warm as ``rest:`` says; else as after a power cut.

    Raises:
        BellringerError: an instrument has no twin, or no ``model:`` to build one from.
    """
    lab = Lab(seed, clock_endpoint)
    at_resource: dict[str, Any] = {}
    for name, entry in testbed.instruments().items():
        if entry.parts:
            continue  # composed of others: nothing on a wire
        if entry.driver not in TWINS:
            raise BellringerError(
                f"{name}: driver '{entry.driver}' has no simulated backend",
                hint="dry runs work with: " + ", ".join(sorted(TWINS)),
            )
        if entry.model is None:
            raise BellringerError(
                f"{name} has no 'model:'",
                hint="a dry run needs to know what the instrument physically is; see the examples",
            )
        keywords = {"shares": at_resource[entry.resource]} if entry.resource in at_resource else {}
        twin = TWINS[entry.driver](lab, name, entry.model, entry.options, **keywords)
        at_resource.setdefault(entry.resource, twin)
        if at_rest:
            twin.begin_at_rest(entry.rest)
    lab.bench = Bench(lab, testbed, seed)
    lab.memories = join_memory_links(lab, testbed, seed)
    return lab


def endpoints(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return driver, resource and connection options that reach every simulated instrument, by name."""
    return {
        name: {"driver": twin.driver, "resource": twin.resource, "options": {**twin.options, **twin.connection()}}
        for name, twin in lab.twins.items()
    }
