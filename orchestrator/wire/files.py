"""Small files that must be whole, private, and written by one process at a time."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..durable import sync_folder
from .errors import KeyFileError


def write_whole(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, durably, with these permissions from its first byte on.

    Raises:
        KeyFileError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)  # a revoked key must not come back with the power
    except OSError as error:
        raise KeyFileError(f"cannot write: {error.strerror}", where=str(path), hint="check folder and disk") from error


def read_guarded(path: Path, forbidden: int, chmod: str) -> str:
    """Return a file's text, unless its permissions have a bit of ``forbidden``.

    Raises:
        KeyFileError: it cannot be read, or others may do with it what they must not; says which ``chmod`` helps.
    """
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & forbidden:
                raise KeyFileError(
                    f"other users may read or change this file (mode {mode:o}); it is not used",
                    where=str(path),
                    hint=f"chmod {chmod} {path}",
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read: {error}", where=str(path), hint="is this the right key folder?") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold ``path`` locked against other processes and threads; waits for the one that holds it."""
    import fcntl  # services run on Linux; clients import this package anywhere

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise KeyFileError(f"cannot write: {error.strerror}", where=str(path), hint="check folder and disk") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
