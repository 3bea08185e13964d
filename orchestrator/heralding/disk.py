"""The few things a journal asks of a disk, so that tests can put one in its place that forgets or is full."""

import os
from pathlib import Path
from typing import Protocol

from ..durable import sync_folder


class Disk(Protocol):
    """Files of fixed size; what was written counts as kept once ``sync`` has returned. All raise OSError."""

    def names(self) -> list[str]:
        """Return the names of all files."""

    def create(self, name: str, size: int) -> None:
        """Make a file of zeros with room for all of it, lasting when this returns; all or nothing."""

    def read(self, name: str) -> bytes:
        """Return all of a file."""

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write within a file."""

    def sync(self, name: str) -> None:
        """Return once all that was written to a file will survive."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def close(self) -> None:
        """Let go of all files."""


class FolderDisk:
    """A folder of the file system, for one process.

    The room is taken from the file system when a file is made, so writing within it cannot find the disk full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptors: dict[str, int] = {}

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix != ".part")

    def create(self, name: str, size: int) -> None:
        temporary = self.folder / f"{name}.part"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            os.fsync(descriptor)
            os.rename(temporary, self.folder / name)
            sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        self._descriptors[name] = descriptor

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, offset: int, data: bytes) -> None:
        if os.pwrite(self._descriptor(name), data, offset) != len(data):
            raise OSError("the disk took only part of it")

    def sync(self, name: str) -> None:
        os.fdatasync(self._descriptor(name))

    def remove(self, name: str) -> None:
        if name in self._descriptors:
            os.close(self._descriptors.pop(name))
        (self.folder / name).unlink()

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _descriptor(self, name: str) -> int:
        if name not in self._descriptors:
            self._descriptors[name] = os.open(self.folder / name, os.O_RDWR | os.O_CLOEXEC)
        return self._descriptors[name]
