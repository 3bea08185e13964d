"""The command line in a process of its own, and rehearsals of a test's own sequence on a running simulated lab."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bellringer.console.dry_run import SimulatedLab, simulated_lab
from bellringer.console.files import load_checked
from bellringer.orchestrator.agent.host import Endpoint
from bellringer.sequences import Outcome, Run, run_sequence
from bellringer.sequences.sequence import Sequence as RunnableSequence

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"
COMMAND = (sys.executable, "-m", "bellringer.console.main")
ENVIRONMENT = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


class CommandLine:
    """``bellringer`` as a person calls it, in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.example = str(EXAMPLE)

    def __call__(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [*COMMAND, *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL
        )

    @contextmanager
    def started(self, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
        """Start a command; it is gone when the context is left."""
        command = [*COMMAND, *map(str, words)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(self.folder / "stderr.txt", "w"),  # noqa: SIM115 - closed below
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    @property
    def stderr(self) -> str:
        """Return what a started command has written to stderr so far."""
        return (self.folder / "stderr.txt").read_text()

    def run_folder(self) -> Path:
        """Return the only run's folder."""
        (folder,) = (self.folder / "runs").iterdir()
        return folder
