"""``Process``: a service as a child process of a test, and drivers that it finds (``install``)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

PATIENCE_S = 90.0
"""How long a test waits for what takes far less; no result depends on it, only how soon a hang is noticed."""


class Process:
    """A service as a child process: set up through its standard input, which holds it until ``end``."""

    def __init__(
        self,
        module: str,
        setup: msgspec.Struct,
        errors: Path,
        environment: dict[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        self._errors = errors
        with open(errors, "ab") as file:
            self.popen = subprocess.Popen(
                [*before, sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={**os.environ, **(environment or {})},
            )
        self.popen.stdin.write(msgspec.json.encode(setup) + b"\n")
        self.popen.stdin.flush()

    def ready(self) -> dict[str, Any]:
        """Wait until it listens and return where; an error of its start is an assertion."""
        line = self.popen.stdout.readline()
        assert line, self.said()
        return json.loads(line)

    def said(self) -> str:
        """Return what it wrote to stderr, on one line."""
        return " ".join(self._errors.read_text().split())

    def send(self, number: int) -> float:
        """Send a signal and return when."""
        now = time.monotonic()
        self.popen.send_signal(number)
        return now

    def end(self) -> int:
        """Let it end, however it has to; return its status."""
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGCONT)
        try:
            return self.popen.wait(PATIENCE_S)
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen.stdout.close()


def install(folder: Path, name: str, text: str, class_name: str) -> dict[str, str]:
    """Install a driver as another package would; return the environment of a process that finds it."""
    about = folder / f"{name}_driver-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{name}_driver.py").write_text(textwrap.dedent(text))
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-driver\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[bellringer.drivers]\n{name} = {name}_driver:{class_name}\n")
    return {"PYTHONPATH": str(folder)}
