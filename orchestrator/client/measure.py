"""How long a correction takes on a memory link of a running testbed, measured with messages that correct nothing.

They go the whole way of a real one: the station's core tells its time, its driver process sends a message to the
node's, which writes a correction of no batch to the node's core, which refuses it and says when. No light is needed.
"""

import secrets
from collections.abc import Callable
from typing import Any

from ...testbed.attempts.latency import LatencyClass, Measurement
from ...testbed.errors import BellringerError, nearest
from ..wire.messages import Measured, Probe, Status
from .connections import Connections
from .network import in_parallel

AT_ONCE = 250
"""Messages in one go: driver processes have something else to do in between."""
PATIENCE_S = 20.0
"""How long the cores' driver processes may be busy with batches before."""
LATE_S = 1.0
"""How long the last messages of one go are waited for."""
LONGEST_S = 0.01
"""How long a message may take at most on average, so that the last ones are not missed."""
CLASS: LatencyClass = "S1"
"""From driver process to driver process, in software."""


def memory_links(connections: Connections) -> dict[str, dict[str, Any]]:
    """Return the memory links of the testbed by name: ``station`` and ``memories``, full names of cores."""
    found: dict[str, dict[str, Any]] = _entanglement(connections).get("memory_links", {})
    return found


def stored(connections: Connections) -> dict[str, Any] | None:
    """Return what was measured up to now (``MeasuredLatency``), None if nothing was."""
    found: dict[str, Any] | None = _entanglement(connections).get("latency")
    return found


def measure_link(
    connections: Connections, link: str, samples: int, step: Callable[[int], object] = lambda count: None
) -> list[Measurement]:
    """Measure the way to both nodes of a link, have the coordinator keep it, and return it.

    Args:
        samples: messages to each node.
        step: called with how many more were sent.

    Raises:
        BellringerError: no such link, a core cannot be asked, or too many messages were lost.
    """
    links = memory_links(connections)
    if link not in links:
        hint = nearest(link, links) if links else "give its testbed file one under memory_links"
        raise BellringerError(f"the testbed has no memory link '{link}'", hint=hint)
    station, memories = links[link]["station"], links[link]["memories"]
    found = [_measure(connections, station, memory, samples, step) for memory in memories]
    connections.ask_coordinator(Measured(0, tuple(each.model_dump_json() for each in found)))
    return found


def _measure(
    connections: Connections, station: str, memory: str, samples: int, step: Callable[[int], object]
) -> Measurement:
    node = memory.partition(".")[0]
    first, took, lost = secrets.randbelow(1 << 48), list[int](), 0
    for begin in range(first, first + samples, AT_ONCE):
        count = min(AT_ONCE, first + samples - begin)
        sent, heard = _ask(
            connections,
            Probe(0, station, begin, count, node=node),
            Probe(0, memory, begin, count, seconds=LATE_S + count * LONGEST_S),
        )
        came = dict(heard)
        for number, began_ps in enumerate(sent, begin):
            if began_ps and number in came:
                took.append(came[number] - began_ps)
            else:
                lost += 1
        step(count)
    return Measurement.of(CLASS, station.partition(".")[0], node, took, lost)


def _ask(connections: Connections, *probes: Probe) -> list[Any]:
    """Ask the cores' agents at the same time and return their answers."""
    asks = {each.instrument: each for each in probes}

    def ask(core: str) -> Any:
        return connections.ask_node(core.partition(".")[0], asks[core], PATIENCE_S)

    answers = list(in_parallel(asks, ask).values())
    for answer in answers:
        if isinstance(answer, BellringerError):
            raise answer
    return answers


def _entanglement(connections: Connections) -> dict[str, Any]:
    found: dict[str, Any] = connections.ask_coordinator(Status(0))["entanglement"]
    return found
