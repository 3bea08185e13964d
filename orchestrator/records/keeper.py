"""Tags of one recording on their way to a tag file, as long as the disk takes them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...analysis import Tags
from ...analysis.tagfile import ClockState, FsyncPolicy, TagFileWriter
from ...drivers.interfaces import ClockMap
from ...testbed.errors import BellringerError


class TagKeeper:
    """Writes one file; the first block makes it. For one thread at a time.

    Args:
        path: the new file.
        clock_map: of the recording; its source and lock state stand in every block.
        about: the file's metadata, plain JSON.
        fsync: as in ``TagFileWriter``.

    Methods raise a BellringerError where the disk does not take what they write; what was appended before is whole.
    """

    def __init__(self, path: Path, clock_map: ClockMap, about: Mapping[str, Any], fsync: FsyncPolicy) -> None:
        self.path, self._about, self._fsync = path, about, fsync
        self._clock = ClockState(clock_map.source, clock_map.locked)
        self._writer: TagFileWriter | None = None

    def append(
        self, times_ps: npt.NDArray[np.int64], channels: npt.NDArray[np.uint8], gaps_ps: npt.NDArray[np.int64]
    ) -> None:  # fmt: skip
        """Append the next tags (device time, ps) and the stretches in which tags may be missing."""
        gaps = gaps_ps[gaps_ps[:, 0] < gaps_ps[:, 1]]
        with self._telling():
            if self._writer is None:
                self._writer = TagFileWriter(self.path, self._about, self._fsync)
            self._writer.append(Tags(times_ps, channels, gaps), self._clock, ["not recorded"] * len(gaps))

    def close(self) -> None:
        """End the file properly."""
        if self._writer is not None:
            with self._telling():
                self._writer.close()

    def discard(self) -> None:
        """Take the file away again."""
        if self._writer is not None:
            with suppress(OSError):  # of a full disk; the file goes anyway
                self._writer.close()
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise not_written(self.path, error) from error
        except ValueError as error:
            raise BellringerError(f"these tags cannot be kept: {error}", where=str(self.path)) from error


def not_written(path: Path, error: OSError) -> BellringerError:
    """Return what to tell of a disk that did not take a record."""
    return BellringerError(
        f"the record cannot be written: {error.strerror or error}",
        where=str(path),
        hint="free or repair the disk; what was written before is whole",
    )
