"""A driver process: the drivers of one group of instruments, on a pipe to its agent.

The main thread carries out calls one after the other. A reader thread takes messages at once, so that ``Dark``, and the
end of the pipe when the agent has died, interrupt the call in flight instead of waiting behind it. Both ways end in
the dark; at the end of the pipe the process also closes its instruments and leaves.
"""

import contextlib
import fcntl
import signal
import threading
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import Connection

from ...testbed.clock import Clock, Ticket, WallClock
from ...testbed.errors import Aborted, BellringerError
from ...testbed.lockstep import LockstepClock
from ...testbed.testbed import InstrumentEntry
from ..wire.errors import to_refusal
from ..wire.messages import Call, Do, Get, Refusal, Reply, Set
from .desk import Desk, Endpoint
from .pipe import Dark, Darkened, Ping, Pong, receive, send

Job = Get | Set | Call | Do
LEFT = Dark(0, "the agent has gone")


def main(
    connection: Connection,
    entries: Mapping[str, InstrumentEntry],
    endpoints: Mapping[str, Endpoint],
    clock_endpoint: str,
    lock: str,
) -> None:
    """Run until the pipe ends.

    Args:
        clock_endpoint: a simulated lab's clock socket, "" for real time.
        lock: a file that is held as long as the instruments are ours, "" for none: the processes of an agent that was
            killed are still making dark when its successor starts, and two must not speak on one port.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is for the run
    clock: Clock = LockstepClock(clock_endpoint) if clock_endpoint else WallClock()
    DriverProcess(connection, Desk(entries, clock, endpoints), clock, lock).run()


class DriverProcess:
    """The two threads of a driver process; ``run`` is the main one."""

    def __init__(self, connection: Connection, desk: Desk, clock: Clock, lock: str) -> None:
        self._connection, self._desk, self._clock, self._lock = connection, desk, clock, lock
        self._jobs: deque[Job] = deque()
        self._urgent: deque[Dark] = deque()
        self._darkening = False
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._host = next(iter(desk.entries)).partition(".")[0]

    def run(self) -> None:
        """Carry out what comes until the agent has gone; then dark, close, leave."""
        threading.Thread(target=self._read, name="pipe", daemon=True).start()
        with contextlib.ExitStack() as stack:
            if self._lock:
                fcntl.flock(stack.enter_context(open(self._lock, "w")), fcntl.LOCK_EX)
            self._work()
            with self._clock.running(self._ticket("", f"{self._host} close")):
                for name in sorted(self._desk.entries, key=self._composed, reverse=True):
                    self._attempt(name, "close")

    def _work(self) -> None:
        while True:
            job = self._next()
            if not isinstance(job, Dark):
                self._carry_out(job)
                continue
            self._make_dark(job)
            if job is LEFT:
                return

    # --- reader thread ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        while True:
            try:
                message = receive(self._connection, Job | Dark | Ping)
            except (EOFError, OSError):
                message = LEFT
            if isinstance(message, Ping):
                self._send(Pong(message.id))
                continue
            with self._changed:
                if isinstance(message, Dark):
                    self._urgent.append(message)
                    self._clock.abort()
                elif self._darkening and message.ticket:
                    self._turn_away(message, "it is being made dark")
                else:
                    self._jobs.append(message)
                self._changed.notify()
            if message is LEFT:
                return

    # --- main thread ------------------------------------------------------------------------------------------

    def _next(self) -> Job | Dark:
        with self._changed:
            while not self._urgent and not self._jobs:
                self._changed.wait()
            if not self._urgent:
                return self._jobs.popleft()
            self._darkening = True
            return self._urgent.popleft()

    def _carry_out(self, job: Job) -> None:
        answer: Reply | Refusal
        try:
            with self._clock.running(self._ticket(job.ticket, job.instrument)):
                try:
                    answer = Reply(job.id, self._do(job))
                except Exception as error:  # told to whoever asked
                    answer = to_refusal(error, job.id)
        except BellringerError as error:  # the simulated lab itself has gone
            answer = to_refusal(error, job.id)
        self._send(answer)

    def _do(self, job: Job) -> object:
        if isinstance(job, Get):
            return self._desk.do(job.instrument, "get", (job.name,))
        if isinstance(job, Set):
            return self._desk.do(job.instrument, "set", (job.name, job.value))
        if isinstance(job, Call):
            return self._desk.do(job.instrument, "call", (job.method, *job.args), job.keywords)
        return self._desk.do(job.instrument, job.verb)

    def _ticket(self, number: str, what: str) -> Ticket:
        if number and isinstance(self._clock, LockstepClock):
            return self._clock.adopt(number, what, self._host)
        return self._clock.register(what, host=self._host)

    def _make_dark(self, order: Dark) -> None:
        """Refuse what waits, bring instruments to their safe state, and say which are not confirmed.

        Reading is done after; but a call of a dry run that waited would hold the lab time that darkness needs.
        """
        with self._changed:
            waiting = [job for job in self._jobs if job.ticket or not isinstance(job, Get)]
            self._jobs = deque(job for job in self._jobs if job not in waiting)
            self._clock.revive()
        for job in waiting:
            self._turn_away(job, order.reason)
        with self._clock.running(self._ticket(order.ticket, f"{self._host} dark")):
            failures = []
            for name in [order.instrument] if order.instrument else sorted(self._desk.entries, key=self._composed):
                if order.reopen and not self._desk.find(name).is_open:
                    self._attempt(name, "open")
                problem = self._attempt(name, "safe_state")
                failures += [problem] if problem else []
        with self._changed:
            self._darkening = bool(self._urgent)
        self._send(Darkened(order.id, tuple(failures)))

    def _turn_away(self, job: Job, why: str) -> None:
        self._send(to_refusal(Aborted(why, where=job.instrument, hint="outputs are dark"), job.id))
        if job.ticket:
            self._clock.forget(self._ticket(job.ticket, job.instrument))

    def _attempt(self, name: str, verb: str) -> str:
        """Try one verb and return what went wrong, so that every instrument has its turn."""
        try:
            with self._clock.shielded():
                self._desk.do(name, verb)
        except Exception as error:  # one instrument's failure must not keep the others lit
            return f"{name}: {error}"
        return ""

    def _composed(self, name: str) -> bool:
        return bool(self._desk.entries[name].parts)

    def _send(self, message: Reply | Refusal | Pong | Darkened) -> None:
        try:
            with self._sending:
                send(self._connection, message)
        except OSError:
            return  # the agent has gone; the reader thread sees it too and makes dark
