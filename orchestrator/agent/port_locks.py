"""One driver process per port of this computer, also across agents, runs and testbeds of one user.

The processes of an agent that was killed are still making dark when its successor starts; and a run must not speak in
between another one's commands. The system frees the lock when its process ends, however it ends.
"""

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from ...testbed.errors import InstrumentError

PATIENCE_S = 10.0
"""How long a process waits for the one before it to make dark and leave."""
LOOK_S = 0.05


class PortLocks:
    """Locks of some ports, taken one after the other in alphabetical order; kept until ``release`` or the end.

    Args:
        folder: where the lock files are; None: nothing is locked.
        resources: resource strings of the ports.
    """

    def __init__(self, folder: Path | None, resources: Iterable[str]) -> None:
        names = sorted(set(filter(None, resources))) if folder is not None else []
        self._paths = {name: Path(folder or "") / f"port-{_digest(name)}" for name in names}
        self._held: dict[str, int] = {}

    def wait(self) -> None:
        """Wait until all are ours, at most ``PATIENCE_S``."""
        tick = threading.Event()
        for _ in range(round(PATIENCE_S / LOOK_S)):
            if self.take() is None:
                return
            tick.wait(LOOK_S)

    def check(self) -> None:
        """Return if all are ours, now at the latest.

        Raises:
            InstrumentError: another process has one of them; names it.
        """
        taken = self.take() if len(self._held) < len(self._paths) else None
        if taken is not None:
            resource, holder = taken
            raise InstrumentError(
                f"process {holder} of this computer speaks on its port",
                where=resource,
                hint="another run or agent uses this instrument; end that one first",
            )

    def take(self) -> tuple[str, str] | None:
        """Take what is free; return the first resource that is not, and the id of the process that has it."""
        for resource, path in self._paths.items():
            if resource in self._held:
                continue
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                return resource, holder or "(just starting)"
            with contextlib.suppress(OSError):  # a full disk: it is ours, and does not say so
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            self._held[resource] = descriptor
        return None

    def release(self) -> None:
        """Give all of them back; whoever waits may have them."""
        while self._held:
            os.close(self._held.popitem()[1])


def _digest(resource: str) -> str:
    return hashlib.sha256(resource.encode()).hexdigest()[:16]
