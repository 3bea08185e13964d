"""What happened at a service lately: its newest events, numbered, for whoever asks (``Log``).

In memory and bounded. What must survive a restart is in the coordinator's journal, who did what in the audit log.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .messages import Event, Log
from .nonces import elapsed_s

KEPT = 1000
TURNED_AWAY = ("denied", "refused KeyRefused", "refused NotAllowed", "handshakes failed")
"""Counters of a port (server.py) that a person wants to hear of."""
TOLD_EVERY_S = 10.0


class History:
    """The newest events of one service.

    Args:
        source: what the service is called.
        publish: sends an event to whoever listens.
        clock: seconds that only ever grow.
    """

    def __init__(self, source: str, publish: Callable[[Event], object], clock: Callable[[], float] = elapsed_s) -> None:
        self._source, self._publish, self._clock = source, publish, clock
        self._events: deque[tuple[int, Event]] = deque(maxlen=KEPT)
        self._number = 0
        self._told: Counter[str] = Counter()
        self._told_s = float("-inf")

    def happened(self, name: str, body: dict[str, Any], epoch: int = 0) -> None:
        """Note an event of now, and publish it."""
        event = Event(0, name, self._source, epoch, body, utc_now())
        self.restore(event)
        self._publish(event)

    def restore(self, event: Event) -> None:
        """Note an event of before; it is not published again."""
        self._number += 1
        self._events.append((self._number, event))

    def turned_away(self, counters: Mapping[str, int], epoch: int = 0) -> None:
        """Note, now and then, how many connections and requests a port has refused since last time."""
        if self._clock() - self._told_s < TOLD_EVERY_S:
            return
        news = {name: counters.get(name, 0) - self._told[name] for name in TURNED_AWAY}
        if any(news.values()):
            self._told_s = self._clock()
            self._told.update(news)
            self.happened("turned_away", {name: count for name, count in news.items() if count}, epoch)

    def answer(self, message: Log) -> dict[str, Any]:
        """Return the events asked for, oldest first, and the number of the newest."""
        found = [(number, event) for number, event in self._events if number > message.since]
        return {
            "newest": self._number,
            "events": [
                {"number": n, "utc": e.utc, "name": e.name, "source": e.source, "epoch": e.epoch, "body": e.body}
                for n, e in (found[-message.most :] if message.most > 0 else [])
            ],
        }


def utc_now() -> str:
    """Return the time of day as people and machines read it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
