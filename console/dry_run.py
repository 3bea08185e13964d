"""Starts a simulated lab in its own process and tells where its instruments are.

The lab's lockstep clock socket lives in a folder only this user can enter. The lab ends when this process does: it
reads its standard input and leaves at its end.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..orchestrator.agent.desk import Endpoint
from ..testbed.errors import BellringerError
from ..testbed.lockstep import LockstepClock
from .services import Service

LAB = "bellringer.sim_backends.lab.process"
PATIENCE_S = 5.0
"""How long a lab may take to leave: nothing in it is lit any more."""


@dataclass(frozen=True)
class SimulatedLab:
    """A running simulated lab."""

    clock: LockstepClock
    endpoints: dict[str, Endpoint]
    service: Service


class LabToBe:
    """A lockstep lab for the testbed in ``file``, which is being built from now on."""

    def __init__(self, file: Path, overrides: Sequence[str], seed: int) -> None:
        self._file = file
        self._open = contextlib.ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="bellringer-")))
        os.chmod(folder, 0o700)
        self._log, self._socket = folder / "lab.log", f"ipc://{folder}/clock"
        self._open.callback(self._complain)
        with open(self._log, "wb") as errors:
            # Its own session: a Ctrl-C in the terminal is for the run, which needs the lab on its way to the dark.
            words = [*_words(file, overrides, seed), "--clock", self._socket]
            self._service = Service("the simulated lab", LAB, None, words, errors=errors)
        self._open.callback(self._service.stop, PATIENCE_S)

    def ready(self) -> SimulatedLab:
        """Wait until it is there."""
        try:
            found = self._service.ready()["instruments"]
        except BellringerError as error:
            where = error.where or str(self._file)
            raise BellringerError(error.what, where=where, hint=error.hint) from None
        service = self._service
        clock = LockstepClock(self._socket, caller="runner", alive=lambda: not service.ended)
        self._open.callback(clock.close)
        return SimulatedLab(clock, _endpoints(found), service)

    def close(self) -> None:
        """End it; may be called twice."""
        self._open.close()

    def _complain(self) -> None:
        complaints = self._log.read_text(errors="replace").strip()
        if complaints:
            print(complaints, file=sys.stderr)


@contextlib.contextmanager
def simulated_lab(file: Path, overrides: Sequence[str], seed: int) -> Iterator[SimulatedLab]:
    """Run a lockstep lab for the testbed in ``file`` as long as the context lasts."""
    with contextlib.closing(LabToBe(file, overrides, seed)) as lab:
        yield lab.ready()


def lab_in_step(
    stack: contextlib.ExitStack, file: Path, overrides: Sequence[str], seed: int
) -> tuple[dict[str, Endpoint], tuple[Service, ...]]:
    """Start a simulated lab in step with the wall clock; return where its instruments are, and its process."""
    lab = Service("the simulated lab", LAB, None, _words(file, overrides, seed))
    stack.callback(lab.stop)
    return _endpoints(lab.ready()["instruments"]), (lab,)


def _words(file: Path, overrides: Sequence[str], seed: int) -> list[str]:
    return [str(file), "--seed", str(seed), *(word for text in overrides for word in ("--set", text))]


def _endpoints(instruments: dict[str, Any]) -> dict[str, Endpoint]:
    return {name: Endpoint(body["resource"], body["options"]) for name, body in instruments.items()}
