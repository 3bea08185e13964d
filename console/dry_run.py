"""Starts a simulated lab in its own process and tells where its instruments are.

The lab's lockstep clock socket lives in a folder only this user can enter. The lab ends when this process does: it
reads its standard input and leaves at its end.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..orchestrator.agent.desk import Endpoint
from ..testbed.errors import BellringerError
from ..testbed.lockstep import LockstepClock
from .services import Service

LAB = "bellringer.sim_backends.lab.process"


@dataclass(frozen=True)
class SimulatedLab:
    """A running simulated lab."""

    clock: LockstepClock
    endpoints: dict[str, Endpoint]
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def simulated_lab(file: Path, overrides: Sequence[str], seed: int) -> Iterator[SimulatedLab]:
    """Run a lockstep lab for the testbed in ``file`` as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="bellringer-") as folder:
        os.chmod(folder, 0o700)
        log = Path(folder, "lab.log")
        command = [
            sys.executable,
            "-m",
            LAB,
            str(file),
            "--seed",
            str(seed),
            "--clock",
            f"ipc://{folder}/clock",
        ]
        command += [word for text in overrides for word in ("--set", text)]
        with open(log, "wb") as errors:
            # Its own session: a Ctrl-C in the terminal is for the run, which needs the lab on its way to the dark.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        assert process.stdin is not None
        assert process.stdout is not None
        clock = None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait()
                raise BellringerError(
                    "the simulated lab did not start", where=str(file), hint="report this with the messages above"
                )
            answer = json.loads(line)
            if "error" in answer:
                error = answer["error"]
                raise BellringerError(error["what"], where=error["where"] or str(file), hint=error["hint"])
            instruments = answer["instruments"]
            endpoints = {name: Endpoint(body["resource"], body["options"]) for name, body in instruments.items()}
            clock = LockstepClock(f"ipc://{folder}/clock", caller="runner", alive=lambda: process.poll() is None)
            yield SimulatedLab(clock, endpoints, process)
        finally:
            if clock is not None:
                clock.close()
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
            process.stdout.close()
            complaints = log.read_text(errors="replace").strip()
            if complaints:
                print(complaints, file=sys.stderr)


def lab_in_step(
    stack: contextlib.ExitStack, file: Path, overrides: Sequence[str], seed: int
) -> tuple[dict[str, Endpoint], tuple[Service, ...]]:
    """Start a simulated lab in step with the wall clock; return where its instruments are, and its process."""
    words = [str(file), "--seed", str(seed), *(word for text in overrides for word in ("--set", text))]
    lab = Service("the simulated lab", LAB, None, words)
    stack.callback(lab.stop)
    found = lab.ready()["instruments"]
    return {name: Endpoint(body["resource"], body["options"]) for name, body in found.items()}, (lab,)
