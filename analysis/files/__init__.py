"""Files of time tags, ours and other people's: ``read_tags(path)`` for any of them, ``formats()`` for which there are.

``open_recording(path)`` reads a file block by block, as large as it may be.
A reader returns what the file says, in ps, or raises ``ValueError`` naming what the file looks like instead. Overflows
and missed events become gaps; what was repaired or is missing is counted in the ``Recording``. Not here: writing while
an instrument runs (``tagfile``).
"""

from .recording import Recording
from .registry import (
    Format,
    format_of_new,
    formats,
    identify,
    open_recording,
    read_recording,
    read_tags,
    write_recording,
    write_source,
)
from .source import Part, Source

__all__ = [
    "Format",
    "Part",
    "Recording",
    "Source",
    "format_of_new",
    "formats",
    "identify",
    "open_recording",
    "read_recording",
    "read_tags",
    "write_recording",
    "write_source",
]
