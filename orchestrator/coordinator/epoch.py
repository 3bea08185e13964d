"""The epoch: a number that grows by at least one at every start of a coordinator and never comes back.

It is on disk before anybody hears of it, so a node that has seen epoch n knows that whoever speaks with a lower one is
an older coordinator that must no longer be obeyed. Call ``claim_epoch`` with the folder locked (``lock``).
"""

import os
from pathlib import Path

from ...testbed.errors import BellringerError
from ..durable import sync_folder

FILE = "epoch"


def claim_epoch(folder: Path, above: int = 0) -> int:
    """Return a new epoch, durable on disk, greater than the last one and than ``above``.

    A folder without the file starts at 1 (or just over ``above``).

    Raises:
        BellringerError: the file cannot be read, is no epoch, or the new one cannot be written.
    """
    path = folder / FILE
    epoch = max(_read(path), above) + 1
    temporary = path.with_name(FILE + ".part")
    try:
        with open(temporary, "wb") as file:
            file.write(f"{epoch}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(folder)
    except OSError as error:
        raise BellringerError(
            f"the new epoch {epoch} cannot be written: {error}",
            where=str(path),
            hint="make the folder writable and start again; an epoch that is not on disk is not used",
        ) from error
    return epoch


def _read(path: Path) -> int:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise BellringerError(
            f"the epoch cannot be read: {error}", where=str(path), hint="make the file readable and start again"
        ) from error
    digits = text.removesuffix(b"\n")
    if not (digits.isdigit() and int(digits) > 0):
        raise BellringerError(
            f"the epoch file holds {text[:40]!r}, not a number above 0",
            where=str(path),
            hint="write the highest epoch that the nodes have seen into it (their status shows it), then start again",
        )
    return int(digits)
