"""A node's own copy of every recording: written to its disk before the answer leaves, published after."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...drivers.interfaces import Recording
from ..records import write_tags_whole
from ..wire.messages import Event
from ..wire.stream import Publisher


class TagRecorder:
    """Keeps recordings under ``folder`` as ``NUMBER-instrument.npz`` and publishes their tags.

    A file is complete or absent. Numbers go on where the folder's files end.
    """

    def __init__(self, folder: Path, publisher: Publisher) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._publisher = folder, publisher
        last = max((int(path.name.partition("-")[0]) for path in folder.glob("*-*.npz")), default=0)
        self._numbers = itertools.count(last + 1)

    def keep(self, instrument: str, value: Any) -> None:
        """Write and publish ``value`` if it is a recording.

        Raises:
            BellringerError: the disk did not take it; nothing was published.
        """
        if not isinstance(value, Recording):
            return
        about = {
            "instrument": instrument,
            "duration_ps": value.duration_ps,
            "clock_map": vars(value.clock_map),
            "gaps_ps": value.gaps_ps.tolist(),
        }
        body = {**about, "number": self.write(instrument, value.times_ps, value.channels, about)}
        self._publisher.publish("tags", Event(0, "tags", instrument, 0, body), value.times_ps, value.channels)

    def write(
        self,
        instrument: str,
        times_ps: npt.NDArray[np.int64],
        channels: npt.NDArray[np.uint8],
        about: Mapping[str, Any],
    ) -> int:
        """Write tags and return the file's number.

        Raises:
            BellringerError: the disk did not take them; there is no half of a file.
        """
        number = next(self._numbers)
        write_tags_whole(self._folder / f"{number:06d}-{instrument}.npz", times_ps, channels, about)
        return number
