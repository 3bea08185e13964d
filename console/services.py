"""Services as child processes: set up through standard input, ready when they print a line, gone when their input ends.

A service is a fork of this process if that can be, see ``forked``, and a fresh interpreter otherwise. They have a
session of their own, so a Ctrl-C in the terminal does not reach them: their end is ordered, and if this process is
killed, the end of the pipe tells them. No key is ever on a command line.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from ..testbed.errors import BellringerError
from ..testbed.signal_safe import beside
from .forked import Forked, can_fork

PATIENCE_S = 30.0
"""How long a service may take to make dark and leave before it is killed."""
LOOK_S = 0.2
"""How often it is looked whether all services still run."""


class Service:
    """One child process.

    Args:
        name: for people.
        module: what runs, as in ``python -m``.
        setup: the first line of its standard input; None for none, or for one that ``tell`` gives later: until then it
            imports what it needs, and waits.
        words: its command line; holds no secret.
        errors: its standard error, this process's if not given.
        forked: False if this process has not imported what it needs, or has read a key already: an agent's driver
            processes are forked from it in turn, and none should hold one.
    """

    def __init__(
        self,
        name: str,
        module: str,
        setup: msgspec.Struct | None = None,
        words: Sequence[str] = (),
        *,
        errors: IO[bytes] | None = None,
        forked: bool = True,
    ) -> None:
        self.name = name
        self._process: Forked | subprocess.Popen[bytes]
        if forked and can_fork():
            self._process = Forked(_short(name), module, words, errors)
        else:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        if setup is not None:
            self.tell(setup)

    def tell(self, setup: msgspec.Struct) -> None:
        """Tell it what to do, once."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already; ``ready`` says so
            self._process.stdin.write(msgspec.json.encode(setup) + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Return whether it has ended."""
        return self._process.poll() is not None

    def ready(self) -> dict[str, Any]:
        """Wait until it is ready and return what it tells.

        Raises:
            BellringerError: it did not start.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "error" in answer:
            raise BellringerError(**answer["error"])
        if not line:
            raise BellringerError(f"{self.name} did not start", hint="see its own message above")
        return answer

    def check(self) -> None:
        """Raise if it has ended."""
        if self._process.poll() is not None:
            raise BellringerError(
                f"{self.name} ended (status {self._process.returncode})", hint="see its own message above"
            )

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """Ask it to end, wait for it, and kill it if it takes too long; may be called twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not end within {patience_s:g} s and was killed", file=sys.stderr)
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _short(name: str) -> str:
    return name.removeprefix("the ").replace(" of '", " ").rstrip("'")


@contextlib.contextmanager
def asked_to_end() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C, SIGTERM and a lost terminal set, as long as the context lasts."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: beside(stop.set)) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def attend(services: Sequence[Service], stop: threading.Event) -> None:
    """Wait until ``stop`` is set.

    Raises:
        BellringerError: one of the services ended before.
    """
    while not stop.wait(LOOK_S):
        for service in services:
            service.check()
