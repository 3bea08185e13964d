"""From a crystal's output port to detectors: what each element on the way does to a photon, at a given time.

A path is worked out once from the wiring; ``arrive`` then evaluates it for the present angles, biases and losses.
Every detector behind an arm is described by its effect (the 2x2 POVM element with all losses and the detector's
efficiency in it), its delay, and how much dispersion shifts a photon per hertz of spectral offset.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...physics.polarisation import half_wave_plate, quarter_wave_plate, random_unitary
from ...testbed.models import AttenuatorOptic, DetectorModel, FibreOptic, RotatorModel, SplitterOptic
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring
from ..lab.lab import Lab

SPEED_OF_LIGHT = 299_792_458.0
Matrix = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Exit:
    """One detector channel at the end of a path: its port and the (part, output port) steps that lead there."""

    port: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Arrival:
    """What a path does at one time.

    Attributes:
        effect: complex128[2, 2], probability operator of a click for a photon that left the crystal.
        extra_rate: clicks per second that come from elsewhere: background light and dark counts, Hz.
        delay_ps: time of flight, ps.
        spread_ps_per_hz: shift of the arrival per hertz the photon's frequency lies above the arm's centre.
    """

    effect: Matrix
    extra_rate: float
    delay_ps: float
    spread_ps_per_hz: float


def find_exits(wiring: Wiring, start: str) -> list[Exit]:
    """Return every detector that light from port ``start`` can reach."""
    exits: list[Exit] = []
    pending: list[tuple[str | None, tuple[tuple[str, str], ...]]] = [(wiring.next(start), ())]
    while pending:
        port, steps = pending.pop(0)
        if port is None:
            continue  # the light leaves the testbed here
        part, *rest = _split(port)
        if rest and rest[0].isdigit():
            exits.append(Exit(port, steps))
            continue
        outputs = [f"{part}.{name}" for name in ("transmitted", "reflected")]
        if wiring.next(outputs[0]) or wiring.next(outputs[1]):
            pending += [(wiring.next(output), (*steps, (part, output.rpartition(".")[2]))) for output in outputs]
        else:
            pending.append((wiring.next(part), (*steps, (part, ""))))
    return exits


def _split(port: str) -> list[str]:
    """Return ``["node.part"]`` or ``["node.part", "port"]``."""
    words = port.split(".")
    return [".".join(words[:2]), *words[2:]]


class Detectors:
    """Looks up what a detector channel does at a time, from its twin's bias."""

    def __init__(self, lab: Lab, testbed: Testbed) -> None:
        self.lab, self.instruments = lab, testbed.instruments()

    def model(self, port: str) -> DetectorModel:
        found = self.instruments[port.rpartition(".")[0]].model
        assert isinstance(found, DetectorModel)
        return found

    def response(self, port: str, time_ps: int) -> tuple[float, float]:
        """Return (efficiency, dark count rate in Hz) of one channel.

        Below the plateau the efficiency falls linearly to zero at half the plateau current; above the switching
        current the wire has latched and counts nothing.
        """
        name, _, channel = port.rpartition(".")
        twin: Any = self.lab.twins[name]
        model, bias = self.model(port), abs(twin.bias[int(channel) - 1].at(time_ps))
        if not twin.enabled.at(time_ps) or bias >= model.switching_current:
            return 0.0, 0.0
        share = min(1.0, max(0.0, 2.0 * bias / model.plateau_current - 1.0)) if model.plateau_current else 1.0
        return model.efficiency * share, model.dark_rate * share


class Path:
    """The path to one detector, evaluated at any time."""

    def __init__(self, lab: Lab, testbed: Testbed, detectors: Detectors, exit_: Exit, wavelength: float) -> None:
        self.exit, self._detectors, self._wavelength = exit_, detectors, wavelength
        self._lab, self._parts = lab, {**testbed.optics(), **{n: e.model for n, e in testbed.instruments().items()}}

    def arrive(self, time_ps: int) -> Arrival:
        """Evaluate the path at a lab time."""
        amplitude: Matrix = np.eye(2, dtype=complex)
        transmission, delay_ps, spread = 1.0, 0.0, 0.0
        background: list[tuple[float, Matrix]] = []  # rate, and the amplitude operator from where it enters
        for part, output in self.exit.steps:
            model = self._parts[part]
            step = self._operator(part, model, output, time_ps)
            amplitude = step @ amplitude
            background = [(rate * _loss(model), step @ seen) for rate, seen in background]
            transmission *= _loss(model)
            if isinstance(model, FibreOptic):
                delay_ps += model.length * model.group_index / SPEED_OF_LIGHT * 1e12
                spread += _dispersion_ps_per_hz(model, self._wavelength)
                if model.background:
                    background.append((model.background, np.eye(2, dtype=complex)))
        efficiency, dark_rate = self._detectors.response(self.exit.port, time_ps)
        effect = transmission * efficiency * amplitude.conj().T @ amplitude
        light = sum(rate * efficiency * float(np.trace(seen.conj().T @ seen).real) / 2 for rate, seen in background)
        return Arrival(effect, light + dark_rate, delay_ps, spread)

    def _operator(self, part: str, model: Any, output: str, time_ps: int) -> Matrix:
        if isinstance(model, RotatorModel):
            angle = self._lab.twins[part].angle.at(time_ps) - model.zero  # type: ignore[attr-defined]
            plates = {"half_wave_plate": half_wave_plate, "quarter_wave_plate": quarter_wave_plate}
            return plates[model.element](angle) if model.element in plates else np.eye(2, dtype=complex)
        if isinstance(model, SplitterOptic):
            leak = 10 ** (-model.extinction / 10)
            good, bad = np.sqrt(1 - leak), np.sqrt(leak)
            return np.diag([good, bad] if output == "transmitted" else [bad, good]).astype(complex)
        if isinstance(model, FibreOptic) and model.polarisation == "rotated":
            return random_unitary(self._lab.rng(f"fibre {part}"))
        return np.eye(2, dtype=complex)


def _loss(model: Any) -> float:
    if isinstance(model, FibreOptic):
        return float(10 ** (-(model.loss * model.length + model.insertion_loss) / 10))
    if isinstance(model, AttenuatorOptic):
        return float(10 ** (-model.loss / 10))
    return 1.0


def _dispersion_ps_per_hz(fibre: FibreOptic, wavelength: float) -> float:
    """Return the delay per hertz above the centre: a higher frequency comes earlier at D > 0."""
    dispersion = fibre.dispersion + fibre.dispersion_slope * (wavelength - 1550e-9)
    return -dispersion * fibre.length * wavelength**2 / SPEED_OF_LIGHT * 1e12
