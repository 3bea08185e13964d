"""A sound copy of a damaged tag file; no sound block is lost, and what was lost stays on record."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .layout import DATA, END_BY_REPAIR, BlockHeader, FileHeader
from .losses import Loss
from .reader import TagFileReader


@dataclass(frozen=True)
class RepairReport:
    """What a repair did.

    Attributes:
        blocks, tags: copied.
        bytes_left_out: of the old file.
        losses: holes of the old file; the new one still tells of those within it.
    """

    blocks: int
    tags: int
    bytes_left_out: int
    losses: list[Loss]


def repair(
    path: str | Path, target: str | Path, stepped: Callable[[int], object] = lambda offset: None
) -> RepairReport:  # fmt: skip
    """Copy every sound block of ``path`` to the new file ``target`` as it is, and end it properly.

    Blocks keep their numbers, so a reader of the new file reports the same holes as gaps. ``target`` appears when it is
    complete, and on the disk.

    Args:
        stepped: is told after each block how many bytes were copied.

    Raises:
        FileExistsError: there is such a target.
        ValueError: ``path`` is no tag file, or has nothing sound.
    """
    target = Path(target)
    if target.exists():
        raise FileExistsError(f"{target} exists already; name a new file")
    part = target.with_name(target.name + ".part")
    with TagFileReader(path) as reader:
        blocks = tags = number = total = written = 0
        try:
            with open(part, "wb") as file:
                found = reader.check()
                history = [*reader.metadata.get("repairs", []), [asdict(loss) for loss in found]]
                written += file.write(FileHeader.pack(reader.file_id, {**reader.metadata, "repairs": history}))
                for header, raw in reader.sound_bytes():
                    written += file.write(raw)
                    blocks, tags = blocks + 1, tags + header.tags
                    number, total = header.number + 1, header.tags_before + header.tags
                    stepped(written)
                end = reader.end
                if end is not None:
                    number, total = end.number, end.tags_before
                kind = end.kind if end is not None else END_BY_REPAIR
                written += file.write(_end(reader.file_id, number, total, kind).pack())
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return RepairReport(blocks, tags, max(0, reader.size - written), found)


def _end(file_id: int, number: int, tags: int, kind: int) -> BlockHeader:
    assert kind != DATA
    return BlockHeader(0, file_id, number, tags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, kind)
