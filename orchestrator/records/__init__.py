"""Run records: one folder per run."""

from .folder import RunFolder, find_run, list_runs, write_tags_whole

__all__ = ["RunFolder", "find_run", "list_runs", "write_tags_whole"]
