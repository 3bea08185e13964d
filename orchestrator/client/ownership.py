"""A run's exclusive hold on its instruments: asked for, kept alive, given back.

In a thread of its own with its own connection, so that a run that computes or waits keeps what it owns. What a person
asks of the run (pause, resume, abort) comes back with every renewal. When the run's process dies, the renewals stop,
the ownership expires, and the agents make dark.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from ...testbed.errors import BellringerError
from ..wire.client import Client
from ..wire.messages import Own, Release, RunCommand
from ..wire.nonces import elapsed_s

HELD_S = 5.0
"""How long a renewal holds."""
RENEW_S = 0.5
TIMEOUT_S = 2.0
"""How long one renewal may take; so that a second one can still come in time."""


class Ownership:
    """Owns instruments from ``with`` on until its end.

    Args:
        run: the run's name.
        connect: makes a client of the coordinator's control port.
        on_command: told of ``pause``, ``resume`` and ``abort``, each once, in our thread.
        on_lost: told why the run must end: ownership was lost or cannot be renewed, or what is owned is dark and stays
            so (e-stop, a fault, a node out of reach).
        epoch_tai_s: from which TAI second the run counts hardware time; its driver processes do the same.
        wanted: asked what people want of the run as far as it knows, who may have said so where it was started
            (Ctrl-C): ``pause``, ``resume`` or ``abort``, or "" for nothing to tell. The coordinator hears what is news.
    """

    def __init__(
        self,
        run: str,
        instruments: Sequence[str],
        connect: Callable[[], Client],
        on_command: Callable[[str], object],
        on_lost: Callable[[BellringerError], object],
        epoch_tai_s: int = 0,
        wanted: Callable[[], str] = lambda: "",
    ) -> None:
        self.run, self._wanted = run, wanted
        self._own = Own(0, run, tuple(instruments), HELD_S, epoch_tai_s)
        self._connect, self._on_command, self._on_lost = connect, on_command, on_lost
        self._command = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Take the instruments.

        Raises:
            BellringerError: another run has one of them, a node is out of reach, or the coordinator is.
        """
        with contextlib.ExitStack() as stack:
            client, asked_s = stack.enter_context(self._connect()), elapsed_s()
            answer = client.request(self._own)
            if answer["trouble"]:
                client.request(Release(0, self._own.run))
                raise _end_of_run(answer)
            self._take(answer)
            arguments = (client, asked_s + HELD_S, stack.pop_all())  # another connection would cost some of that time
            self._thread = threading.Thread(target=self._keep, args=arguments, name="ownership", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the instruments back; may be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self, client: Client, held_s: float, connection: contextlib.ExitStack) -> None:
        troubled = False
        with connection:
            while not self._stop.wait(RENEW_S):
                asked_s = elapsed_s()
                try:
                    answer = client.request(self._own, timeout_s=min(TIMEOUT_S, max(RENEW_S, held_s - asked_s)))
                    if not answer["kept"]:
                        self._on_lost(BellringerError("the run was silent for too long and lost its instruments"))
                        return
                    self._take(answer)
                    held_s = asked_s + HELD_S
                    if answer["trouble"] and not troubled:
                        troubled = True
                        self._on_lost(_end_of_run(answer))
                    self._tell(client)
                except BellringerError as error:
                    if elapsed_s() > held_s:
                        self._on_lost(error)
                        return
            try:
                client.request(Release(0, self._own.run), timeout_s=TIMEOUT_S)
            except BellringerError:
                return  # it expires by itself

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["command"] != self._command:
            self._command = answer["command"]
            self._on_command(self._command)

    def _tell(self, client: Client) -> None:
        """Have the coordinator know what was asked where the run was started, as if it had been asked there."""
        wanted = self._wanted()
        if wanted and wanted != (self._command or "resume"):
            with contextlib.suppress(BellringerError):  # it is being aborted, or the next renewal fails as well
                answer = client.request(RunCommand(0, self.run, wanted), timeout_s=RENEW_S)
                self._command = answer["command"]


def _end_of_run(answer: dict[str, Any]) -> BellringerError:
    return BellringerError(
        answer["trouble"],
        where=f"run {answer['run']}",
        hint="bellringer status shows more; after you looked: bellringer ack",
    )
