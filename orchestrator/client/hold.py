"""A script's exclusive hold on instruments: nobody else may set them meanwhile, and its end is dark.

For the testbed it is a run like any other: it is in ``bellringer status``, and people can pause, resume and abort it.
A pause holds the script at its next use of one of the instruments; an abort makes them dark at once, interrupts the
call in flight, and raises ``Aborted`` at the next. A script that dies loses its hold within seconds, in the dark.
"""

import contextlib
import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from ...testbed.errors import Aborted, BellringerError, InstrumentError
from ..wire.messages import Do, Status
from .connections import Connections
from .network import in_parallel
from .ownership import Ownership

TOLD_S = 5.0
"""How long nodes may take to hear who owns their instruments; they ask four times a second."""
LOOK_S = 0.05
DARK_S = 30.0


class Hold:
    """Holds instruments from ``with`` on until its end.

    Args:
        names: full names; the parts of a composed instrument belong to it and are held too.
        run: what it is called; made of time and chance if not given.

    Attributes:
        instruments: what it holds.
    """

    def __init__(self, connections: Connections, names: Sequence[str], run: str = "") -> None:
        self._connections = connections
        parts = [part for name in names for part in connections.described(name).body["parts"].values()]
        self.instruments = tuple(dict.fromkeys([*names, *parts]))
        self.run = run or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-script-{secrets.token_hex(2)}"
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._ended: BellringerError | None = None
        self._darkener: threading.Thread | None = None
        network = connections.network
        self._ownership = Ownership(
            self.run, self.instruments, lambda: network.client(name=f"run {self.run}"), self._told, self._lost
        )

    def __enter__(self) -> Self:
        """Take the instruments.

        Raises:
            BellringerError: somebody else has one of them, or its node is out of reach; nothing was taken then.
        """
        self._ownership.__enter__()
        try:
            self._wait_until_known()
        except BaseException:
            self._ownership.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make all dark, verified, and give them back.

        Raises:
            InstrumentError: one of them is not confirmed dark.
            BellringerError: the hold was lost or aborted, and nothing else has told yet.
        """
        try:
            if self._darkener is not None:
                self._darkener.join()
            self._darken()
        finally:
            self._ownership.close()
        if self._ended is not None and error is None:
            raise self._ended

    def check(self) -> None:
        """Wait while it is paused; return if the instruments are still ours.

        Raises:
            Aborted: somebody aborted it.
            BellringerError: it was lost.
        """
        while not self._may_go_on.wait(LOOK_S * 4):
            pass  # wake up now and then, so that a Ctrl-C is seen
        if self._ended is not None:
            raise self._ended

    def _told(self, command: str) -> None:
        if command == "abort":
            self._ended = Aborted(f"'{self.run}' was aborted", hint="its instruments are dark")
            self._darkener = threading.Thread(target=self._try_to_darken, name="darken", daemon=True)
            self._darkener.start()  # a thread of its own: the hold is kept meanwhile
        if command == "pause":
            self._may_go_on.clear()
        else:
            self._may_go_on.set()

    def _lost(self, error: BellringerError) -> None:
        self._ended = error
        self._may_go_on.set()

    def _wait_until_known(self) -> None:
        """Wait until the agents know whose the instruments are."""
        tick = threading.Event()
        for _ in range(round(TOLD_S / LOOK_S)):
            owners: dict[str, Any] = {}
            for node in dict.fromkeys(name.partition(".")[0] for name in self.instruments):
                owners |= self._connections.ask_node(node, Status(0), 5.0)["owners"]
            if all(owners.get(name) == self.run for name in self.instruments):
                return
            tick.wait(LOOK_S)
        raise BellringerError(
            f"the nodes did not hear of '{self.run}' within {TOLD_S:g} s", hint="bellringer status tells what is wrong"
        )

    def _darken(self) -> None:
        """Make every instrument dark, each over a connection of its own, so that no call is waited for.

        Raises:
            InstrumentError: some are not confirmed dark.
        """
        answers = in_parallel(
            self.instruments, lambda name: self._connections.ask_aside(name, Do(0, name, "safe_state", 0), DARK_S)
        )
        failed = {name: answer for name, answer in answers.items() if isinstance(answer, BellringerError)}
        if failed:
            raise InstrumentError(
                "not confirmed dark: " + ", ".join(failed),
                where="\n         ".join(f"{name}: {error.what}" for name, error in failed.items()),
                hint="look at it by eye; bellringer estop",
            )

    def _try_to_darken(self) -> None:
        with contextlib.suppress(BellringerError):  # the end of the hold tries again, and tells
            self._darken()
