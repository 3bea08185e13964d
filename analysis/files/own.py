"""Tag files as recordings and block by block: for converting to and from other formats."""

import os
from collections.abc import Iterator
from pathlib import Path

from .._gaps import ToldGaps
from ..tagfile import ClockState, TagFileReader, TagFileWriter
from ..tags import Tags
from .recording import Recording
from .source import Part, Source


class TagFile(Source):
    """A tag file; damage becomes gaps, and is told in ``losses``.

    Raises:
        ValueError: it is none, or nothing in it is sound.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.stat().st_size)
        self.path = path
        with TagFileReader(path) as reader:
            self.about = dict(reader.metadata)

    def parts(self) -> Iterator[Part]:
        clocks = []
        with TagFileReader(self.path) as reader:
            late = reader.late_gaps()
            if len(late.gaps):
                yield Part(Tags([], [], late.gaps), late.reasons, late.missed)
            state = None
            for block in reader.blocks():
                tags = block.tags
                if block.clock is not None and block.clock != state and (len(tags) or len(tags.gaps)):
                    state = block.clock
                    first = tags.times_ps if len(tags) else tags.gaps[:, 0]
                    clocks.append({"from_ps": int(first[0]), **vars(state)})
                clock = None if state is None else vars(state)
                if len(late.gaps) and not block.missing:
                    yield Part(Tags._of(tags.times_ps, tags.channels, tags.gaps[:0]), (), (), clock, block.end_byte)
                else:
                    yield Part(tags, block.reasons, block.missed, clock, block.end_byte)
            self.losses = tuple(map(str, reader.losses()))
        self.about = {**reader.metadata, **({"clock": clocks} if clocks else {})}

    def read(self) -> Recording:
        with TagFileReader(self.path) as reader:
            told = reader.read_told()
            about = dict(reader.metadata)
            if told.clocks:
                about["clock"] = [{"from_ps": time, **vars(state)} for time, state in told.clocks]
            return Recording(told.tags, told.reasons, told.missed, about, losses=tuple(map(str, reader.losses())))


def write_tagfile(path: Path, source: Source, told: ToldGaps) -> None:
    """Write a file that was looked through before; what was repaired or lost in it is kept in the metadata."""
    metadata = {key: value for key, value in source.about.items() if key != "clock"}
    for name, words in (("repairs_before", source.repairs), ("losses_before", source.losses)):
        if words:
            metadata[name] = [*metadata.get(name, []), *words]
    with TagFileWriter(path, metadata, fsync="never") as writer:
        for part in source.parts():
            if len(part.tags) or len(part.tags.gaps):
                clock = ClockState(**part.clock) if part.clock else None
                writer.append(part.tags, clock, part.reasons, part.missed)
    with open(path, "rb") as file:
        os.fsync(file.fileno())
