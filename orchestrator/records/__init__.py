"""Run records: one folder per run."""

from .folder import RunFolder, find_run, list_runs, read_run
from .keeper import TagKeeper

__all__ = ["RunFolder", "TagKeeper", "find_run", "list_runs", "read_run"]
