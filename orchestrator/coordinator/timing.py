"""How long corrections take on this testbed, as it was measured: kept on disk, and what programs are judged by."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from ...testbed.attempts import AttemptProgram
from ...testbed.attempts.compile import place_corrections, unmeasured
from ...testbed.attempts.latency import MeasuredLatency, Measurement
from ...testbed.errors import BellringerError
from ..durable import sync_folder
from ..heralding.service.lab import Unmeasured

CARRIED = ("S1",)
"""Latency classes in which corrections are made here: by a message from the station's driver process to the node's."""


class Timing:
    """The measurements of one testbed.

    Args:
        path: the file; it need not be there.
        testbed: name of the testbed.
        utc: now, for people.

    Raises:
        BellringerError: the file cannot be read, or is another testbed's.
    """

    def __init__(self, path: Path, testbed: str, utc: Callable[[], str]) -> None:
        self._path, self._testbed, self._utc = path, testbed, utc
        self.measured: MeasuredLatency | None = None
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            hint = "make it readable, or move it away and measure again"
            raise BellringerError(
                f"the measured latencies cannot be read: {error}", where=str(path), hint=hint
            ) from error
        self.measured = MeasuredLatency.from_json(text)
        if self.measured.testbed != testbed:
            what = f"these latencies were measured on '{self.measured.testbed}', not on '{testbed}'"
            raise BellringerError(what, where=str(path), hint="move the file away and measure again")

    def take(self, texts: Iterable[str]) -> None:
        """Keep newer measurements, on disk when this returns.

        Raises:
            BellringerError: they are none, or the disk did not take them; the older ones stay.
        """
        try:
            newer = [Measurement.model_validate_json(text) for text in texts]
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            what = f"this is no measurement: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise BellringerError(what, hint="bellringer link measure LINK") from None
        for each in newer:
            if each.latency_class not in CARRIED:
                what = f"corrections to {each.node} are messages from {each.station}, in no class {each.latency_class}"
                raise BellringerError(what, hint=f"measure class {' or '.join(CARRIED)}: bellringer link measure LINK")
        known = self.measured or MeasuredLatency(testbed=self._testbed, measured_utc=self._utc(), measurements=())
        measured = known.with_newer(newer, self._utc())
        part = self._path.with_name(self._path.name + ".part")
        try:
            with open(part, "w", encoding="utf-8") as file:
                file.write(measured.to_json())
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            hint = "free or repair the disk, then measure again"
            raise BellringerError(
                f"the measured latencies cannot be written: {error}", where=str(self._path), hint=hint
            ) from error
        self.measured = measured

    def check(self, link: str, program: AttemptProgram, miss_budget: float | None) -> None:
        """Return if every correction of a program is made in time.

        Raises:
            Unmeasured: nobody knows.
            ProgramError: one is not; says by how much.
        """
        missing = unmeasured(program, self.measured)
        if missing:
            what = f"how long corrections take from {program.station} to {' and '.join(missing)} was not measured"
            raise Unmeasured(what, where=link, hint=f"bellringer link measure {link}")
        place_corrections(program, self.measured, miss_budget)
