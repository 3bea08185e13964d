"""An agent's link to its coordinator: registers, renews the light lease, brings back what the coordinator wants.

In a thread of its own, because connecting may take a while and the agent's loop must not wait. But the heartbeat is the
loop's: nothing is asked for a loop that has not turned lately, so an agent stuck in its loop loses its lease.
"""

import contextlib
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...testbed.errors import BellringerError
from ..wire.client import Client
from ..wire.messages import Register, Renew
from ..wire.nonces import elapsed_s

RENEW_S = 0.25
STUCK_S = 1.0


class Answered:
    """One answer of the coordinator, and when its question was asked on this host's ``elapsed_s``."""

    def __init__(self, value: Mapping[str, Any], asked_at: float) -> None:
        self.value, self.asked_at = value, asked_at


class CoordinatorLink:
    """The thread that speaks with the coordinator.

    Args:
        connect: makes a client of the coordinator's control port; called again after every failure.
        register: makes the registration, from the highest epoch and the latched fault.
        revoke: told, in the link's thread, which public keys the coordinator knows to be revoked.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        register: Callable[[], Register],
        revoke: Callable[[Sequence[str]], object] = lambda public_keys: None,
    ) -> None:
        self._connect, self._register, self._revoke = connect, register, revoke
        self.answers: deque[Answered] = deque(maxlen=100)
        self.problem = "the coordinator has not answered yet"
        """What is wrong with the link, "" for nothing."""
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._turned_s = elapsed_s()
        self._stop, self._hurried = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="coordinator link", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def turned(self) -> None:
        """Say that the agent's loop has turned."""
        self._turned_s = elapsed_s()

    def hurry(self) -> None:
        """Have the coordinator hear of something now, not with the next renewal in its time."""
        self._hurried.set()

    def taken(self) -> list[Answered]:
        """Return the answers that came since last time, oldest first."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wake)
        answers = []
        while self.answers:
            answers.append(self.answers.popleft())
        return answers

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._hurried.set()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self.wake)

    def _run(self) -> None:
        while self._waited():
            try:
                with self._connect() as client:
                    self._keep(client)
            except BellringerError as error:
                self.problem = str(error)
            except Exception as error:  # a bug; but a thread that ends is a node that never has a lease again
                self.problem = f"{type(error).__name__}: {error}; please report it"
                traceback.print_exc()

    def _waited(self) -> bool:
        """Wait until something is to be said; return False if there is nothing more to say."""
        self._hurried.wait(RENEW_S)
        self._hurried.clear()
        return not self._stop.is_set()

    def _keep(self, client: Client) -> None:
        """Register, then renew until something fails or the agent ends."""
        registration = self._register()
        self._ask(client, registration)
        while self._waited():
            if elapsed_s() - self._turned_s > STUCK_S:
                continue
            now = self._register()
            self._ask(client, Renew(0, now.node, now.boot, elapsed_s(), now.epoch, now.fault, now.cores, now.watched))

    def _ask(self, client: Client, message: Register | Renew) -> None:
        asked_at = elapsed_s()
        value = client.request(message)
        self.problem = ""
        self.answers.append(Answered(value, asked_at))
        os.eventfd_write(self.wake, 1)
        if "revoked" in value:
            self._revoke(value["revoked"])
