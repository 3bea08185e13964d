"""Real-time cores on TCP that speak as much of attempt/1 as a batch needs; each is served by a process of its own.

They share nothing with the driver or the simulated lab: what they answer is written out here, from the protocol's
description. Their hardware time is the machine's monotonic clock, so all of them agree.
"""

import contextlib
import functools
import hashlib
import operator
import selectors
import socket
import time
from multiprocessing.connection import Connection

TRAITS = "absolute_start,herald_in_loop,branching,records_heralds,feedforward_in"


def core(ready: Connection, name: str, slots: int) -> None:
    """Serve a core; tell its port through ``ready``.

    What comes there afterwards is (k, pattern, t_ps): a click of the batch under way, sent as a record at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        Core(name, slots, listener, ready).serve()


class Core:
    """The core; ``serve`` never returns."""

    def __init__(self, name: str, slots: int, listener: socket.socket, clicks: Connection) -> None:
        role = "node" if slots else "station"
        self._greeting = f"attempt/1 name={name} role={role} boot=1 maker=bench model=core serial=1 firmware=1 " + (
            f"traits={TRAITS} resolution=1 slots={slots} lead=0"
        )
        self._listener, self._clicks = listener, clicks
        self._records: socket.socket | None = None
        self._buffers: dict[socket.socket, bytes] = {}
        self._programs: set[str] = set()
        self._state, self._batch, self._number, self._heralds, self._hseq = "EMPTY", 0, 0, 0, 0
        self._applied: list[str] = []
        self._told: list[str] = []
        """All records, from number 1 on: who reads REPORT before the last ones asks for them."""

    def serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._clicks, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._clicks:
                        self._click(*self._clicks.recv())
                    elif key.fileobj is self._listener:
                        connection, _ = self._listener.accept()
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        selector.register(connection, selectors.EVENT_READ)
                        self._buffers[connection] = b""
                        _say(connection, self._greeting)
                    elif isinstance(key.fileobj, socket.socket) and not self._hear(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    def _hear(self, connection: socket.socket) -> bool:
        data = connection.recv(65536)
        self._buffers[connection] += data
        while b"\n" in self._buffers[connection]:
            line, _, self._buffers[connection] = self._buffers[connection].partition(b"\n")
            words = line.rpartition(b"*")[0].decode().split(" ")
            if words[0] == "APPLY":
                self._apply(*words[1:5])
            else:
                self._answer(connection, words)
        return bool(data)

    def _answer(self, connection: socket.socket, words: list[str]) -> None:
        number, command, *rest = words
        said, lines = "", list[str]()
        if command == "OPEN" and rest[0] == "records":
            self._records, said = connection, f"records={self._number}"
        elif command == "LOAD":
            body = self._buffers[connection]
            while len(body) < int(rest[1]):
                body += connection.recv(65536)
            self._buffers[connection] = body[int(rest[1]) :]
            self._programs.add(hashlib.sha256(body[: int(rest[1])]).hexdigest())
            said = f"program={rest[0]}"
        elif command == "ARM":
            self._batch, self._state = int(rest[0]), "ARMED"
            self._heralds, self._applied = 0, []
        elif command == "COMMIT":
            self._state = "RUNNING"
        elif command in ("ABORT", "DARK"):
            self._state = "DARK"
        elif command == "STATUS":
            said = f"state={self._state} clock=locked now={time.monotonic_ns() * 1000} outputs=off garbage=0"
        elif command == "REPORT" and self._state == "RUNNING":
            _say(connection, f"{number} ERR busy it still runs")
            return
        elif command == "REPORT":
            said = f"batch={self._batch} state={self._state} attempts=1 first=0 heralds={self._heralds} applied=" + (
                f"{len(self._applied)} lateness=0 underflows=0 records={self._number} stopped=attempts"
            )
        elif command == "APPLIED":
            lines = self._applied[int(rest[1]) : int(rest[1]) + 256]
        elif command == "RECORDS":
            lines = self._told[int(rest[0]) - 1 : int(rest[0]) - 1 + int(rest[1])]
        in_lines = command in ("SLOTS", "APPLIED", "RECORDS")
        _say(connection, f"{number} OK " + (f"lines={len(lines)}" if in_lines else said))
        for each in lines:
            _say(connection, f"{number} {each}")

    def _click(self, k: int, pattern: int, t_ps: int) -> None:
        """Record a click; a negative ``k`` ends the batch."""
        if k < 0:
            self._state = "DONE"
            return
        self._heralds, self._hseq = self._heralds + 1, self._hseq + 1
        self._record(f"H %d {self._hseq} {self._batch} {k} {pattern} {t_ps} -")

    def _apply(self, batch: str, k: str, hseq: str, operation: str) -> None:
        self._heralds += 1
        said = f"{batch} {k} {hseq} {operation} {time.monotonic_ns() * 1000} -"
        self._applied.append(f"A {said}")
        self._record(f"A %d {said}")

    def _record(self, line: str) -> None:
        self._number += 1
        self._told.append(line % self._number)
        if self._records is not None:
            with contextlib.suppress(OSError):  # nobody listens any more; the process is about to end
                _say(self._records, self._told[-1])


def _say(connection: socket.socket, text: str) -> None:
    data = text.encode()
    connection.sendall(b"%s*%02X\n" % (data, functools.reduce(operator.xor, data, 0)))
