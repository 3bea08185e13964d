"""What a party can say about batches that are over: their results, or that there will be none.

A number that was opened or barred is closed: no batch up to it begins here again, and that is on disk before anybody is
told. So ``Aborted`` can be believed, also after a restart, a step of the clock, or a command that was long on its way.
"""

from .entries import Acknowledged, Barred, Ended, body_hash, to_bytes
from .messages import Aborted, BatchMessage, Recorded, Result
from .outbox import Outbox
from .recovered import Key, Recovered, retain
from .terms import Effect, Now, Send

REPEAT_S = 1.0
"""How often results that were not acknowledged are sent again."""
AT_ONCE = 20
"""How many of them."""


class Kept:
    """Results and closed numbers.

    Args:
        recovered: what the journal held.
        outbox: the machine's.

    Attributes:
        results: bodies that the coordinator has not acknowledged.
        mark: the highest closed number, perhaps not on disk yet.
    """

    def __init__(self, recovered: Recovered, outbox: Outbox) -> None:
        self.results: dict[Key, bytes] = dict(recovered.results)
        self._acknowledged: dict[Key, bytes] = dict(recovered.acknowledged)
        self.mark = self._on_disk = recovered.mark
        unfinished = recovered.unfinished
        self._ending = None if unfinished is None else (unfinished[0].run, unfinished[0].batch)
        """The batch in which the process before this one died; its result is on its way to the disk."""
        self._outbox = outbox
        self._repeat_s = 0.0

    @property
    def due_s(self) -> float:
        """Return the monotonic time at which ``repeat`` has something to do."""
        return self._repeat_s if self.results else float("inf")

    def opened(self, batch: int) -> None:
        """Note that the opening of a batch is on disk."""
        self._on_disk = max(self._on_disk, batch)

    def publish(self, ended: Ended, now: Now) -> Send:
        """Return the message with a result that is on disk."""
        if not self.results:
            self._repeat_s = now.mono_s + REPEAT_S
        key, body = (ended.run, ended.batch), to_bytes(ended)
        self.results[key] = body
        self._ending = None
        return self._outbox.say(Result, *key, body=body)

    def repeat(self, now: Now) -> list[Effect]:
        """Return messages with results that were not acknowledged, the one told longest ago first, if it is time."""
        if now.mono_s < self.due_s:
            return []
        self._repeat_s = now.mono_s + REPEAT_S
        told = list(self.results.items())[:AT_ONCE]
        for key, body in told:  # to the end: one that never arrives must not keep the others from being told
            del self.results[key]
            self.results[key] = body
        return [self._outbox.say(Result, *key, body=body) for key, body in told]

    def answer(self, message: BatchMessage) -> list[Effect]:
        """Say what became of a batch that is not under way; if nothing did, nothing ever will."""
        key = (message.run, message.batch)
        body = self.results.get(key) or self._acknowledged.get(key)
        if body is not None:
            return [self._outbox.say(Result, *key, body=body)]
        if key == self._ending:
            return []
        if message.batch <= self._on_disk:
            return [self._gone(key)]
        if message.batch <= self.mark:
            return []  # the answer to an earlier question waits for the disk
        self.mark = message.batch
        return [self._outbox.keep(Barred(message.batch), lambda now: self._barred(key))]

    def recorded(self, message: Recorded) -> list[Effect]:
        """The coordinator has a result on its disk."""
        key = (message.run, message.batch)
        body = self.results.get(key)
        if body is None or body_hash(body) != message.body_hash:
            return []
        retain(self._acknowledged, key, self.results.pop(key))
        return [self._outbox.keep(Acknowledged(*key))]

    def _barred(self, key: Key) -> list[Effect]:
        self._on_disk = max(self._on_disk, key[1])
        return [self._gone(key)]

    def _gone(self, key: Key) -> Send:
        return self._outbox.say(Aborted, *key, reason="it was never opened here, or was recorded long ago")
