"""The correlators of a testbed on this machine, one a link, and their newest numbers for a run's progress."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..analysis import Estimate
from ..orchestrator.correlator.process import Setup, Source
from ..orchestrator.wire import KeyPair, Subscriber
from ..testbed.errors import BellringerError
from ..testbed.testbed import Testbed
from .progress import Bars

LOOK_S = 0.2


@dataclass(frozen=True)
class CorrelatorHere:
    """A correlator on this machine and the key it holds."""

    link: str
    results: str
    public_key: str


def correlator_setup(
    testbed: Testbed,
    link: str,
    agents: Mapping[str, tuple[str, str]],
    keys: KeyPair,
    readers: tuple[tuple[str, str, str], ...],
) -> Setup:
    """Return what a link's correlator is told; ``agents`` has the stream's address and the public key by node."""
    body = testbed.links[link]
    sources = tuple(
        Source(name, *agents[end.tagger.partition(".")[0]], end.tagger, end.transmitted, end.reflected)
        for name, end in body.ends.items()
    )
    return Setup(
        link=link,
        sources=(sources[0], sources[1]),
        window_ps=round(body.coincidence_window * 1e12),
        keys=keys.parts,
        enrolled=readers,
        leave_at_end=True,
    )


@contextlib.contextmanager
def rates_shown(correlators: Mapping[str, CorrelatorHere], keys: KeyPair, progress: Bars) -> Iterator[None]:
    """Show what the correlators count beside a run's progress; a display only, nothing depends on it."""
    over = threading.Event()
    threads = [
        threading.Thread(target=_show, args=(each, keys, progress, over), name=f"rates {each.link}", daemon=True)
        for each in correlators.values()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _show(correlator: CorrelatorHere, keys: KeyPair, progress: Bars, over: threading.Event) -> None:
    with Subscriber(correlator.results, correlator.public_key, keys, topics=("link",), conflate=True) as results:
        while not over.is_set():
            try:
                published = results.receive(LOOK_S)
            except BellringerError:
                return  # a display only: who needs the correlator notices by itself
            if published is not None:
                progress.beside(correlator.link, in_short(published.message.body))


def in_short(body: Mapping[str, Any]) -> str:
    """Return a result in one line: clicks a second of both ends, coincidences a second, correlation."""
    recent, ends = body["recent"], body["ends"]
    clicks = [sum(each["value"] or 0.0 for each in row) for row in recent["singles"]]
    line = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in zip(ends, clicks))
    if body["state"] != "aligned":
        return f"{line}; {body['state']}"
    both = sum(each["value"] or 0.0 for row in recent["coincidences"] for each in row)
    return f"{line}, together {both:,.0f}/s, E {Estimate(**recent['E'])}"
