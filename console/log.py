"""``bellringer log``: what happened at a running testbed, in people's words."""

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from rich.text import Text

from ..orchestrator.client import Network
from ..orchestrator.client.connections import Connections
from ..orchestrator.client.diary import COORDINATOR, Follower, Happened, history
from ..orchestrator.wire.shown import moment
from .main import emit_json
from .out import printer
from .words import GOOD, NOTE, PLAIN, WRONG, words

AGAIN_S = 2.0
STYLES = {GOOD: "green", PLAIN: "", NOTE: "yellow", WRONG: "bold red"}


def log_command(network: Network, node: str, most: int, follow: bool, seconds: float | None, as_json: bool) -> None:
    """Print the newest ``most`` events of all services, or of one node; then, if asked to, those that follow."""
    out = printer()
    told: dict[tuple[str, str], str] = {}

    def tell(event: Happened) -> None:
        bad, said = words(event)
        if as_json:
            emit_json({"utc": event.utc, "source": event.source, "event": event.name, "severity": bad,
                       "text": said, "body": event.body})  # fmt: skip
            sys.stdout.flush()
        elif told.get((event.source, said), "") < _before(event.utc):
            told[event.source, said] = event.utc
            when = moment(event.utc)
            out.print(Text.assemble((f"{when}  {event.source:<12} ", "dim"), (said, STYLES[bad])), soft_wrap=True)

    with contextlib.closing(Connections(network)) as connections, contextlib.ExitStack() as stack:
        sources = [node] if node else [COORDINATOR, *connections.nodes()]
        if node:
            connections.node(node)  # that there is one
        live: Iterable[Happened] = ()
        if follow:  # listen first, ask then: nothing falls between
            follower = stack.enter_context(Follower(connections, node))
            live = follower.events(math.inf if seconds is None else seconds)
        known, missing = history(connections, sources, most)
        for event in known:
            tell(event)
        for source, why in missing.items():
            print(f"{source} does not tell: {why}", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            for event in _news(live, known):
                tell(event)


def _news(live: Iterable[Happened], known: list[Happened]) -> Iterator[Happened]:
    """Give what was not told yet: an event of the overlap comes both ways."""
    told = {(event.source, event.utc, event.name, str(event.body)) for event in known}
    for event in live:
        if (event.source, event.utc, event.name, str(event.body)) not in told:
            yield event


def _before(utc: str) -> str:
    """Return the time ``AGAIN_S`` before another one: what a source said since then is not told twice."""
    try:
        return (datetime.fromisoformat(utc) - timedelta(seconds=AGAIN_S)).isoformat(timespec="milliseconds")
    except ValueError:
        return utc
