"""Tag files as recordings: for converting to and from other formats."""

import os
from pathlib import Path

import numpy as np

from ..tagfile import ClockState, TagFileReader, TagFileWriter
from ..tags import Tags
from .recording import Recording

_BLOCK = 1 << 17


def read_tagfile(path: Path) -> Recording:
    """Read a tag file whole; damage becomes gaps, and is told in ``losses``.

    Raises:
        ValueError: it is none, or nothing in it is sound.
    """
    with TagFileReader(path) as reader:
        told = reader.read_told()
        about = dict(reader.metadata)
        if told.clocks:
            about["clock"] = [{"from_ps": time, **vars(state)} for time, state in told.clocks]
        return Recording(told.tags, told.reasons, told.missed, about, losses=tuple(map(str, reader.losses())))


def write_tagfile(path: Path, recording: Recording) -> None:
    """Write a recording as a tag file; what was repaired or lost before is kept in its metadata."""
    metadata = {key: value for key, value in recording.about.items() if key != "clock"}
    for name, words in (("repairs_before", recording.repairs), ("losses_before", recording.losses)):
        if words:
            metadata[name] = [*metadata.get(name, []), *words]
    states = [
        (each["from_ps"], ClockState(each["source"], each["locked"])) for each in recording.about.get("clock", [])
    ]
    tags = recording.tags
    changes = np.searchsorted(tags.times_ps, [time for time, _ in states]).tolist() if states else []
    starts = sorted({*range(0, len(tags), _BLOCK), *changes} - {len(tags)})
    with TagFileWriter(path, metadata, fsync="never") as writer:
        if len(tags.gaps):
            writer.append(Tags([], [], tags.gaps), None, recording.reasons, recording.missed)
        for start, stop in zip(starts, [*starts[1:], len(tags)]):
            now = [state for time, state in states if time <= tags.times_ps[start]]
            part = Tags(tags.times_ps[start:stop], tags.channels[start:stop])
            writer.append(part, now[-1] if now else None)
    with open(path, "rb") as file:
        os.fsync(file.fileno())
