"""One crystal and everything its light reaches, turned into clicks cell by cell.

Lab time is cut into cells of 10 ms on a fixed grid, each with its own random stream, so that tags depend on the seed
and on what the instruments did, never on who asked for them or how often. Inside a cell the settings are constant
unless something changes: then it is cut there, and motions are followed in five steps a cell.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from ...physics.polarisation import joint_probabilities, pair_state
from ...testbed.models import CrystalOptic
from ..lab.lab import Lab
from .light_path import Arrival, Detectors, Path
from .pairs import PairClicks, Rates

CELL_PS = 10_000_000_000
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
MOTION_STEPS = 5
TEMPERATURE_DIGITS = 4


class Component:
    """A crystal with two arms of detectors; without a crystal, detectors in the dark.

    Args:
        name: names the random stream.
        arms: paths of the signal and of the idler arm.
    """

    def __init__(
        self,
        lab: Lab,
        seed: int,
        name: str,
        crystal: CrystalOptic | None,
        arms: tuple[list[Path], list[Path]],
        detectors: Detectors,
    ) -> None:
        self.lab, self.name, self.crystal, self.arms = lab, name, crystal, arms
        self.ports = [path.exit.port for arm in arms for path in arm]
        self._key = [seed, *name.encode()]
        self._detectors = detectors
        self._clicks = PairClicks(len(self.ports))
        self._rates: dict[tuple[float, ...], tuple[Rates, npt.NDArray[np.int64]]] = {}
        self._exact, self._moving, self._creeping = self._traces()

    def cell(self, number: int) -> dict[str, npt.NDArray[np.int64]]:
        """Return the clicks (lab time, int64 ps, ascending) that a cell adds to every detector; call in order."""
        rng = np.random.Generator(np.random.SFC64([*self._key, number + 2**32]))
        start = number * CELL_PS
        edges = self._edges(start, start + CELL_PS)
        parts: list[list[npt.NDArray[np.int64]]] = []
        for low, high in itertools.pairwise(edges):
            rates, delays = self._rates_at((low + high) // 2)
            clicks = self._clicks.segment(rates, low, high - low, rng)
            parts.append([times + delay for times, delay in zip(clicks, delays)])
        return {port: np.concatenate([part[i] for part in parts]) for i, port in enumerate(self.ports)}

    def delay_range_ps(self, time_ps: int) -> tuple[int, int]:
        """Return the (shortest, longest) time of flight to a detector."""
        delays = self._rates_at(time_ps)[1]
        return int(delays.min(initial=0)), int(delays.max(initial=0))

    def _traces(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Return all traces that set rates, those of them whose motion must be followed, and slow temperatures."""
        twins: dict[str, Any] = self.lab.twins
        detectors = [twins[port.rpartition(".")[0]] for port in self.ports]
        steps = {part: twins.get(part) for arm in self.arms for path in arm for part, _ in path.exit.steps}
        moving: list[Any] = [twin.angle for twin in steps.values() if twin is not None and hasattr(twin, "angle")]
        creeping = []
        if self.crystal is not None:
            creeping = [twins[self.crystal.oven].temperature]
            moving += [twins[self.crystal.pump].power, twins[self.crystal.pump_plate].angle]
        exact = [*(trace for twin in detectors for trace in (twin.enabled, *twin.bias)), *moving]
        return list(dict.fromkeys(exact)), list(dict.fromkeys(moving)), creeping

    def _edges(self, start: int, end: int) -> list[int]:
        edges = {start, end}
        for trace in (*self._exact, *self._creeping):
            edges.update(trace.changes(start, end))
        if any(trace.moves(start, end) for trace in self._moving):
            edges.update(range(start, end, CELL_PS // MOTION_STEPS))
        return sorted(edges)

    def _rates_at(self, time_ps: int) -> tuple[Rates, npt.NDArray[np.int64]]:
        key = tuple(trace.at(time_ps) for trace in self._exact) + tuple(
            round(trace.at(time_ps), TEMPERATURE_DIGITS) for trace in self._creeping
        )
        if key not in self._rates:
            if len(self._rates) > 64:
                self._rates.clear()
            self._rates[key] = self._evaluate(time_ps)
        return self._rates[key]

    def _evaluate(self, time_ps: int) -> tuple[Rates, npt.NDArray[np.int64]]:
        arrivals = [[path.arrive(time_ps) for path in arm] for arm in self.arms]
        pairs, alone = self._thinned(arrivals, time_ps)
        extra = np.array([arrival.extra_rate for arm in arrivals for arrival in arm])
        models = [self._detectors.model(port) for port in self.ports]
        spectral_hz = self.crystal.filter_bandwidth / FWHM if self.crystal else 0.0
        # The idler's offset is the signal's with the opposite sign: energy is conserved.
        spreads = [sign * arm[0].spread_ps_per_hz * spectral_hz if arm else 0.0 for sign, arm in zip((1, -1), arrivals)]
        rates = Rates(
            pairs,
            alone + extra,
            (spreads[0], spreads[1]),
            np.array([model.jitter * 1e12 / FWHM for model in models]),
            np.array([model.dead_time * 1e12 for model in models]),
        )
        return rates, np.array([round(arrival.delay_ps) for arm in arrivals for arrival in arm], dtype=np.int64)

    def _thinned(
        self, arrivals: list[list[Arrival]], time_ps: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return rates of detected pairs (na, nb) and of photons detected without their partner (na + nb), Hz."""
        effects = [[arrival.effect for arrival in arm] for arm in arrivals]
        if self.crystal is None:
            return np.zeros((len(effects[0]), len(effects[1]))), np.zeros(len(self.ports))
        twins: dict[str, Any] = self.lab.twins
        plate = twins[self.crystal.pump_plate]
        state = pair_state(plate.angle.at(time_ps) - plate.model.zero)
        rate = self.pair_rate(time_ps)
        both = rate * joint_probabilities(state, effects[0], effects[1])
        any_a = rate * joint_probabilities(state, effects[0], [np.eye(2)]).ravel()
        any_b = rate * joint_probabilities(state, [np.eye(2)], effects[1]).ravel()
        alone = np.concatenate([any_a - both.sum(axis=1), any_b - both.sum(axis=0)])
        return np.clip(both, 0, None), np.clip(alone, 0, None)

    def pair_rate(self, time_ps: int) -> float:
        """Return generated pairs per second with both photons inside their filters."""
        assert self.crystal is not None
        twins: dict[str, Any] = self.lab.twins
        # In steps of 0.1 mK, so that an oven still creeping towards its setpoint does not make every cell a new one.
        temperature = round(twins[self.crystal.oven].temperature.at(time_ps), TEMPERATURE_DIGITS)
        detuning = temperature - self.crystal.phase_matching_temperature
        # sin(x)/x squared falls to one half at x = 1.39156, where the detuning is half the acceptance.
        matching = float(np.sinc(2 * 1.391557378 / np.pi * detuning / self.crystal.temperature_acceptance) ** 2)
        return float(self.crystal.brightness * twins[self.crystal.pump].power.at(time_ps) * matching)
