"""One coordinator per state folder, held by the kernel: the lock goes with the process, however it ends.

Holds among processes of one machine. Two coordinators with two folders are noticed by their nodes (see ``epoch``).
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ...testbed.errors import BellringerError


class FolderLock:
    """The exclusive right to a state folder, as long as the context lasts.

    Args:
        folder: made if it is not there, for this user only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor = -1

    def __enter__(self) -> "FolderLock":
        """Take the lock.

        Raises:
            BellringerError: another coordinator holds it, or the folder cannot be written.
        """
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BellringerError(
                f"the coordinator cannot use its state folder: {error}",
                where=str(path),
                hint="make the folder writable, or choose another one",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise BellringerError(f"the state folder cannot be locked: {error}", where=str(path)) from error
            raise BellringerError(
                f"another coordinator uses this state folder: process {holder or 'unknown (just starting)'}",
                where=str(path),
                hint="use that one, stop it first, or give this one a folder of its own",
            ) from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # the file stays: removing it would let two processes lock two files of one name
        self._descriptor = -1


def held(folder: Path) -> bool:
    """Return whether some process holds the lock of ``folder`` now."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
