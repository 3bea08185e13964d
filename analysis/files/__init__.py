"""Files of time tags, ours and other people's: ``read_tags(path)`` for any of them, ``formats()`` for which there are.

A reader returns what the file says, in ps, or raises ``ValueError`` naming what the file looks like instead. Overflows
and missed events become gaps; what was repaired or is missing is counted in the ``Recording``. Not here: writing while
an instrument runs (``tagfile``).
"""

from .recording import Recording
from .registry import Format, formats, identify, read_recording, read_tags, write_recording

__all__ = ["Format", "Recording", "formats", "identify", "read_recording", "read_tags", "write_recording"]
