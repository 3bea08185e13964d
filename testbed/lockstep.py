"""The clock of a dry run: lab time jumps ahead as soon as everybody waits.

A *participant* is one call in flight, registered by its caller before it is handed to a driver's thread. It is
running, sleeping until t, reading until t, or waiting for other participants. ``reading`` carries the counts of what
was sent and received on that connection and holds only while the lab has consumed and delivered exactly those, so
bytes on their way can never be mistaken for silence. Lab time advances only when no participant runs.

The lab's clock socket is a ZeroMQ ROUTER on ``ipc://`` in a folder only this user can enter. Every thread has its
own DEALER socket. A message is a JSON list ``[verb, request id, participant, ...]``, its answer
``[request id, lab time in ps, value]``; an answer to something else than the last request is old and ignored.
"""

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import zmq

from .clock import PS_PER_S, AbortFlag, Line, Ticket
from .errors import BellringerError

_SLICE_S = 0.001
_WAKE_MS = 50
"""How often a wait looks up, to see whether the run was aborted or the lab has gone."""
_STILL_S = 1.0
"""How often a call that waits says that it still does: what it said of its connections holds then."""
_HANG_S = 120.0
_GONE_S = 10.0
"""A lab that does not even say what time it is for this long has gone."""


_NUMBERS = itertools.count(1)
"""Of the participants that this process registers, whichever of its clocks does."""


class LabStopped(BellringerError):
    """The simulated lab has gone: there is nothing any more to wait for, to ask or to make dark."""


class _Participant:
    def __init__(self, number: str, name: str, host: str) -> None:
        self.number, self.name, self.host = number, name, host


class LockstepClock(AbortFlag):
    """The client side. ``endpoint`` is the lab's clock socket.

    With a ``caller`` name, the thread that makes the clock is a caller: lab time stands still while it runs. A process
    that only carries out calls registered by others has none, and ``adopt``s their tickets. Once the lab's process has
    gone every wait ends with an error; ``alive`` tells it also of one that has not said a word yet.
    """

    def __init__(self, endpoint: str, caller: str = "", alive: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self.endpoint = endpoint
        self._alive = alive
        self._local = threading.local()
        self._sockets: list[zmq.Socket[bytes]] = []
        self._gone, self._looked_ps = False, 0
        self._lab = 0
        hello = self._request("hello", "")
        self._lab = int(hello["process"])
        self.uncertainty_ps = int(hello["host_clock_uncertainty_ps"])
        self._offsets_ps: dict[str, int] = hello["host_clock_offsets_ps"]
        if caller:
            main = self._new(caller, "")
            self._request("register", main.number, main.name, None, True)
            self._local.participant = main

    # --- the caller -------------------------------------------------------------------------------------------

    def register(self, name: str, *, host: str = "", after: Ticket | None = None) -> Ticket:
        ticket = self._new(name, host)
        before = after.number if isinstance(after, _Participant) else None
        self._request("register", ticket.number, name, before, False)
        return ticket

    def adopt(self, number: str, name: str, host: str) -> Ticket:
        """Return the ticket of a call that another process registered and sent here."""
        return _Participant(number, name, host)

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        self._request("idle", self._me.number, self._unsaid())
        try:
            yield
        finally:
            self._request("now", self._me.number)

    def forget(self, ticket: Ticket) -> None:
        assert isinstance(ticket, _Participant)
        self._send("done", ticket.number, {})  # its answer comes in the middle of something else and is passed over

    def cancel(self, ticket: Ticket) -> None:
        """Say that a registered call will never be carried out; one that has begun goes on, and ends by itself."""
        assert isinstance(ticket, _Participant)
        self._send("cancel", ticket.number)

    def wait_for(self, tickets: Sequence[Ticket], *, meanwhile: Callable[[], object] | None = None) -> None:
        numbers = [ticket.number for ticket in tickets if isinstance(ticket, _Participant)]
        self._request("wait", self._me.number, numbers, self._unsaid(), meanwhile=meanwhile)

    # --- the thread that runs a call --------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, ticket: Ticket) -> Iterator[None]:
        assert isinstance(ticket, _Participant)
        self._local.participant = ticket
        self._request("begin", ticket.number, os.getpid())
        try:
            yield
        finally:
            self._request("done", self._me.number, self._unsaid())
            self._local.participant = None

    def go_on_as(self, next_call: Callable[[float], Ticket | None]) -> None:
        """End this thread's call and go on as another one, whose ticket comes from outside the lab.

        Args:
            next_call: waits for it, at most so many seconds of wall time, and returns it, or None.

        Raises:
            Aborted: meanwhile; the thread is a call of its own then, so that it can make dark.
        """
        host = self._me.host
        self._request("done", self._me.number, self._unsaid())
        ticket = None
        while ticket is None and not self._is_aborted():
            self._check_lab()
            ticket = next_call(_WAKE_MS / 1e3)
        if ticket is None:
            ticket = self.register("aborted", host=host)
        assert isinstance(ticket, _Participant)
        self._local.participant = ticket
        self._request("begin", ticket.number, os.getpid())
        self.check_aborted()

    def look_ps(self) -> int:
        """Return lab time for somebody who has no part in it; it may have moved on when this returns.

        What a lab that has gone showed last is its time for ever.
        """
        if not self._gone:
            try:
                self._request("now", "", hang_s=_GONE_S)
                self._looked_ps = self._local.now
            except LabStopped:
                self._gone = True
        return self._looked_ps

    def now_ps(self) -> int:
        offset = self._offsets_ps.get(self._me.host, 0)
        return self._lab_time() + offset

    def monotonic_s(self) -> float:
        return self._lab_time() / PS_PER_S

    def sleep(self, seconds: float) -> None:
        self.check_aborted()
        until = self._lab_time() + max(0, round(seconds * PS_PER_S))
        self._request("sleep", self._me.number, until, self._unsaid())
        self.check_aborted()

    def opened(self, line: Line) -> None:
        self._request("opened", self._me.number, line.key)

    def wrote(self, line: Line) -> None:
        self._said[line.key] = line.sent

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        if line.has_input(0.0):
            return True
        # at least a picosecond: who waits for a rest below that would otherwise wait for it for ever
        until = self._lab_time() + (max(1, round(timeout_s * PS_PER_S)) if timeout_s > 0 else 0)
        counts = [line.key, line.sent, line.received]
        request = self._send("read", self._me.number, *counts, until, self._unsaid())
        self._local.now = None  # time may move from here on
        pollable = line.pollable()
        poller, still_s = zmq.Poller(), time.monotonic() + _STILL_S
        poller.register(self._socket, zmq.POLLIN)
        if pollable is not None:
            poller.register(pollable, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(_WAKE_MS if pollable is not None else 0))
            if not ready:
                self._check_lab()
                self.check_aborted()
            if line.has_input(0.0 if pollable is not None else _SLICE_S):
                return True
            if self._socket in ready and self._take_answer(request) is not None:
                return line.has_input(0.0)
            if time.monotonic() >= still_s:
                self._send("still", self._me.number)
                still_s = time.monotonic() + _STILL_S

    # --- for tests and tools ----------------------------------------------------------------------------------

    def lab(self, verb: str, *args: Any) -> Any:
        """Ask the simulated lab something outside the rule: ``inspect``, ``fault``, ``time_line``."""
        return self._request(verb, "", *args)

    def close(self) -> None:
        """Leave the lab; waits of other threads end with an error."""
        if getattr(self._local, "participant", None) is not None:
            with contextlib.suppress(BellringerError):
                self._request("done", self._me.number, self._unsaid())
        for socket in self._sockets:
            socket.close(linger=0)

    # --- wire -------------------------------------------------------------------------------------------------

    @property
    def _me(self) -> _Participant:
        participant: _Participant | None = getattr(self._local, "participant", None)
        if participant is None:
            raise BellringerError(
                "a thread waits that the clock was not told of",
                where=threading.current_thread().name,
                hint="register the call with the clock and run it inside clock.running(ticket)",
            )
        return participant

    @property
    def _said(self) -> dict[str, int]:
        if not hasattr(self._local, "said"):
            self._local.said = {}
        said: dict[str, int] = self._local.said
        return said

    def _unsaid(self) -> dict[str, int]:
        """Return the counts of everything written since the last message, and forget them."""
        counts, self._local.said = self._said, {}
        return counts

    @property
    def _socket(self) -> "zmq.Socket[bytes]":
        if not hasattr(self._local, "socket"):
            socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(self.endpoint)
            self._local.socket, self._local.requests, self._local.now = socket, itertools.count(1), None
            self._sockets.append(socket)
        found: zmq.Socket[bytes] = self._local.socket
        return found

    def _new(self, name: str, host: str) -> _Participant:
        return _Participant(f"{os.getpid()}-{next(_NUMBERS)}", name, host)

    def _lab_time(self) -> int:
        self._socket  # noqa: B018 - makes the thread's state on first use
        if self._local.now is None:
            self._request("now", self._me.number)
        now: int = self._local.now
        return now

    def _send(self, verb: str, *args: Any) -> int:
        socket = self._socket
        request: int = next(self._local.requests)
        socket.send(json.dumps([verb, request, *args]).encode())
        return request

    def _request(
        self, verb: str, *args: Any, meanwhile: Callable[[], object] | None = None, hang_s: float = _HANG_S
    ) -> Any:
        request = self._send(verb, *args)
        waited, still_s = 0.0, _STILL_S
        while True:
            if self._socket.poll(_WAKE_MS):
                answer = self._take_answer(request)
                if answer is not None:
                    return answer[0]
                continue
            self._check_lab()
            if meanwhile is not None:
                meanwhile()
            if meanwhile is not None or verb == "sleep":
                self.check_aborted()
            waited += _WAKE_MS / 1000
            if waited >= still_s and verb in ("done", "sleep"):
                self._send("still", *args[:1])
                still_s = waited + _STILL_S
            if waited >= hang_s and verb not in ("wait", "sleep", "begin"):
                raise LabStopped(
                    f"the simulated lab did not answer '{verb}' for {waited:g} s",
                    where=self.endpoint,
                    hint="it may have crashed; its messages are printed when the run ends",
                )

    def _check_lab(self) -> None:
        if not (self._alive() and (not self._lab or process_lives(self._lab))):
            raise LabStopped(
                "the simulated lab has stopped",
                where=self.endpoint,
                hint="its last messages are printed when the run ends",
            )

    def _take_answer(self, request: int) -> tuple[Any] | None:
        """Return the answer to ``request`` in a one-tuple, or None for an old one."""
        number, now, value = json.loads(self._socket.recv())
        if number != request:
            return None
        self._local.now = now
        if isinstance(value, dict) and "error" in value:
            raise BellringerError(value["error"], where="the simulated lab", hint=value.get("hint", ""))
        return (value,)


def process_lives(number: int) -> bool:
    """Return whether a process of this computer runs; one that ended and was not yet waited for does not."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no Linux, or it has gone just now, which the next look will tell
        return True
