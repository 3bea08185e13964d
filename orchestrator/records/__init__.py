"""Run records: one folder per run."""

from .folder import RunFolder, find_run, list_runs

__all__ = ["RunFolder", "find_run", "list_runs"]
