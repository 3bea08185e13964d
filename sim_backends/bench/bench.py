"""The optical bench: every twin's light on one table, clicks for whoever listens.

Light is computed only while somebody listens (a ``Capture`` is open), after the fact, in whole cells. A reader that
asks before a cell is over gets it with the settings known so far; ``ready_at`` tells when nothing can change any more.
"""

import itertools
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...testbed.models import CrystalOptic, DetectorModel
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring
from ..lab.lab import Lab
from .component import CELL_PS, Component
from .light_path import Detectors, Exit, Path, find_exits

MARGIN_PS = 1_000_000
"""Safely above the guard the clicks of a cell are held back by, and above any jitter."""

Times = npt.NDArray[np.int64]


class Capture:
    """Somebody listening to some ports from a time on."""

    def __init__(self, bench: "Bench", detectors: dict[str, str], from_ps: int) -> None:
        self._bench, self.from_ps = bench, from_ps
        self.detectors = detectors
        self._waiting: dict[str, list[Times]] = {port: [] for port in detectors}

    def read(self, until_ps: int) -> dict[str, Times]:
        """Return clicks by port, lab time int64 ps ascending, in [last ``until_ps``, ``until_ps``)."""
        self._bench.advance(until_ps)
        clicks = {}
        for port, parts in self._waiting.items():
            times = np.concatenate([np.empty(0, np.int64), *parts])
            low, high = np.searchsorted(times, [self.from_ps, until_ps])
            clicks[port] = times[low:high]
            self._waiting[port] = [times[high:]]
        self.from_ps = until_ps
        return clicks

    def offer(self, detector: str, times: Times) -> None:
        """Take in clicks of one detector."""
        for port, source in self.detectors.items():
            if source == detector:
                self._waiting[port].append(times)

    def close(self) -> None:
        """Stop listening."""
        self._bench.captures.discard(self)


class Bench:
    """All optics of a testbed."""

    def __init__(self, lab: Lab, testbed: Testbed, seed: int) -> None:
        self.lab = lab
        self.captures: set[Capture] = set()
        self._wiring = Wiring(testbed)
        detectors = Detectors(lab, testbed)
        self.components = _components(lab, testbed, seed, self._wiring, detectors)
        self._next: list[int | None] = [None] * len(self.components)
        # The last two cells of each: a new capture may begin inside light that another one already made.
        self._recent: list[deque[dict[str, Times]]] = [deque(maxlen=2) for _ in self.components]

    def capture(self, ports: Sequence[str], from_ps: int) -> Capture:
        """Listen to tagger inputs ("alice.tagger.1") or detector channels ("alice.detectors.1") from a time on."""
        known = {port for component in self.components for port in component.ports}
        detectors = {port: port if port in known else self._wiring.upstream(port) or port for port in ports}
        capture = Capture(self, detectors, from_ps)
        for cell in itertools.chain.from_iterable(self._recent):
            for detector, times in cell.items():
                capture.offer(detector, times)
        self.captures.add(capture)
        return capture

    def ready_at(self, until_ps: int) -> int:
        """Return the lab time from which clicks until ``until_ps`` are final."""
        return -(-(until_ps + MARGIN_PS) // CELL_PS) * CELL_PS

    def advance(self, until_ps: int) -> None:
        """Compute light until every click before ``until_ps`` is there."""
        for index, component in enumerate(self.components):
            listening = [c for c in self.captures if set(c.detectors.values()) & set(component.ports)]
            if not listening:
                continue
            shortest, longest = component.delay_range_ps(until_ps)
            last = (until_ps - shortest + MARGIN_PS) // CELL_PS
            # A capture that begins now also hears photons that are already in the fibres: start a cell earlier.
            earliest = (min(c.from_ps for c in listening) - longest - MARGIN_PS) // CELL_PS - 1
            position = self._next[index]
            first = earliest if position is None else max(position, earliest)
            for number in range(first, last + 1):
                clicks = component.cell(number)
                for detector, times in clicks.items():
                    for capture in listening:
                        capture.offer(detector, times)
                self._recent[index].append(clicks)
            self._next[index] = max(first, last + 1)


def _components(lab: Lab, testbed: Testbed, seed: int, wiring: Wiring, detectors: Detectors) -> list[Component]:
    components: list[Component] = []
    seen: set[str] = set()
    for name, optic in testbed.optics().items():
        if not isinstance(optic, CrystalOptic):
            continue
        arms = []
        for port, wavelength in (("signal", optic.signal_wavelength), ("idler", optic.idler_wavelength)):
            exits = find_exits(wiring, f"{name}.{port}")
            arms.append([Path(lab, testbed, detectors, each, wavelength) for each in exits])
            seen.update(each.port for each in exits)
        components.append(Component(lab, seed, name, optic, (arms[0], arms[1]), detectors))
    for name, entry in testbed.instruments().items():
        if isinstance(entry.model, DetectorModel):
            loose = [
                f"{name}.{number}" for number in range(1, entry.model.channels + 1) if f"{name}.{number}" not in seen
            ]
            if loose:
                paths = [Path(lab, testbed, detectors, Exit(port, ()), 1550e-9) for port in loose]
                components.append(Component(lab, seed, name, None, (paths, []), detectors))
    return components
