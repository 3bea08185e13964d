"""What happened at a testbed: the newest events of coordinator and agents, merged, and those that follow live.

Every service keeps its newest thousand events (wire/history.py); so any client, also one that came late, is told the
same. Order is by the services' own clocks.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import zmq

from ...testbed.errors import BellringerError
from ..wire.messages import Log
from ..wire.nonces import elapsed_s
from ..wire.subscriber import Published, Subscriber
from .connections import Connections
from .network import TIMEOUT_S, in_parallel, node_contact

COORDINATOR = "coordinator"
LOOK_S, NODES_S = 0.25, 5.0
"""How long one wait for events is; how often it is looked for nodes that came or moved."""
SILENT = frozenset({"epoch"})
"""Announcements, once a second."""


@dataclass(frozen=True)
class Happened:
    """One event: when (UTC, by the clock of the source's host), where, what."""

    utc: str
    source: str
    name: str
    body: dict[str, Any] = field(default_factory=dict)


def history(connections: Connections, sources: Sequence[str], most: int) -> tuple[list[Happened], dict[str, str]]:
    """Return the newest events of these services, oldest first, and who did not answer and why."""

    def ask(source: str) -> list[Happened]:
        message = Log(0, 0, most)
        coordinator = source == COORDINATOR
        answer = (
            connections.ask_coordinator(message) if coordinator else connections.ask_node(source, message, TIMEOUT_S)
        )
        return [Happened(each["utc"], each["source"], each["name"], each["body"]) for each in answer["events"]]

    answers = in_parallel(sources, ask)
    missing = {source: each.what for source, each in answers.items() if isinstance(each, BellringerError)}
    found = [event for each in answers.values() if not isinstance(each, BellringerError) for event in each]
    return sorted(found, key=lambda event: event.utc)[-most:], missing


class Follower:
    """Hears the events of services from ``with`` on.

    Args:
        only: the only node to hear; "" for all nodes and the coordinator.
    """

    def __init__(self, connections: Connections, only: str = "") -> None:
        self._connections, self._only = connections, only
        self._streams: dict[str, tuple[str, Subscriber]] = {}
        self._looked_s = 0.0

    def __enter__(self) -> Self:
        """Connect; raises BellringerError if the coordinator, or the only node, is not known."""
        if not self._only:
            contact, keys = self._connections.network.contact, self._connections.network.keys
            stream = Subscriber(contact.events, contact.public_key, keys, topics=("events",))
            self._streams[COORDINATOR] = (contact.events, stream)
        self._look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, stream in self._streams.values():
            stream.close()
        self._streams = {}

    def events(self, seconds: float) -> Iterator[Happened]:
        """Give the events of the next ``seconds`` as they come; an event ``lost`` tells how many did not."""
        end = elapsed_s() + seconds
        while (left := end - elapsed_s()) > 0:
            if elapsed_s() - self._looked_s > NODES_S:
                with contextlib.suppress(BellringerError):  # the coordinator is away; the others still tell
                    self._look()
            poller = zmq.Poller()
            for _, stream in self._streams.values():
                poller.register(stream.socket, zmq.POLLIN)
            poller.poll(round(min(left, LOOK_S) * 1000))
            for source, (_, stream) in list(self._streams.items()):
                while (published := stream.receive()) is not None:
                    yield from _told(source, published)

    def _look(self) -> None:
        """Listen to the nodes there are now, where they are now."""
        self._looked_s = elapsed_s()
        nodes = self._connections.nodes(anew=True)
        wanted = {self._only: self._connections.node(self._only)} if self._only else nodes
        for name, described in wanted.items():
            known = self._streams.get(name)
            if known is not None and known[0] == described["stream"]:
                continue
            if known is not None:
                known[1].close()
            keys = self._connections.network.keys
            stream = Subscriber(described["stream"], node_contact(described).public_key, keys, topics=("events",))
            self._streams[name] = (described["stream"], stream)


def _told(source: str, published: Published) -> Iterator[Happened]:
    event = published.message
    if published.lost:
        yield Happened(event.utc, source, "lost", {"events": published.lost})
    if event.name not in SILENT:
        yield Happened(event.utc, event.source, event.name, event.body)
