"""Where the command line prints to."""

import os
import sys

from rich.console import Console

ENDLESS = 10_000
"""Columns of a line that nobody looks at on a screen."""


def printer(*, stderr: bool = False) -> Console:
    """Return a console without markup; in a pipe or a file lines are not wrapped, so names and paths stay whole."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else ENDLESS
    return Console(stderr=stderr, highlight=False, markup=False, width=wide)
