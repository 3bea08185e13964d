"""``bellringer link``: how long corrections take on the memory links of a running testbed."""

import contextlib
from collections.abc import Sequence

from rich.table import Table

from ..orchestrator.client import Network
from ..orchestrator.client.connections import Connections
from ..orchestrator.client.measure import measure_link, memory_links, stored
from ..testbed.attempts.latency import RUNS_IN, MeasuredLatency, Measurement
from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer
from .progress import Bars

SAMPLES = 10_000
"""To each node; so many that ten come later than p99.9."""


def measure_command(network: Network, link: str, samples: int, as_json: bool) -> None:
    """Measure a link with a progress bar, and print what was found."""
    with contextlib.closing(Connections(network)) as connections:
        name = link or _only(list(memory_links(connections)))
        with Bars() as progress:
            found = measured_with_progress(connections, name, samples, progress)
    if as_json:
        emit_json({"link": name, "measurements": [each.model_dump(mode="json") for each in found]})
    else:
        _print(f"corrections on {name}", found)


def measured_with_progress(connections: Connections, link: str, samples: int, progress: Bars) -> list[Measurement]:
    """Measure a link and show how far it is."""
    nodes = 2
    progress.start(f"corrections on {link}", nodes * samples)
    try:
        return measure_link(connections, link, samples, progress.advance)
    finally:
        progress.end()


def measured_if_never(network: Network, progress: Bars, link: str) -> bool:
    """Measure a link that never was; return whether it was measured now."""
    with contextlib.closing(Connections(network)) as connections:
        links = memory_links(connections)
        if link not in links:  # what is wrong is something else: a condition, say
            return False
        station = links[link]["station"].partition(".")[0]
        known = (stored(connections) or {}).get("measurements", ())
        if any(each["station"] == station for each in known):
            return False
        progress.say(f"nobody has measured how long corrections take on {link}: measuring")
        measured_with_progress(connections, link, SAMPLES, progress)
    return True


def show_command(network: Network, as_json: bool) -> None:
    """Print what is kept."""
    with contextlib.closing(Connections(network)) as connections:
        body = stored(connections)
    if as_json:
        emit_json({"latency": body})
        return
    if body is None:
        raise BellringerError("nothing was measured on this testbed yet", hint="bellringer link measure LINK")
    kept = MeasuredLatency.model_validate(body, strict=False)
    _print(f"{kept.testbed}, {kept.measured_utc}", kept.measurements)


def _print(title: str, found: Sequence[Measurement]) -> None:
    table = Table(title=title)
    for column in ("from", "to", "class", "p50", "p99", "p99.9", "messages"):
        table.add_column(column, justify="right" if column.startswith("p") else "left")
    for each in found:
        times = (f"{ps * 1e-9:.3f} ms" for ps in (each.p50_ps, each.p99_ps, each.p999_ps))
        where = f"{each.latency_class}: {RUNS_IN[each.latency_class]}"
        table.add_row(each.station, each.node, where, *times, str(each.samples))
    printer().print(table)


def _only(links: list[str]) -> str:
    if len(links) == 1:
        return links[0]
    if not links:
        hint = "give its testbed file one under memory_links"
        raise BellringerError("the testbed has no memory link", hint=hint)
    raise BellringerError("which link?", hint=f"there are {', '.join(sorted(links))}")
