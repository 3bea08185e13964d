"""Streams of tags: read from driver processes block by block and published, as long as the tagger has its owner.

One read of a tagger is in flight at any time, asked for when the one before it has come; so nothing piles up here. A
subscriber that does not keep up loses blocks at its high-water mark and knows how many from the numbers. Going dark
ends a stream: the driver's safe state does, and the read that follows is refused.

Published on topic ``tags``: ``tags`` with the stream's id, the block's number from 1, its stretch of device time,
gaps and clock map, and beside it times and channels; ``stream_ended`` with the number of blocks and why. A stream that
is recorded is one tag file; its number stands with each block, which is published when it is in the file.
"""

import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...drivers.interfaces import ClockMap, TagBlock
from ...testbed.errors import BellringerError, InstrumentError
from ..wire.errors import to_refusal
from ..wire.messages import Call, Event, Refusal, Reply, Stream
from ..wire.stream import Publisher
from .children import Answer, Child
from .recorder import StreamFile, TagRecorder, told_gaps

READ_S = 0.3
"""The longest a read waits for tags: how long other calls to the tagger may have to wait behind it."""


@dataclass
class _Running:
    """One stream; whoever asked for its end is in ``stopping``, and told when it has ended."""

    id: str
    instrument: str
    child: Child
    record: bool
    blocks: int = 0
    clock_map: ClockMap | None = None
    file: StreamFile | None = None
    stopping: list[Answer] = field(default_factory=list)


class Streams:
    """All streams of a node."""

    def __init__(self, publisher: Publisher, recorder: TagRecorder) -> None:
        self._publisher, self._recorder = publisher, recorder
        self._running: dict[str, _Running] = {}
        self._ids = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count(1))

    def serve(
        self, message: Stream, child: Child, answer: Answer, key: str = "", until_s: float = float("inf")
    ) -> None:
        """Start or end a stream; ``answer`` is told its id and clock map when it runs, or that it has ended.

        Args:
            key, until_s: as ``Child.submit``.

        Raises:
            InstrumentError: the tagger streams already.
        """
        running = self._running.get(message.instrument)
        if not message.channels:
            if running is None:
                answer(Reply(0, {"stream": ""}))
            else:
                running.stopping.append(answer)
            return
        if running is not None:
            raise InstrumentError("it streams its tags already", where=message.instrument, hint="end the stream first")
        stream = _Running(next(self._ids), message.instrument, child, message.record)
        self._running[message.instrument] = stream

        def started(clock_map: ClockMap) -> None:
            stream.clock_map = clock_map
            if stream.record:
                stream.file = self._recorder.begin(stream.instrument, clock_map, stream.id)
            answer(Reply(0, {"stream": stream.id, "clock_map": clock_map}))
            self._go_on(stream)

        def refused(refusal: Refusal) -> None:
            del self._running[stream.instrument]
            answer(refusal)

        self._ask(stream, "start_stream", ClockMap, started, refused, list(message.channels), key=key, until_s=until_s)

    def described(self) -> dict[str, Any]:
        """Return the streams that run, by instrument."""
        return {name: {"stream": each.id, "blocks": each.blocks} for name, each in self._running.items()}

    def _ask(
        self,
        stream: _Running,
        method: str,
        kind: type,
        then: Callable[[Any], None],
        otherwise: Callable[[Refusal], None],
        *args: Any,
        **more: Any,
    ) -> None:
        def answered(message: Reply | Refusal) -> None:
            if isinstance(message, Refusal):
                otherwise(message)
            elif isinstance(message.value, kind):
                then(message.value)
            else:
                what = f"its driver's {method} gave a {type(message.value).__name__}, not a {kind.__name__}"
                otherwise(to_refusal(InstrumentError(what, where=stream.instrument, hint="correct the driver"), 0))

        stream.child.submit(Call(0, stream.instrument, method, 0, args), answered, **more)

    def _go_on(self, stream: _Running) -> None:
        """Read the next block, or stop if somebody wants that."""
        if not stream.stopping:
            self._ask(
                stream, "read_stream", TagBlock, lambda block: self._take(stream, block), self._failed(stream), READ_S
            )
        else:
            self._stop(stream, "it was stopped")

    def _stop(self, stream: _Running, why: str) -> None:
        self._ask(stream, "stop_stream", object, lambda _: self._ended(stream, why), self._failed(stream))

    def _failed(self, stream: _Running) -> Callable[[Refusal], None]:
        return lambda refusal: self._ended(stream, "it was made dark" if refusal.error == "Aborted" else refusal.what)

    def _take(self, stream: _Running, block: TagBlock) -> None:
        if block.end_ps <= block.begin_ps:
            self._go_on(stream)
        elif stream.file is None:
            self._publish(stream, block)
        else:
            stream.file.append(block, lambda error: self._publish(stream, block, error))

    def _publish(self, stream: _Running, block: TagBlock, lost: BellringerError | None = None) -> None:
        """Publish a block and go on, or end the stream if its file could not take it."""
        if lost is not None:
            self._stop(stream, lost.what)
            return
        stream.blocks += 1
        body = {
            "instrument": stream.instrument,
            "stream": stream.id,
            "block": stream.blocks,
            "begin_ps": block.begin_ps,
            "end_ps": block.end_ps,
            "gaps_ps": told_gaps(block.gaps_ps),
            "clock_map": vars(stream.clock_map),
        }
        if stream.file is not None:
            body["number"] = stream.file.number
        event = Event(0, "tags", stream.instrument, 0, body)
        self._publisher.publish("tags", event, block.times_ps, block.channels)
        self._go_on(stream)

    def _ended(self, stream: _Running, why: str) -> None:
        del self._running[stream.instrument]
        if stream.file is not None:
            stream.file.close()
        body = {"instrument": stream.instrument, "stream": stream.id, "blocks": stream.blocks, "why": why}
        self._publisher.publish("tags", Event(0, "stream_ended", stream.instrument, 0, body))
        for answer in stream.stopping:
            answer(Reply(0, {"stream": stream.id, "blocks": stream.blocks, "why": why}))
