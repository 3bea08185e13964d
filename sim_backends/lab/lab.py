"""The simulated lab: one loop that owns lab time, the event queue, and every instrument port.

The loop takes in everything that is there; then, only if quiet, delivers what is due, one event at a time, or
advances. In lockstep, time jumps; in step with the wall (``lab up``), it follows the monotonic clock.
"""

import contextlib
import heapq
import itertools
import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import zmq

from ...testbed.lockstep import process_lives
from .byte_ports import BytePort, Client, Fault, PtyPort, TcpPort
from .message_ports import ReplyPort, Request, StreamPort
from .participants import Participant, Participants

if TYPE_CHECKING:
    from ..twins.twin import Twin

HOST_CLOCK_BOUND_PS = 5_000_000_000
_HANG_S = 60.0
_LOST_TIMES = 5
"""How often all who wait say that they still do, one a second, before bytes on their way count as lost."""
_LATE_PUSH_S = 5.0
_BEHIND_S, _SAY_AGAIN_S = 1.0, 10.0
"""From when on a lab that should keep step with the wall says that it does not, and how often."""


class Event:
    """Something that happens at a lab time; ``cancel`` makes it nothing."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action: Callable[[], Any] | None = action

    def cancel(self) -> None:
        self.action = None


class Lab:
    """One simulated lab.

    Args:
        seed: everything random in the lab follows from it.
        clock_endpoint: ``ipc://`` address of the lockstep clock socket, or "" to run in step with the wall.
    """

    def __init__(self, seed: int = 0, clock_endpoint: str = "") -> None:
        self.seed = seed
        self.context: zmq.Context[Any] = zmq.Context.instance()
        self.lockstep = bool(clock_endpoint)
        self.twins: dict[str, Twin] = {}
        self.bench: Any = None
        """The optical bench; ``bench.capture(ports, from_ps)`` gives clicks of tagger inputs and detectors."""
        self.memories: Any = None
        """The qubits in all memories; ``memories.state(qubits, now_ps)`` is the truth about them."""
        self._now_ps = 0
        self._wall_start = time.monotonic()
        self._queue: list[tuple[int, str, int, Event]] = []
        self._order = itertools.count()
        self._poller = zmq.Poller()
        self._handlers: dict[Any, Callable[[], bool]] = {}
        self._ports: list[BytePort | ReplyPort | StreamPort] = []
        self._stopped = False
        self._running_since = time.monotonic()
        self._warned = False
        self._stuck_since = 0.0
        self._said_behind_s = float("-inf")
        self.participants = Participants(self._counts)
        self._clock: zmq.Socket[bytes] | None = None
        if clock_endpoint:
            self._clock = self.context.socket(zmq.ROUTER)
            self._clock.linger = 0
            self._clock.bind(clock_endpoint)
            self.watch(self._clock, self._clock_readable)

    # --- what twins use ---------------------------------------------------------------------------------------

    @property
    def now_ps(self) -> int:
        """Lab time, int64 ps since the testbed's epoch."""
        return self._now_ps

    def at(self, when_ps: int, action: Callable[[], Any], owner: str = "") -> Event:
        """Do ``action`` at a lab time; events of one time happen in order of owner, then of scheduling.

        What was due before now comes first, and in its order: in step with the wall a busy machine may be late.
        """
        event = Event(action)
        heapq.heappush(self._queue, (when_ps, owner, next(self._order), event))
        return event

    def after(self, seconds: float, action: Callable[[], Any], owner: str = "") -> Event:
        """Do ``action`` after ``seconds`` of lab time."""
        return self.at(self._now_ps + round(seconds * 1e12), action, owner)

    def rng(self, name: str) -> np.random.Generator:
        """Return the random stream called ``name``: the same for the same seed, whatever else happens."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def host_clock_offset_ps(self, host: str) -> int:
        """Return by how much the clock of a node's computer is wrong, within +-5 ms."""
        return int(self.rng(f"host clock {host}").integers(-HOST_CLOCK_BOUND_PS, HOST_CLOCK_BOUND_PS))

    def serial_port(self, name: str, on_bytes: Callable[[bytes, Client], None]) -> PtyPort:
        """Open a pseudo-terminal."""
        return self._add(PtyPort(self, name, on_bytes))

    def tcp_port(self, name: str, on_bytes: Callable[[bytes, Client], None]) -> TcpPort:
        """Open a TCP server on a free port."""
        return self._add(TcpPort(self, name, on_bytes))

    def reply_port(self, name: str, on_request: Callable[[Request], None]) -> ReplyPort:
        """Open a ZeroMQ reply socket on a free port."""
        return self._add(ReplyPort(self, name, on_request))

    def stream_port(self, name: str, number: int = 0) -> StreamPort:
        """Open a ZeroMQ PAIR socket, on port ``number`` if given."""
        return self._add(StreamPort(self, name, number))

    def close_port(self, port: Any) -> None:
        """Close one port."""
        self._ports.remove(port)
        port.close()

    def _add(self, port: Any) -> Any:
        self._ports.append(port)
        return port

    # --- the loop ---------------------------------------------------------------------------------------------

    def watch(self, source: Any, handler: Callable[[], bool]) -> None:
        """Call ``handler`` whenever ``source`` (socket or descriptor) can be read; it returns whether it read."""
        self._poller.register(source, zmq.POLLIN)
        self._handlers[self._handle_key(source)] = handler

    def unwatch(self, source: Any) -> None:
        with contextlib.suppress(KeyError):
            self._poller.unregister(source)
        self._handlers.pop(self._handle_key(source), None)

    @staticmethod
    def _handle_key(source: Any) -> Any:
        return source.fileno() if hasattr(source, "fileno") and not isinstance(source, zmq.Socket) else source

    def stop(self) -> None:
        """Make ``run`` return after the current step."""
        self._stopped = True

    def run(self) -> None:
        """Run until ``stop``; closes every port at the end."""
        try:
            while not self._stopped:
                self.step()
        finally:
            for port in self._ports:
                port.close()
            if self._clock is not None:
                self._clock.close()

    def step(self) -> None:
        """Take in what is there; if nothing is, deliver or advance; if neither is possible, wait a little.

        In step with the wall what is due is delivered although more keeps coming in.
        """
        if self.lockstep:
            if self._take_in(0):
                return
            if self._progress_lockstep():
                self.participants.moved()
            else:
                self._take_in(self._watchdog_ms())
        else:
            self._now_ps = round((time.monotonic() - self._wall_start) * 1e12)
            self._take_in(0)
            self._undelivered()
            if not self._deliver_due():
                ahead_ms = 100 if not self._queue else (self._queue[0][0] - self._now_ps) / 1e9
                self._poller.poll(round(max(0, min(100, ahead_ms))))  # what came meanwhile came at a later time

    def advance_to(self, when_ps: int) -> None:
        """Take in what is there, do everything due up to ``when_ps``, and leave lab time there.

        For a caller that drives lab time by hand, in one thread, instead of ``run``.
        """
        while True:
            if self._take_in(0):
                continue
            if not self._queue or self._queue[0][0] > when_ps:
                break
            self._now_ps = max(self._now_ps, self._queue[0][0])
            self._deliver_due()
        self._undelivered()
        self._now_ps = max(self._now_ps, when_ps)

    def _take_in(self, timeout_ms: float) -> bool:
        ready = self._poller.poll(round(timeout_ms))
        for source, _ in ready:
            handler = self._handlers.get(source)
            if handler is not None:
                handler()
        return bool(ready)

    def _progress_lockstep(self) -> bool:
        if self.participants.settle(self._now_ps):
            return True
        if self._undelivered():
            self._take_in(1)
            return True
        if not self.participants.quiet():
            return False
        if self._deliver_due():
            return True
        if self.participants.wake_due(self._now_ps):
            return True
        times = [
            t for t in (self._queue[0][0] if self._queue else None, self.participants.next_wake_ps()) if t is not None
        ]
        if not times:
            return False
        self._now_ps = max(self._now_ps, min(times))
        return True

    def _deliver_due(self) -> bool:
        """Do the first event that is due; return whether there was one."""
        if self._queue and self._queue[0][0] <= self._now_ps:
            due_ps, _, _, event = heapq.heappop(self._queue)
            if not self.lockstep and self._now_ps - due_ps > _BEHIND_S * 1e12:
                self._say_behind((self._now_ps - due_ps) / 1e12)
            if event.action is not None:
                event.action()
            return True
        return False

    def _say_behind(self, behind_s: float) -> None:
        """Tell whoever runs the lab that its instruments answer late, now and then."""
        if time.monotonic() - self._said_behind_s > _SAY_AGAIN_S:
            self._said_behind_s = time.monotonic()
            sys.stderr.write(
                f"the simulated lab is {behind_s:.1f} s behind the wall clock, and its instruments answer late: this "
                "computer is too busy for it, or its light too bright\n"
            )

    def _undelivered(self) -> bool:
        """Return whether a stream message waits for its client's connection, for a few seconds of wall time at most."""
        if not any(port.flush() for port in self._ports if isinstance(port, StreamPort)):
            self._stuck_since = 0.0
            return False
        self._stuck_since = self._stuck_since or time.monotonic()
        return time.monotonic() - self._stuck_since < _LATE_PUSH_S

    def _watchdog_ms(self) -> float:
        running = self.participants.running()
        if not running:
            self._running_since, self._warned = time.monotonic(), False
        elif stranded := self.participants.stranded(_LOST_TIMES):
            self._agree(stranded)
        elif time.monotonic() - self._running_since > _HANG_S and not self._warned:
            self._warned = True
            names = ", ".join(participant.name for participant in running)
            sys.stderr.write(f"lab time stands still: running for over a minute: {names}\n")
        self._drop_dead_processes()
        return 50.0

    def _agree(self, running: list[Participant]) -> None:
        """Take the counts of the calls' side where bytes were lost on the way, so that what waits for them times out.

        Nothing between the two ends loses any; but somebody else may have opened the port.
        """
        for participant in running:
            for key, sent, received in participant.claims():
                consumed, delivered = self._counts(key)
                if (consumed, delivered) == (sent, delivered if received is None else received):
                    continue
                sys.stderr.write(
                    f"bytes were lost at {key}, for {participant.name}: {sent} were sent there and {received} came, "
                    f"the lab got {consumed} and sent {delivered}; does another program use this port?\n"
                )
                self.participants.foreign.add(key)  # in case it is no port's any more
                for port in self._ports:
                    if port.counts(key) is not None:
                        port.agree(key, sent, delivered if received is None else received)

    def _drop_dead_processes(self) -> None:
        """A process that was killed cannot end its calls; lab time must not wait for it."""
        for process in self.participants.processes():
            if not process_lives(process):
                self.participants.drop(process)

    # --- the clock socket -------------------------------------------------------------------------------------

    def _counts(self, key: str) -> tuple[int, int]:
        return next((counts for port in self._ports if (counts := port.counts(key)) is not None), (-1, -1))

    def _clock_readable(self) -> bool:
        assert self._clock is not None
        peer, body = self._clock.recv_multipart()
        verb, request, number, *args = json.loads(body)
        if number and verb != "still":  # else somebody only asks what time it is
            self._running_since = time.monotonic()

        def answer(now_ps: int, value: Any = None) -> None:
            assert self._clock is not None
            self._clock.send_multipart([peer, json.dumps([request, now_ps, value]).encode()])

        self._serve(verb, number, args, answer)
        return True

    def _serve(self, verb: str, number: str, args: list[Any], answer: Callable[..., None]) -> None:
        who = self.participants
        if verb == "still":
            who.still(number)
        elif verb == "begin":
            who.begin(number, int(args[0]), answer, self._now_ps)
        elif verb in ("sleep", "read", "wait", "done"):
            getattr(who, verb)(number, *args, answer)
        else:
            try:
                value = getattr(self, f"_serve_{verb}")(number, *args)
            except Exception as error:  # a test or tool asked for something odd; the lab goes on
                value = {"error": f"{verb} failed: {error!r}"}
            answer(self._now_ps, value)

    def _serve_hello(self, number: str) -> dict[str, Any]:
        hosts = {name.partition(".")[0] for name in self.twins}
        return {
            "process": os.getpid(),
            "host_clock_uncertainty_ps": HOST_CLOCK_BOUND_PS,
            "host_clock_offsets_ps": {host: self.host_clock_offset_ps(host) for host in sorted(hosts)},
        }

    def _serve_register(self, number: str, name: str, after: str | None, running: bool) -> None:
        self.participants.register(number, name, after, running)

    def _serve_idle(self, number: str, unsaid: dict[str, int]) -> None:
        self.participants.idle(number, unsaid)

    def _serve_cancel(self, number: str) -> None:
        self.participants.cancel(number)

    def _serve_now(self, number: str) -> None:
        self.participants.awake(number)

    def _serve_opened(self, number: str, key: str) -> None:
        for port in self._ports:
            prefix = key.rpartition(":")[0] if key.startswith(("tcp", "zmq")) else key
            if (
                isinstance(port, (TcpPort, ReplyPort, StreamPort))
                and prefix == f"{'tcp' if isinstance(port, TcpPort) else 'zmq'}:{port.number}"
            ) or (isinstance(port, PtyPort) and key in port.streams):
                port.opened(key)
        if self._counts(key) == (-1, -1):
            self.participants.foreign.add(key)  # a wrong address in a testbed file must not stop time

    def _serve_fault(self, number: str, instrument: str, kind: str, count: int = 1, delay_s: float = 5.0) -> None:
        """Make an instrument misbehave: a wire fault of its first port, or one of the twin's own."""
        twin = self.twins[instrument]
        if kind in ("drop", "corrupt", "garbage", "truncate", "late", "stale", "disconnect"):
            twin.main_port.faults.append(Fault(kind, count, delay_s))
        else:
            twin.own_fault(kind)

    def _serve_inspect(self, number: str, instrument: str) -> dict[str, Any]:
        return self.twins[instrument].inspect()
