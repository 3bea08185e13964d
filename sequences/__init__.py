"""Scripting experiments: ``@sequence`` functions and the run context they hold.

from bellringer.sequences import Run, sequence
"""

from .figures import Figure, Series
from .run import Run
from .runner import Outcome, run_sequence
from .sequence import Sequence, find_sequence, sequence

__all__ = ["Figure", "Outcome", "Run", "Sequence", "Series", "find_sequence", "run_sequence", "sequence"]
