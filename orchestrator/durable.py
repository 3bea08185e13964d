"""Names on disk that outlive a loss of power."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable: files that were just made or moved into place."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
