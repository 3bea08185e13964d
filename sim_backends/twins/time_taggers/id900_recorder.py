"""The ID900's recorder: gates raw tags and histograms in sub-acquisitions of the unit's own clock.

A recording begins a start latency after ``REC:PLAY``, different every time. The unit's clock runs faster than lab
time by ``frequency_error``; all intervals are set in it, and all time stamps are read from it.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...lab.lab import Event
from .datalink import DataLink
from .id900_blocks import DELAYS, INPUTS
from .id900_histograms import Histograms, since_reference
from .scpi import Refused

if TYPE_CHECKING:
    from .id900 import Id900Twin

Times = npt.NDArray[np.int64]

_DEAD_PS = 40_000
"""Shortest pause between two sub-acquisitions."""
_MAX_TAGS_PER_S = 10e6
_BUFFERED_TAGS = 1000
_ROUNDING_PS = 2
"""Clicks are asked for this much around an interval, since it is cut in the unit's clock."""
_CHANNELS = (1, 2, 3, 4)
_NOTHING = np.empty(0, np.int64)


@dataclass
class _Recording:
    start_ps: int
    number: int | None
    """Sub-acquisitions; None goes on until stopped."""
    width_ps: int
    period_ps: int
    capture: Any
    loses_first: bool
    index: int = 0
    event: Event | None = None


class Recorder:
    """The recorder block, with the raw-data and histogram blocks behind it."""

    def __init__(self, twin: "Id900Twin", datalink: DataLink) -> None:
        self._twin, self._lab, self._datalink = twin, twin.lab, datalink
        self._recording: _Recording | None = None
        self._errors = dict.fromkeys(_CHANNELS, 0)
        self.overflow_next = False
        """Make the next recording lose its first sub-acquisition."""
        self.start_ps: int | None = None
        """Lab time of the last recording's zero."""
        self._histograms = Histograms(twin.tree)
        tree = twin.tree
        tree.action("RECord:PLAY", self._play)
        tree.action("RECord:STOP", self._stop)
        tree.reading("RECord:STAGe", self.stage)
        for n in _CHANNELS:
            tree.reading(f"RAW{n}:ERROrs|ERROr", partial(self._errors.get, n))
            tree.action(f"RAW{n}:ERROrs|ERROr:CLEAr", partial(self._errors.update, {n: 0}))

    def stage(self) -> str:
        if self._recording is None:
            return "IDLE"
        return "ARMed" if self._lab.now_ps < self._recording.start_ps else "PLAYing"

    # --- play and stop ----------------------------------------------------------------------------------------

    def _play(self) -> None:
        values = self._twin.tree.values
        width, number = values["REC:PWID"] or values["REC:DUR"], values["REC:NUM"]
        period = values["REC:PPER"] or width + _DEAD_PS
        if not values["REC:ENAB"]:
            raise Refused("ERROR: recorder is disabled")
        if self._recording is not None:
            raise Refused("ERROR: recording in progress")
        if not self._twin.calibrated():
            raise Refused("ERROR: calibration in progress")
        if width == 0:
            raise Refused("ERROR: duration is zero")
        if number != 1 and period < width + _DEAD_PS:
            raise Refused(f"ERROR: period is shorter than width + {_DEAD_PS}TB")
        latency_s = self._twin.model.start_latency * float(self._twin.rng.uniform(0.5, 1.5))
        self.start_ps = self._lab.now_ps + round(latency_s * 1e12)
        capture = None
        if self._lab.bench is not None:
            ports = [self._twin.port_of(block) for block in INPUTS if values[f"{block}:ENAB"]]
            capture = self._lab.bench.capture(ports, self.start_ps)
        self._recording = _Recording(self.start_ps, number, width, period, capture, self.overflow_next)
        self.overflow_next = False
        self._schedule(self._recording)

    def _stop(self) -> None:
        """End at once; what the running sub-acquisition has is still sent."""
        recording = self._recording
        if recording is None:
            return
        if recording.event is not None:
            recording.event.cancel()
        elapsed = self._lab.now_ps - recording.start_ps
        now_ps = elapsed + round(elapsed * self._twin.model.frequency_error)
        while recording.index != recording.number and (begin := recording.index * recording.period_ps) < now_ps:
            end = min(begin + recording.width_ps, now_ps)
            self._finish(recording, begin, end, min(self._lab_time(recording, end) + _ROUNDING_PS, self._lab.now_ps))
            recording.index += 1
        self._end(recording)

    def _end(self, recording: _Recording) -> None:
        self._recording = None
        if recording.capture is not None:
            recording.capture.close()

    def _lab_time(self, recording: _Recording, device_ps: int) -> int:
        error: float = self._twin.model.frequency_error
        return recording.start_ps + device_ps - round(device_ps * (error / (1 + error)))

    def _schedule(self, recording: _Recording) -> None:
        """Plan the end of a sub-acquisition: its tags are handed on as soon as they are final."""
        begin = recording.index * recording.period_ps
        end = begin + recording.width_ps
        until_ps = self._lab_time(recording, end) + _ROUNDING_PS
        when_ps = until_ps if self._lab.bench is None else self._lab.bench.ready_at(until_ps)

        def sub_acquisition_ends() -> None:
            self._finish(recording, begin, end, until_ps)
            recording.index += 1
            if recording.index == recording.number:
                self._end(recording)
            else:
                self._schedule(recording)

        recording.event = self._lab.at(when_ps, sub_acquisition_ends, owner=self._twin.name)

    # --- one sub-acquisition ----------------------------------------------------------------------------------

    def _finish(self, recording: _Recording, begin: int, end: int, until_ps: int) -> None:
        """Hand on the tags of [begin, end), in ps of the unit's clock since the recording's zero."""
        tags = self._tags(recording, begin, end, until_ps)
        values = self._twin.tree.values
        sending = [n for n in _CHANNELS if values[f"RAW{n}:SEND"]]
        stops = {n: self._source(values[f"RAW{n}:STOP:LINK"], tags) for n in sending}
        total, allowed = sum(map(len, stops.values())), _MAX_TAGS_PER_S * (end - begin) / 1e12 + _BUFFERED_TAGS
        lost = total > allowed or (recording.loses_first and recording.index == 0)
        for n in sending:
            if lost:
                self._errors[n] += 1
                self._datalink.fail(n, f"overflow: tags of sub-acquisition {recording.index} of channel {n} were lost")
            else:
                reference = values[f"RAW{n}:REF:LINK"]
                self._datalink.deliver(n, *self._since(reference, values[f"RAW{n}:STOP:LINK"], stops[n], tags))
        self._histograms.add(lambda name: self._source(name, tags))

    def _tags(self, recording: _Recording, begin: int, end: int, until_ps: int) -> dict[str, Times]:
        """Return the device times since ``begin`` of every enabled input's clicks in [begin, end)."""
        if recording.capture is None:
            return {}
        recording.capture.read(max(recording.start_ps, self._lab_time(recording, begin) - _ROUNDING_PS))
        clicks = recording.capture.read(until_ps)
        tags, step, error = {}, self._twin.resolution_ps(), self._twin.model.frequency_error
        for block in INPUTS:
            elapsed = np.asarray(clicks.get(self._twin.port_of(block), _NOTHING), np.int64) - recording.start_ps
            # the small product alone goes through floats: elapsed times outgrow their 53 bits
            device = elapsed + np.rint(elapsed * error).astype(np.int64) - begin
            device = device[(device >= 0) & (device < end - begin)]
            tags[block] = device // step * step
        return tags

    def _source(self, block: str, tags: dict[str, Times]) -> Times:
        """Return the tags at a block's output: an input, or a chain of delays behind one."""
        shift, seen = 0, set()
        while block in DELAYS and block not in seen:
            seen.add(block)
            shift += self._twin.tree.values[f"{block}:VALU"]
            block = self._twin.tree.values[f"{block}:LINK"]
        shifted = tags.get(block, _NOTHING) + shift
        return shifted[shifted >= 0]

    def _since(self, reference: str, stop: str, times: Times, tags: dict[str, Times]) -> tuple[Times, Times]:
        """Return times since the last reference event (since the start with none), and that event's number."""
        if reference == "NONE":
            return times, np.zeros(len(times), np.int64)
        return since_reference(self._source(reference, tags), times, same=reference == stop)
