"""What a link should give, from the numbers in its testbed file: rates, visibilities, S.

Closed forms of the physics sheet (``physics.formulas``), worked out by other code than the bench that makes the light
of a dry run, so that agreement of the two means something. Holds for continuous-wave pairs, fibres that keep
polarisation, equal detectors at each end, and dead-time losses of a few per cent at most.
"""

import math
from dataclasses import dataclass, field

from ..physics import formulas
from .models import AttenuatorOptic, CrystalOptic, DetectorModel, FibreOptic, LaserModel, SplitterOptic
from .testbed import Link, LinkEnd, Testbed
from .units import parse
from .wiring import Wiring

CHSH_SETTINGS = ((0.0, 22.5, 1), (0.0, 67.5, -1), (45.0, 22.5, 1), (45.0, 67.5, 1))


@dataclass(frozen=True)
class EndBudget:
    """One end of a link: what becomes of its photons.

    Attributes:
        efficiency: from in-filter pair to click, both detectors together.
        extra_rate: clicks per second and detector that have no pair: dark counts and half the background.
        spread_s: FWHM of the arrival times by dispersion, signed like the arm's spectral offset.
        contrast: 1 - 2 / extinction ratio of the analyser's splitter; 1 for an ideal one.
        detector: the detectors.
    """

    efficiency: float
    extra_rate: float
    spread_s: float
    contrast: float
    detector: DetectorModel


@dataclass(frozen=True)
class Prediction:
    """Predicted figures of one link.

    Attributes:
        pair_rate: pairs per second with both photons in their filters.
        ends: budgets of the two ends.
        window_s: coincidence window, |dt| <= window.
        window_fraction: share of true coincidences inside it.
        pump_plate: angle of the pump's half-wave plate from its zero, degrees.
    """

    pair_rate: float
    ends: tuple[EndBudget, EndBudget]
    window_s: float
    window_fraction: float
    pump_plate: float
    remarks: tuple[str, ...] = field(default=())

    def counts(self, angle_a: float, angle_b: float) -> list[tuple[int, int, float, float, float]]:
        """Return (i, j, coincidences, accidentals, singles of i) per detector pair, 1/s; +1 transmitted, -1 reflected.

        Coincidences are the true ones inside the window; both carry the dead-time factor 1 - (S_i + S_j - C_ij) tau.
        """
        coherence, imbalance = math.sin(math.radians(4 * self.pump_plate)), math.cos(math.radians(4 * self.pump_plate))
        a, b = self.ends
        cos_a, sin_a = (a.contrast * f(math.radians(2 * angle_a)) for f in (math.cos, math.sin))
        cos_b, sin_b = (b.contrast * f(math.radians(2 * angle_b)) for f in (math.cos, math.sin))
        both = cos_a * cos_b + coherence * sin_a * sin_b
        rows = []
        for i in (1, -1):
            for j in (1, -1):
                share = (1 + i * imbalance * cos_a + j * imbalance * cos_b + i * j * both) / 4
                detected = self.pair_rate * a.efficiency * b.efficiency * share
                singles_a = self.pair_rate * a.efficiency * (1 + i * imbalance * cos_a) / 2 + a.extra_rate
                singles_b = self.pair_rate * b.efficiency * (1 + j * imbalance * cos_b) / 2 + b.extra_rate
                dead = 1 - (
                    singles_a * a.detector.dead_time
                    + singles_b * b.detector.dead_time
                    - detected * max(a.detector.dead_time, b.detector.dead_time)
                )
                accidentals = formulas.accidental_rate(singles_a, singles_b, self.window_s)
                rows.append((i, j, detected * self.window_fraction * dead, accidentals * dead, singles_a))
        return rows

    def correlation(self, angle_a: float, angle_b: float) -> float:
        """Return the raw correlation E at two analyser angles (degrees of polarisation)."""
        rows = self.counts(angle_a, angle_b)
        total = sum(c + x for _, _, c, x, _ in rows)
        return sum(i * j * (c + x) for i, j, c, x, _ in rows) / total if total else 0.0

    def results(self) -> dict[str, float]:
        """Return the predicted value of each result of the ``chsh`` sequence that has one."""
        matched = self.counts(0.0, 0.0) + self.counts(45.0, 45.0)
        return {
            "S": sum(sign * self.correlation(a, b) for a, b, sign in CHSH_SETTINGS),
            "visibility_HV": abs(self.correlation(0.0, 0.0)),
            "visibility_DA": abs(self.correlation(45.0, 45.0)),
            "coincidence_rate": sum(c + x for _, _, c, x, _ in matched) / 2,
            "accidental_rate": sum(x for _, _, _, x, _ in matched) / 2,
        }

    def text(self) -> str:
        """Return how the prediction came about, for a report."""
        a, b = self.ends
        lines = [
            f"{self.pair_rate:.4g} pairs/s in filter; efficiencies {a.efficiency:.4f} and {b.efficiency:.4f}; "
            f"{100 * self.window_fraction:.2f} % of coincidences inside the window of ±{self.window_s * 1e12:.0f} ps",
            *self.remarks,
        ]
        return "\n".join(lines)


def predict(testbed: Testbed, link: Link) -> Prediction | None:
    """Return the prediction for a link, or None if the file describes too little of it."""
    wiring, parts = Wiring(testbed), testbed.optics()
    paths = [_upstream(wiring, end) for end in link.ends.values()]
    crystals = {
        port.rpartition(".")[0]
        for path in paths
        for port in path
        if isinstance(parts.get(port.rpartition(".")[0]), CrystalOptic)
    }
    if len(crystals) != 1:
        return None
    crystal: CrystalOptic = parts[crystals.pop()]
    budgets = [_budget(testbed, crystal, path) for path in paths]
    if budgets[0] is None or budgets[1] is None:
        return None
    a, b = budgets[0], budgets[1]
    # One spectral offset per pair, opposite in the arms: the two spreads add before jitter does, in quadrature.
    spread = formulas.sigma_from_fwhm(abs(a.spread_s - b.spread_s))
    jitter = [formulas.sigma_from_fwhm(end.detector.jitter) for end in (a, b)]
    fraction = formulas.window_fraction(link.coincidence_window, math.hypot(spread, *jitter))
    rotated = any(
        isinstance(parts.get(port), FibreOptic) and parts[port].polarisation == "rotated"
        for path in paths
        for port in path
    )
    remarks = (
        ("a fibre rotates polarisation: visibilities and S are predicted for a compensated one",) if rotated else ()
    )
    plate = testbed.instruments()[crystal.pump_plate]
    zero = getattr(plate.model, "zero", 0.0)
    angle = parse(plate.settings.get("angle", "0 deg"), "deg") - zero
    return Prediction(_pair_rate(testbed, crystal), (a, b), link.coincidence_window, fraction, angle, remarks)


def _pair_rate(testbed: Testbed, crystal: CrystalOptic) -> float:
    instruments = testbed.instruments()
    pump, oven = instruments[crystal.pump], instruments[crystal.oven]
    power = parse(pump.settings.get("power", "0 W"), "W")
    if isinstance(pump.model, LaserModel):
        power = min(power, pump.model.max_power)
    temperature = parse(oven.settings.get("temperature_setpoint", f"{crystal.phase_matching_temperature} degC"), "degC")
    return (
        crystal.brightness
        * power
        * formulas.phase_matching(temperature, crystal.phase_matching_temperature, crystal.temperature_acceptance)
    )


def _upstream(wiring: Wiring, end: LinkEnd) -> list[str]:
    """Return the ports between a link end's transmitted tagger input and the crystal, nearest the tagger first."""
    path, port = [], wiring.upstream(f"{end.tagger}.{end.transmitted}")
    while port is not None and port not in path:
        path.append(port)
        port = wiring.upstream(port) or (wiring.upstream(port.rpartition(".")[0]) if port.count(".") > 1 else None)
    return path


def _budget(testbed: Testbed, crystal: CrystalOptic, path: list[str]) -> EndBudget | None:
    parts = {**testbed.optics(), **{name: entry.model for name, entry in testbed.instruments().items()}}
    found = [parts.get(port) or parts.get(port.rpartition(".")[0]) for port in path]
    detector = next((part for part in found if isinstance(part, DetectorModel)), None)
    if detector is None:
        return None
    transmission, spread, background = 1.0, 0.0, 0.0
    signal = any(port.endswith(".signal") for port in path)
    wavelength = crystal.signal_wavelength if signal else crystal.idler_wavelength
    bandwidth = formulas.bandwidth_in_metres(crystal.filter_bandwidth, wavelength) * (1 if signal else -1)
    contrast = math.prod(1 - 2 * 10 ** (-part.extinction / 10) for part in found if isinstance(part, SplitterOptic))
    for part in reversed(found):  # from the crystal on, so that background meets only what comes after it
        if isinstance(part, AttenuatorOptic):
            loss = 10 ** (-part.loss / 10)
        elif isinstance(part, FibreOptic):
            loss = formulas.fibre_transmission(part.length, part.loss) * 10 ** (-part.insertion_loss / 10)
            spread += (part.dispersion + part.dispersion_slope * (wavelength - 1550e-9)) * part.length * bandwidth
        else:
            continue
        transmission, background = transmission * loss, background * loss
        background += part.background if isinstance(part, FibreOptic) else 0.0
    return EndBudget(
        transmission * detector.efficiency,
        background * detector.efficiency / 2 + detector.dark_rate,
        spread,
        contrast,
        detector,
    )
