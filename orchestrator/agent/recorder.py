"""A node's own copy of every recording: tag files on its disk, written beside the agent's loop, published after.

Packing, compressing and syncing are done by a thread; the loop hands tags over, goes on, and is told when they are in
the file. So an answer with a recording never leaves, nor is a block published, before its tags are kept.
"""

import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...drivers.interfaces import ClockMap, Recording, TagBlock
from ...testbed.errors import BellringerError
from ..records import TagKeeper
from ..wire.messages import Event
from ..wire.stream import Publisher

MOST_GAPS = 100_000
Then = Callable[[BellringerError | None], None]
"""Told in the agent's loop that tags are kept, or why not."""


class TagRecorder:
    """Keeps recordings under ``folder`` as ``NUMBER-instrument.tags`` and publishes their tags.

    Numbers go on where the folder's files end. A file that its agent could not finish, because it was killed, holds
    every block that was told to be kept.

    Attributes:
        wake: readable when ``turn`` has something to tell.
    """

    def __init__(self, folder: Path, publisher: Publisher) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._publisher = folder, publisher
        last = max((int(path.name.partition("-")[0]) for path in folder.glob("[0-9]*-*")), default=0)
        self._numbers = itertools.count(last + 1)
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Then] | None] = queue.SimpleQueue()
        self._done: deque[tuple[Then, Exception | None]] = deque()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def keep(self, instrument: str, value: Recording, then: Then) -> None:
        """Write and publish a recording, and tell ``then``; what the disk does not take leaves no file."""
        number, path = self._next(instrument)
        about = {"instrument": instrument, "duration_ps": value.duration_ps, "clock_map": vars(value.clock_map)}
        keeper = TagKeeper(path, value.clock_map, about, fsync="block")

        def write() -> None:
            try:
                keeper.append(value.times_ps, value.channels, value.gaps_ps)
                keeper.close()
            except Exception:
                keeper.discard()
                raise

        def kept(error: BellringerError | None) -> None:
            if error is None:
                body = {**about, "gaps_ps": told_gaps(value.gaps_ps), "number": number}
                self._publisher.publish("tags", Event(0, "tags", instrument, 0, body), value.times_ps, value.channels)
            then(error)

        self._jobs.put((write, kept))

    def begin(self, instrument: str, clock_map: ClockMap, stream: str) -> "StreamFile":
        """Return the file of a stream that begins."""
        number, path = self._next(instrument)
        about = {"instrument": instrument, "stream": stream, "clock_map": vars(clock_map)}
        return StreamFile(number, TagKeeper(path, clock_map, about, fsync="second"), self._jobs)

    def turn(self) -> None:
        """Tell whoever waits what is kept."""
        os.eventfd_read(self.wake)
        while self._done:
            then, error = self._done.popleft()
            if error is not None and not isinstance(error, BellringerError):  # of a driver's arrays, most likely
                what = f"the tags could not be written: {type(error).__name__}: {error}"
                error = BellringerError(what, hint="does the driver give what its interface says?")
            then(error)

    def close(self) -> None:
        """Write what was handed over and end; nobody is told any more."""
        self._jobs.put(None)
        self._thread.join()
        os.close(self.wake)

    def _next(self, instrument: str) -> tuple[int, Path]:
        number = next(self._numbers)
        return number, self._folder / f"{number:06d}-{instrument}.tags"

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            write, then = job
            try:
                write()
                self._done.append((then, None))
            except Exception as error:  # whatever it is, the loop must hear of it
                self._done.append((then, error))
            os.eventfd_write(self.wake, 1)


class StreamFile:
    """The file of one stream; its first block makes it.

    Attributes:
        number: the file's.
    """

    def __init__(self, number: int, keeper: TagKeeper, jobs: "queue.SimpleQueue[Any]") -> None:
        self.number, self._keeper, self._jobs = number, keeper, jobs
        self._end_ps: int | None = None

    def append(self, block: TagBlock, then: Then) -> None:
        """Write the next block and tell ``then``; what lies between it and the one before is a gap."""
        end_ps, self._end_ps = self._end_ps, block.end_ps

        def write() -> None:
            gaps = block.gaps_ps
            if end_ps is not None and end_ps < block.begin_ps:
                gaps = np.concatenate([[[end_ps, block.begin_ps]], gaps]).astype(np.int64)
            self._keeper.append(block.times_ps, block.channels, gaps)

        self._jobs.put((write, then))

    def close(self) -> None:
        """End the file properly."""
        self._jobs.put((self._keeper.close, _nobody))


def told_gaps(gaps_ps: npt.NDArray[np.int64]) -> list[list[int]]:
    """Return gaps as they are published; more than ``MOST_GAPS`` would break a message's limit, and are told as one."""
    return gaps_ps.tolist() if len(gaps_ps) <= MOST_GAPS else [[int(gaps_ps.min()), int(gaps_ps.max())]]


def _nobody(error: BellringerError | None) -> None:
    """The end of a stream's file is waited for by nobody: every block of it was told of."""
