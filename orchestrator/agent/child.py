"""A driver process: the drivers of one group of instruments, on a pipe to its agent.

The main thread carries out calls one after the other. Messages are taken in at once (inlet.py), so that ``Dark``, and
the end of the pipe when the agent has died, interrupt the call in flight instead of waiting behind it. Pings are
answered as long as the main thread is not caught in a driver that never waits. Both ways end in the dark; at the end of
the pipe the process also closes its instruments and leaves.

What has waited too long is not carried out: whoever asked may have given up. Waiting for what else is asked to be set
or done does not count, as when several things are moved at once; waiting behind what only reads does.
"""

import contextlib
import gc
import signal
import threading
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import msgspec

from ...testbed.clock import Clock, Ticket, WallClock
from ...testbed.errors import Aborted
from ...testbed.lockstep import LabStopped, LockstepClock
from ...testbed.testbed import InstrumentEntry
from ..wire.codec import Decoder
from ..wire.errors import Stale, WireError, to_refusal
from ..wire.messages import Call, Do, Get, Probe, Refusal, Reply, Set
from ..wire.nonces import elapsed_s
from .authority import READS
from .core_jobs import CoreJobs
from .core_orders import Attempts, Begin, End, Look, Permit, Progress
from .desk import Desk, Endpoint
from .heartbeat import WatchedClock
from .inlet import Inlet
from .pipe import Count, Dark, Darkened, Epoch, Ping, Pong, receive, send
from .port_locks import PortLocks

Job = Get | Set | Call | Do | Count | Look | Probe | Attempts
ORDERS = Decoder(Job | Dark | Ping | Epoch | Begin | End | Permit)
"""What comes on the pipe."""
LEFT = Dark(0, "the agent has gone")
J = TypeVar("J", Look, Dark)


def main(
    connection: Connection,
    entries: Mapping[str, InstrumentEntry],
    endpoints: Mapping[str, Endpoint],
    clock_endpoint: str,
    locks: Path | None,
    lanes_at: str,
) -> None:
    """Run until the pipe ends.

    Args:
        clock_endpoint: a simulated lab's clock socket, "" for real time.
        locks: folder of the files that keep two processes from one port, None for none.
        lanes_at: address where corrections for real-time cores come in.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is for the run
    clock: Clock = LockstepClock(clock_endpoint) if clock_endpoint else WatchedClock()
    ports = (endpoints[name].resource if name in endpoints else entry.resource for name, entry in entries.items())
    desk = Desk(entries, clock, endpoints)
    gc.freeze()  # what was loaded is never garbage; to look through it again and again would hold calls up
    DriverProcess(connection, desk, clock, PortLocks(locks, ports), lanes_at).run()


class DriverProcess:
    """The work of a driver process; ``run`` is its main thread."""

    def __init__(self, connection: Connection, desk: Desk, clock: Clock, ports: PortLocks, lanes_at: str) -> None:
        self._connection, self._desk, self._clock, self._ports = connection, desk, clock, ports
        self._pipe = connection.fileno()
        self._in_real_time = isinstance(clock, WallClock)
        """Then nobody waits for a call to have ended, and none needs to be registered."""
        self._jobs: deque[Job] = deque()
        self._ahead: deque[Job] = deque()
        """Those that guard the light: with the others they take turns, and wait for none but one."""
        self._was_ahead = False
        self._worked_s, self._works_since_s = 0.0, float("inf")
        """For how long altogether something was set or done; and since when, inf for nothing now."""
        self._urgent: deque[Dark] = deque()
        self._darkening = False
        self._strangers = 0
        """Orders to go dark that wait or are being carried out, and were not registered with the simulated lab."""
        self._at_work = False
        """Whether a job is being carried out, which may need lab time to its end."""
        self._queues = threading.Lock()
        self._sending = threading.Lock()
        self._host = next(iter(desk.entries)).partition(".")[0]
        self._cores = CoreJobs(self._host, desk, clock, lanes_at, self._send)

    def run(self) -> None:
        """Carry out what comes until the agent has gone; then dark, close, leave."""
        inlet = Inlet(self._connection, self._take_in)
        with inlet:
            self._ports.wait()
        self._work(inlet)
        with contextlib.suppress(LabStopped), self._clock.running(self._ticket("", f"{self._host} close")):
            for name in sorted(self._desk.entries, key=self._composed, reverse=True):
                self._attempt(name, "close")

    def _work(self, inlet: Inlet) -> None:
        watched = self._clock if isinstance(self._clock, WatchedClock) else None
        while True:
            inlet.take_in(wait=not (self._urgent or self._jobs or self._ahead))
            if not (self._urgent or self._jobs or self._ahead):
                continue
            order = None
            with inlet:
                if watched is not None:
                    watched.works_since_s = watched.monotonic_s()
                if self._urgent:
                    self._darkening = True
                    order = self._urgent.popleft()
                    self._make_dark(order)
                else:
                    self._was_ahead = bool(self._ahead) and not (self._was_ahead and self._jobs)
                    self._carry_out((self._ahead if self._was_ahead else self._jobs).popleft())
                if watched is not None:
                    watched.works_since_s = None
            if order is LEFT:
                return

    # --- either thread ----------------------------------------------------------------------------------------

    def _take_in(self) -> bool:
        """Take in what came; return whether more may come."""
        try:
            messages = receive(self._pipe, ORDERS)
        except (EOFError, OSError):
            messages = [LEFT]
        for message in messages:
            self._take(message)
        return messages[-1] is not LEFT

    def _take(self, message: Job | Dark | Ping | Epoch | Begin | End | Permit) -> None:
        if isinstance(message, (Get, Set, Call)):
            self._put(message)
        elif isinstance(message, Ping):
            if not (isinstance(self._clock, WatchedClock) and self._clock.stuck):
                self._send(Pong(message.id))
        elif isinstance(message, Epoch):
            if isinstance(self._clock, WallClock):  # a simulated lab has an epoch of its own
                self._clock.count_from(message.tai_s)
        elif isinstance(message, (Begin, End, Permit)):
            self._cores.order(message)
        elif isinstance(message, Dark):
            with self._queues:
                self._urgent.append(self._without_ticket_if_late(message))
                self._clock.abort()
        elif isinstance(message, Do) and message.verb == "describe" and not message.ticket:
            self._send(self._answer(message))  # asks no instrument, so no call need end first
        else:
            self._put(message)

    def _put(self, job: Job) -> None:
        with self._queues:
            if isinstance(job, Look) and self._at_work:  # a batch that was ended needs lab time on its way to the dark
                job = self._without_ticket(job)
            if self._darkening and job.ticket:
                self._turn_away(job, "it is being made dark")
            elif job.id < 0:
                self._ahead.append(job)
            elif isinstance(job, (Set, Call, Do)):
                self._jobs.append(msgspec.structs.replace(job, ttl_s=job.ttl_s - self._spent_s(elapsed_s())))
            else:
                self._jobs.append(job)

    def _spent_s(self, now_s: float) -> float:
        """Return for how long something was set or done, up to now; it counts as waiting for nobody."""
        return self._worked_s + max(0.0, now_s - self._works_since_s)

    def _without_ticket_if_late(self, order: Dark) -> Dark:
        """Return the order, to be registered here when its turn comes if it has to wait for something else.

        A dry run's lab time stands still for a call that was registered and has not begun; the order before it, an
        e-stop's say, needs lab time, and so does a job that is on its own way to the dark, as a batch that was ended.
        """
        if order.ticket and (self._strangers or self._at_work):
            order = self._without_ticket(order)
        self._strangers += not order.ticket
        return order

    def _without_ticket(self, job: J) -> J:
        """Give the ticket back that a job may have: it is registered when its turn comes."""
        if job.ticket:
            self._clock.forget(self._ticket(job.ticket, job.instrument))
        return msgspec.structs.replace(job, ticket="")

    # --- main thread ------------------------------------------------------------------------------------------

    def _carry_out(self, job: Job) -> None:
        self._at_work = True
        if not self._in_real_time:
            answer = self._answer_in_lab_time(job)
        elif isinstance(job, (Get, Count, Look)) or (isinstance(job, Do) and job.verb in READS):
            answer = self._answer(job)
        else:
            answer = self._answer_if_in_time(job)
        self._at_work = False
        try:
            self._send(answer)
        except WireError as error:  # a driver's value that is no plain one
            self._send(to_refusal(error, job.id))

    def _answer_if_in_time(self, job: Job) -> Reply | Refusal:
        """Carry out what sets or does something, if it has not waited too long; what makes dark never has."""
        with self._queues:
            now_s = elapsed_s()
            if isinstance(job, (Set, Call, Do)) and now_s - self._worked_s > job.ttl_s:
                what = "it waited too long in the queue; nothing was done"
                hint = "others ask a lot of this instrument; look at its state, then give the command again"
                return to_refusal(Stale(what, where=job.instrument, hint=hint), job.id)
            self._works_since_s = now_s
        answer = self._answer(job)
        with self._queues:
            self._worked_s, self._works_since_s = self._spent_s(elapsed_s()), float("inf")
        return answer

    def _answer_in_lab_time(self, job: Job) -> Reply | Refusal:
        try:
            with self._clock.running(self._ticket(job.ticket, job.instrument)):
                return self._answer(job)
        except LabStopped as error:
            return to_refusal(error, job.id)

    def _answer(self, job: Job) -> Reply | Refusal:
        try:
            return Reply(job.id, self._do(job))
        except Exception as error:  # told to whoever asked
            with self._queues:
                order = self._urgent[0] if self._urgent and isinstance(error, Aborted) else None
            return to_refusal(error, job.id) if order is None else _turned_away(job, order.reason)

    def _do(self, job: Job) -> object:
        if isinstance(job, Get):
            self._ports.check()
            return self._desk.get(job.instrument, job.name)
        if not (isinstance(job, Do) and job.verb == "describe"):
            self._ports.check()
        if isinstance(job, Set):
            return self._desk.do(job.instrument, "set", (job.name, job.value), {"confirm": job.confirm})
        if isinstance(job, Call):
            return self._desk.do(job.instrument, "call", (job.method, *job.args), job.keywords)
        if isinstance(job, Count):
            return self._desk.do(job.instrument, "call", ("counted",))
        if isinstance(job, (Look, Probe, Attempts)):
            return self._cores.do(job)
        return self._desk.do(job.instrument, job.verb)

    def _ticket(self, number: str, what: str) -> Ticket:
        if number and isinstance(self._clock, LockstepClock):
            return self._clock.adopt(number, what, self._host)
        return self._clock.register(what, host=self._host)

    def _make_dark(self, order: Dark) -> None:
        """Refuse what waits, bring instruments to their safe state, and say which are not confirmed.

        Reading is done after; but a call of a dry run that waited would hold the lab time that darkness needs.
        """
        with self._queues:
            every = [*self._ahead, *self._jobs]
            waiting = [job for job in every if job.ticket or not isinstance(job, (Get, Count, Look))]
            self._ahead.clear()
            self._jobs = deque(job for job in every if job not in waiting)
            self._clock.revive()
        for job in waiting:
            self._turn_away(job, order.reason)
        names = [order.instrument] if order.instrument else sorted(self._desk.entries, key=self._composed)
        failures = []
        try:
            with self._clock.running(self._ticket(order.ticket, f"{self._host} dark")):
                for name in names:
                    problem = self._attempt(name, "open") if order.reopen else ""
                    problem = problem or self._attempt(name, "safe_state")
                    failures += [problem] if problem else []
        except LabStopped as error:
            failures = [f"{name}: {error}" for name in names]
        with self._queues:
            self._darkening = bool(self._urgent)
            self._strangers -= not order.ticket
        self._send(Darkened(order.id, tuple(failures)))

    def _turn_away(self, job: Job, why: str) -> None:
        self._send(_turned_away(job, why))
        if job.ticket:
            self._clock.forget(self._ticket(job.ticket, job.instrument))

    def _attempt(self, name: str, verb: str) -> str:
        """Try one verb and return what went wrong, so that every instrument has its turn."""
        try:
            self._ports.check()
            with self._clock.shielded():
                self._desk.do(name, verb)
        except Exception as error:  # one instrument's failure must not keep the others lit
            return f"{name}: {error}"
        return ""

    def _composed(self, name: str) -> bool:
        return bool(self._desk.entries[name].parts)

    def _send(self, message: Reply | Refusal | Pong | Darkened | Progress) -> None:
        try:
            with self._sending:
                send(self._pipe, message)
        except OSError:
            return  # the agent has gone; the reader thread sees it too and makes dark


def _turned_away(job: Job, why: str) -> Refusal:
    """Return the answer to what is not carried out, or was interrupted, because the outputs are made dark."""
    hint = "outputs are dark; see to the reason, then give the command again"
    return to_refusal(Aborted(why, where=job.instrument, hint=hint), job.id)
