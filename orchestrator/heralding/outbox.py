"""What a machine sends: numbered messages, and what waits until an entry is on disk before it may be said or done."""

from collections import deque
from collections.abc import Callable
from typing import Any

from .entries import Entry, Record, records_to_bytes
from .messages import Confirm, FromParty
from .terms import Effect, Journal, Now, Send

Then = Callable[[Now], list[Effect]]


class Outbox:
    """One machine's.

    Args:
        boot: goes into every message.
        epoch: the highest one obeyed, whenever a message is made.
    """

    def __init__(self, boot: str, epoch: Callable[[], int]) -> None:
        self._boot, self._epoch = boot, epoch
        self._entries = self._messages = 0
        self._waiting: deque[tuple[int, Then]] = deque()
        self._fresh: list[Record] = []

    def say(self, kind: type[FromParty], run: str, batch: int, **fields: Any) -> Send:
        """Return a message to the coordinator."""
        self._messages += 1
        return Send("", kind(0, self._epoch(), run, batch, self._boot, self._messages, **fields))

    def keep(self, entry: Entry, then: Then = lambda now: []) -> Journal:
        """Return the effect that keeps ``entry``; ``then`` follows once it is on disk."""
        self._entries += 1
        self._waiting.append((self._entries, then))
        return Journal(self._entries, entry)

    def confirm(self, record: Record) -> None:
        """Have a record, which is on disk, confirmed together with others of this moment."""
        self._fresh.append(record)

    def on_journalled(self, number: int, now: Now) -> list[Effect]:
        """Entries up to ``number`` are on disk: return what waited for that."""
        effects: list[Effect] = []
        while self._waiting and self._waiting[0][0] <= number:
            effects += self._waiting.popleft()[1](now)
        if self._fresh:
            records, self._fresh = self._fresh, []
            body = records_to_bytes(records)
            effects.append(self.say(Confirm, records[0].run, records[0].batch, body=body))
        return effects
