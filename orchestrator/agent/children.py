"""An agent's driver processes: started, spoken to, watched, replaced.

The agent's own process is never forked (see ``forking``): only then does the end of the pipe tell a child that the
agent has died. A child that dies is replaced at once by one that opens its instruments only to make them dark; so is
one that does not answer a ping or an order to go dark in time, after it was killed. One that dies again and again is
given up until a person has looked. What could not be made dark is opened anew and tried again, less and less often.
"""

import contextlib
import itertools
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...testbed.errors import InstrumentError
from ...testbed.testbed import InstrumentEntry
from ..wire.codec import Decoder
from ..wire.errors import to_refusal
from ..wire.messages import Call, Do, Get, Probe, Refusal, Reply, Set
from .authority import DARKENS, READS
from .child import Job
from .core_orders import Begin, End, Look, Permit, Progress
from .desk import Endpoint
from .forking import ForkServer, set_up
from .pipe import AgentEnd, Count, Dark, Darkened, Epoch, Ping, Pong

PING_S = 0.25
SILENT_S = 1.0
"""A child that has not answered a ping for this long is stopped or wedged; it is killed and replaced."""
STARTING_S = 10.0
"""A fresh process imports its drivers first; until then its silence means nothing."""
GONE_S = 0.5
"""A killed process is gone by then, unless the kernel is at work in one of its calls."""
LEAVE_S = 10.0
"""A child that has not left for this long after its pipe ended is killed."""
DARK_S = 3.0
"""A child that has not confirmed dark for this long is killed and replaced."""
REOPEN_DARK_S = 20.0
"""The same where instruments are opened first: one that is not reachable takes some seconds to be given up."""
LOCKSTEP_DARK_S = 60.0
"""The same in a dry run, where darkness needs lab time and so has to wait for a caller that computes."""

MOST_UNSENT = 8 << 20
"""Bytes that may wait for a child to take them in; jobs beyond are refused. Orders are short, and few until it is
replaced."""

MOST_WAITING, MOST_OF_ONE = 200, 100
"""Requests that may wait for a child altogether, and of one key; those beyond are refused."""
BUSY = "ask again in a few seconds; to watch a value, subscribe to it"

MOST_RESTARTS, WITHIN_S = 5, 60.0
"""More restarts than that within that time help nobody: the child is given up until ``revive``."""
AGAIN_S, LONGEST_AGAIN_S = 1.0, 60.0
"""How long until darkness is tried again where it could not be confirmed: at first, and at most; doubled each time."""

REPORTS = Decoder(Reply | Refusal | Pong | Darkened | Progress)
"""What comes on the pipe."""

Answer = Callable[[Reply | Refusal], None]
Hear = Callable[[Progress], None]


class Child:
    """One driver process and the instruments of its group.

    Args:
        server: starts the process, and those that replace it.
        locks: folder of the files that keep two processes from one port.
        lanes_at: address where corrections for its real-time cores come in.
        behind: the children for whom something waits to be sent, kept by each of them: ``flush`` them often.
        report: called with (kind, text) when something happened that a person should know: ``died``, ``dark`` (with
            what could not be confirmed, if it is news), ``given_up``.
    """

    def __init__(
        self,
        server: ForkServer,
        entries: Mapping[str, InstrumentEntry],
        endpoints: Mapping[str, Endpoint],
        clock_endpoint: str,
        report: Callable[[str, str], None],
        locks: Path | None = None,
        lanes_at: str = "tcp://127.0.0.1:*",
        behind: "set[Child] | None" = None,
    ) -> None:
        self.names = tuple(entries)
        self._server = server
        self._arguments = (dict(entries), dict(endpoints), clock_endpoint, locks, lanes_at)
        self._report = report
        self._behind = set() if behind is None else behind
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[str, Answer, str]] = {}
        """Who waits for an answer: about which instrument, and with which key."""
        self._hearing: dict[int, Hear] = {}
        """Who hears how a job goes on before its answer."""
        self._darks: dict[int, tuple[str, Answer | None]] = {}
        """Orders to go dark that are not answered: which instrument ("" for all), and who wants to know."""
        self._dark_since: float | None = None
        self._lockstep = bool(clock_endpoint)
        self._dark_s = LOCKSTEP_DARK_S
        self._touched: dict[str, int] = dict.fromkeys(self.names, 0)
        """Instruments of which more than reading was asked since they were last made dark, and the latest such job."""
        self.failures: tuple[str, ...] = ()
        """Instruments that the last order to go dark could not confirm."""
        self.restarts = 0
        self._restarted: deque[float] = deque(maxlen=MOST_RESTARTS)
        self.given_up = False
        """Whether it died so often that it is not started again before ``revive``."""
        self._again_s, self._again_at = AGAIN_S, 0.0
        self._retries: set[int] = set()
        self._epoch_tai_s = 0
        self._pinged = self._heard = 0.0
        self._start()

    @property
    def connection(self) -> Any:
        """The pipe's end, for the agent's poller."""
        return self._connection

    @property
    def pid(self) -> int | None:
        """Its process id; None as long as it has not begun."""
        return self._process.pid

    @property
    def clean(self) -> bool:
        """Whether nothing but reading was asked for since it was last confirmed dark."""
        return not (self._touched or self.failures)

    @property
    def touched(self) -> Collection[str]:
        """Instruments of which more than reading was asked since they were last confirmed dark: they may emit."""
        return {*self._touched, *_names(self.failures)}

    @property
    def darkening(self) -> bool:
        """Whether an order to go dark is not confirmed yet."""
        return self._dark_since is not None

    def submit(
        self,
        job: Job,
        answer: Answer,
        hear: Hear | None = None,
        *,
        key: str = "",
        until_s: float = float("inf"),
        ahead: bool = False,
    ) -> None:
        """Send a job under a number of its own; ``answer`` gets the reply or refusal, ``hear`` all before it.

        Args:
            key: whose request it is, "" for the agent's own; a key may have so many waiting.
            until_s: something that is set or done must begin by then (``elapsed_s``), if it waits for reading only. On
                the pipe it stands in the place of ``ttl_s``.
            ahead: it guards the light, and goes ahead of what waits. On the pipe its number is negative then.
        """
        if len(self._pending) >= MOST_OF_ONE and key and not self._lockstep:
            of_key = sum(each == key for _, _, each in self._pending.values())
            if of_key >= MOST_OF_ONE or len(self._pending) >= MOST_WAITING:
                busy = f"it is busy: {len(self._pending)} requests wait for it, {of_key} of them of this key"
                self._refuse([(job.instrument, answer)], f"{busy}; nothing was done", BUSY)
                return
        if self._pipe.unsent > MOST_UNSENT:
            self._refuse([(job.instrument, answer)], "its driver process takes nothing in", BUSY)
            return
        number = next(self._ids)
        if isinstance(job, (Set, Call, Do)):
            job = msgspec.structs.replace(job, id=-number if ahead else number, ttl_s=until_s)
        else:
            job = msgspec.structs.replace(job, id=-number if ahead else number)
        if hear is not None:
            self._hearing[job.id] = hear
        if not (isinstance(job, (Get, Count, Look, Probe)) or (isinstance(job, Do) and job.verb in READS | DARKENS)):
            self._touched[job.instrument] = job.id
        self._pending[job.id] = (job.instrument, answer, key)
        self._send(job)
        if self.given_up:
            self._refuse_all("its driver process was given up", "see the node's fault; then bellringer ack")

    def dark(
        self, reason: str, instrument: str = "", *, reopen: bool = False, ticket: str = "", answer: Answer | None = None
    ) -> None:
        """Order every instrument, or one, dark; what is in flight is interrupted. ``answer`` is told how it went."""
        if self._dark_since is None:
            self._dark_since = time.monotonic()
        if not self._lockstep:
            self._dark_s = max(REOPEN_DARK_S if reopen else DARK_S, self._dark_s if self._darks else 0.0)
        order = Dark(next(self._ids), reason, instrument, reopen, ticket)
        self._darks[order.id] = (instrument, answer)
        self._send(order)
        if self.given_up:
            self._refuse_all("its driver process was given up", "see the node's fault; then bellringer ack")

    def order(self, make: Callable[[int], Begin | End | Permit]) -> None:
        """Tell it something about the batch that is, or will be, under way; it is not answered."""
        self._send(make(next(self._ids)))

    def count_from(self, epoch_tai_s: int) -> None:
        """Let it count hardware time from this TAI second; 0 leaves it as it is."""
        if epoch_tai_s not in (0, self._epoch_tai_s):
            self._epoch_tai_s = epoch_tai_s
            self._send(Epoch(next(self._ids), epoch_tai_s))

    def take_in(self) -> None:
        """Take in what came on the pipe; call it when ``connection`` is readable."""
        try:
            messages = self._pipe.receive(REPORTS)
        except BlockingIOError:
            return  # it was for one before it
        except (EOFError, OSError):
            self._replace("its driver process died")
            return
        now = time.monotonic()
        if self._heard > now and self._dark_since is not None:
            self._dark_since = now  # it was starting until now
        self._heard = now
        for message in messages:
            if isinstance(message, (Reply, Refusal)):
                _, answer, _ = self._pending.pop(message.id, ("", None, ""))
                self._hearing.pop(message.id, None)
                if answer is not None:
                    answer(message)
            elif isinstance(message, Progress):
                if message.id in self._hearing:
                    self._hearing[message.id](message)
            elif isinstance(message, Darkened):
                self._darkened(message)

    def flush(self) -> None:
        """Send on what waits to be sent."""
        with contextlib.suppress(OSError):  # as in ``_send``
            self._pipe.flush()
        if not self._pipe.unsent:
            self._behind.discard(self)

    def _darkened(self, message: Darkened) -> None:
        instrument, answer = self._darks.pop(message.id, ("", None))
        retried = message.id in self._retries
        self._retries.clear()
        known = retried and _names(message.failures) == _names(self.failures)
        self._again_s = min(2 * self._again_s, LONGEST_AGAIN_S) if known else AGAIN_S
        self._again_at = time.monotonic() + self._again_s
        self._dark_since = time.monotonic() if self._darks else None
        others = [failure for failure in self.failures if instrument and _names((failure,)) != {instrument}]
        self.failures = (*others, *message.failures)
        for name in [instrument] if instrument else [*self._touched]:
            if self._touched.get(name, message.id) < message.id:  # not asked for anything since the order
                del self._touched[name]
        if answer is not None and message.failures:
            what = "; ".join(message.failures)
            answer(to_refusal(InstrumentError(f"not confirmed dark: {what}", hint="look at it by eye"), 0))
        elif answer is not None:
            answer(Reply(0))
        if not known:
            self._report("dark", "; ".join(message.failures))

    def watch(self) -> None:
        """Ping now and then; kill and replace a child that is silent. Call it at least four times a second."""
        if self.given_up:
            return
        self.flush()
        now = time.monotonic()
        if now - self._pinged >= PING_S:
            self._pinged = now
            self._send(Ping(next(self._ids)))
        if now - self._heard > SILENT_S + PING_S:
            self._replace(f"its driver process did not answer for {SILENT_S:g} s")
        elif self._dark_since is not None and self._heard <= now and now - self._dark_since > self._dark_s:
            self._replace(f"its driver process did not confirm dark within {self._dark_s:g} s")
        elif self.failures and self._may_retry() and now >= self._again_at:
            self.dark("it was not confirmed dark", reopen=True)
            self._retries.add(max(self._darks))

    def _may_retry(self) -> bool:
        return not (self._touched or self.darkening or self._pending or self._lockstep)

    def revive(self) -> None:
        """Start a process again that was given up; a person has looked."""
        if self.given_up:
            self._part()
            self._far_end.close()
            self._process.close()
            self._restarted.clear()
            self.given_up = False
            self._start_dark("it was given up before")

    def stop(self) -> None:
        """End the process the gentle way: the pipe ends, it makes dark, closes and leaves."""
        self._part()
        if self.given_up:
            self._far_end.close()
        if not self._process.join(LEAVE_S):
            self._process.kill()
            self._process.join(LEAVE_S)
        self._process.close()

    def _start(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = self._server.start(theirs)
        with contextlib.suppress(OSError):  # as in ``_send``
            set_up(self._connection, *self._arguments)
        self._pipe = AgentEnd(self._connection.fileno())
        if self._epoch_tai_s:
            self._send(Epoch(next(self._ids), self._epoch_tai_s))
        self._pinged = time.monotonic()
        self._heard = self._pinged + STARTING_S  # in the future: nothing was heard yet

    def _part(self) -> None:
        """Close the pipe; its descriptor may be another file's from now on."""
        self._connection.close()
        self._pipe.close()
        self._behind.discard(self)

    def _replace(self, why: str) -> None:
        """Kill what is left and start a process that makes safe, unless that was done too often lately."""
        self._process.kill()
        self._part()
        self._process.join(GONE_S)
        now = time.monotonic()
        if len(self._restarted) == MOST_RESTARTS and now - self._restarted[0] < WITHIN_S:
            self._give_up(why)
            return
        self._restarted.append(now)
        self._process.close()
        self.restarts += 1
        waiting = self._taken_waiting()
        self._start_dark(why)
        self._refuse(waiting, why, "it was restarted to make outputs dark; open it again")  # may order dark in turn
        self._report("died", f"{', '.join(self.names)}: {why}")

    def _start_dark(self, why: str) -> None:
        self._start()
        self._dark_since = None
        self.dark(why, reopen=True)

    def _give_up(self, why: str) -> None:
        """Leave it dead: nothing comes through a pipe whose other end nobody uses."""
        self.given_up, self._dark_since = True, None
        self._connection, self._far_end = multiprocessing.Pipe()
        self._pipe = AgentEnd(self._connection.fileno())
        often = f"{why}, {MOST_RESTARTS} restarts within {WITHIN_S:g} s did not help"
        self.failures = tuple(f"{name}: {often}" for name in self.names)
        self._refuse_all(often, "look at the instrument and at the agent's messages; then bellringer ack")
        self._report("given_up", f"{', '.join(self.names)}: {often}")

    def _refuse_all(self, why: str, hint: str) -> None:
        """Tell everybody who waits for an answer that none will come."""
        self._refuse(self._taken_waiting(), why, hint)

    def _taken_waiting(self) -> list[tuple[str, Answer]]:
        """Return and forget everybody who waits for an answer, and about which instrument."""
        waiting = [(instrument, answer) for instrument, answer, _ in self._pending.values()]
        waiting += [(", ".join(self.names), answer) for _, answer in self._darks.values() if answer is not None]
        self._pending, self._hearing, self._retries = {}, {}, set()
        self._darks.clear()
        if self.given_up:
            self._dark_since = None
        return waiting

    def _refuse(self, waiting: list[tuple[str, Answer]], why: str, hint: str) -> None:
        for instrument, answer in waiting:
            answer(to_refusal(InstrumentError(why, where=instrument, hint=hint), 0))

    def _send(self, message: Job | Dark | Ping | Epoch | Begin | End | Permit) -> None:
        if self.given_up:
            return
        try:
            self._pipe.send(message)
        except OSError:
            return  # the end of the pipe is readable now: take_in replaces the process
        if self._pipe.unsent:
            self._behind.add(self)


def _names(failures: tuple[str, ...]) -> set[str]:
    return {failure.partition(":")[0] for failure in failures}
