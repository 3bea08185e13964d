"""Tag files: time tags on disk that survive whoever writes them.

A file is a header and a row of blocks, each readable alone, compressed and checksummed (the layout stands in
docs/time-tags.md). What ``append`` has returned for is in the file, whatever becomes of the process; what is damaged
later is noticed, costs the block it lies in, and is reported as a gap of the recording. Not here: other formats
(``files``), and going on with a file that was closed.
"""

from .layout import ClockState
from .losses import Loss
from .reader import Block, TagFileReader
from .repair import RepairReport, repair
from .writer import FsyncPolicy, TagFileWriter

__all__ = [
    "Block",
    "ClockState",
    "FsyncPolicy",
    "Loss",
    "RepairReport",
    "TagFileReader",
    "TagFileWriter",
    "repair",
]
