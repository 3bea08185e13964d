"""Watching values: subscriptions at the agents, kept alive, and what they publish.

Nothing is asked of an instrument here; its agent reads it once for all who watch (agent/readings.py). To be used from
one thread; subscriptions are renewed in another one.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq

from ...testbed.errors import BellringerError
from ..wire.history import utc_now
from ..wire.messages import Subscribe
from ..wire.nonces import elapsed_s
from ..wire.subscriber import Subscriber
from .connections import Connections
from .network import node_contact

LEASE_S, RENEW_S = 9.0, 3.0
PATIENCE_S = 5.0
"""Longer than an agent waits before it says that an instrument does not answer."""
TURN_S = 0.25


@dataclass(frozen=True)
class Update:
    """Values that were just read, or why they could not be.

    Attributes:
        utc: when, by the clock of the node's host.
        values: by name, in the declared units.
        bad: name -> why there is no value.
    """

    instrument: str
    utc: str
    values: Mapping[str, Any]
    bad: Mapping[str, str]


class Silence:
    """Notices instruments of which nothing was published: their agent tells of every other trouble itself."""

    def __init__(self, instruments: Iterable[str], period_s: float, now_s: float) -> None:
        self._patience_s = max(PATIENCE_S, 3 * period_s)
        self._heard_s = dict.fromkeys(instruments, now_s)
        self._told_s = dict(self._heard_s)

    def heard(self, instrument: str, now_s: float) -> None:
        """Note that something was published of an instrument."""
        self._heard_s[instrument] = self._told_s[instrument] = now_s

    def overdue(self, now_s: float) -> dict[str, float]:
        """Return instruments that are silent too long, and for how long; each again after as much silence."""
        found = {
            name: now_s - self._heard_s[name] for name, at_s in self._told_s.items() if now_s - at_s > self._patience_s
        }
        self._told_s |= dict.fromkeys(found, now_s)
        return found


class Watcher:
    """Watches instruments from ``with`` on until its end.

    Args:
        wanted: names of settings and readings, by full name of their instrument.
        period_s: how often each is read, s.
    """

    def __init__(self, connections: Connections, wanted: Mapping[str, tuple[str, ...]], period_s: float) -> None:
        self._connections, self._wanted, self._period_s = connections, dict(wanted), period_s
        self._id = secrets.token_hex(8)
        self._streams: dict[str, tuple[str, Subscriber]] = {}
        self._renewed_s = 0.0
        self._silence = Silence((), period_s, 0.0)
        self._renewal: threading.Thread | None = None
        self.problems: dict[str, str] = {}
        """What is wrong, by instrument: its agent refuses, or is out of reach; empty if nothing is."""

    def __enter__(self) -> Self:
        """Subscribe.

        Raises:
            BellringerError: no such instrument or value, a dry run in lockstep, or an agent is out of reach.
        """
        try:
            for instrument in self._wanted:
                self._listen(instrument.partition(".")[0])
                self._subscribe(instrument, LEASE_S)
        except BaseException:
            self._close()
            raise
        self._renewed_s = elapsed_s()
        self._silence = Silence(self._wanted, self._period_s, self._renewed_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewal is not None:
            self._renewal.join()
        for instrument in self._wanted:
            with contextlib.suppress(BellringerError):  # it ends by itself
                self._subscribe(instrument, 0.0)
        self._close()

    def receive(self, timeout_s: float) -> list[Update]:
        """Return what was published for us, waiting for it at most ``timeout_s``; keeps the subscriptions alive."""
        if elapsed_s() - self._renewed_s > RENEW_S and not (self._renewal and self._renewal.is_alive()):
            self._renewed_s = elapsed_s()
            for instrument in self._wanted:
                self._listen(instrument.partition(".")[0])
            self._renewal = threading.Thread(target=self._renew, name="renewal", daemon=True)
            self._renewal.start()  # an agent that is out of reach must not hold up the others' values
        poller = zmq.Poller()
        for _, stream in self._streams.values():
            poller.register(stream.socket, zmq.POLLIN)
        poller.poll(max(0, round(min(timeout_s, TURN_S) * 1000)))
        found = [update for _, stream in self._streams.values() for update in self._taken(stream)]
        for update in found:
            self._silence.heard(update.instrument, elapsed_s())
        for instrument, seconds in self._silence.overdue(elapsed_s()).items():
            why = self.problems.get(instrument) or f"nothing was heard from its agent for {seconds:.0f} s"
            found.append(Update(instrument, utc_now(), {}, dict.fromkeys(self._wanted[instrument], why)))
        return found

    def _taken(self, stream: Subscriber) -> list[Update]:
        found = []
        while (published := stream.receive()) is not None:
            body, utc = published.message.body, published.message.utc
            names = self._wanted.get(body["instrument"], ())
            values = {name: value for name, value in body["values"].items() if name in names}
            bad = {name: why for name, why in body["bad"].items() if name in names}
            if values or bad:
                found.append(Update(body["instrument"], utc, values, bad))
        return found

    def _subscribe(self, instrument: str, for_s: float) -> None:
        message = Subscribe(0, instrument, self._wanted[instrument], self._period_s, for_s, self._id)
        self._connections.ask_node(instrument.partition(".")[0], message, 5.0)

    def _renew(self) -> None:
        """Ask again, also where the agent was started anew meanwhile, perhaps at another address."""
        for instrument in self._wanted:
            try:
                self._subscribe(instrument, LEASE_S)
                self.problems.pop(instrument, None)
            except BellringerError as error:
                self.problems[instrument] = error.what

    def _listen(self, node: str) -> None:
        described = self._connections.node(node)
        where = described["stream"]
        known = self._streams.get(node)
        if known is None or known[0] != where:
            if known is not None:
                known[1].close()
            keys = self._connections.network.keys
            stream = Subscriber(where, node_contact(described).public_key, keys, topics=("readings",))
            self._streams[node] = (where, stream)

    def _close(self) -> None:
        for _, stream in self._streams.values():
            stream.close()
        self._streams = {}
