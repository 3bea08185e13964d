"""What decides the outcome of one attempt: the physical numbers of two nodes and the station between them."""

from dataclasses import dataclass
from typing import Literal

Pair = tuple[float, float]
Scheme = Literal["single_click", "two_click", "spdc_bsm", "serial"]

WINDOWS = {"single_click": 1, "two_click": 2, "spdc_bsm": 2, "serial": 1}
"""Windows of a scheme: one click, or one in an early and one in a late window."""


@dataclass(frozen=True)
class HeraldOptics:
    """Two nodes whose photons meet on a 50/50 splitter in front of two detectors; for one attempt, all else fixed.

    Attributes:
        scheme: how a herald comes about.
        efficiency: [window][node], from emission to click inside the window. ``serial``: from node A to B, and from B
            to the click.
        dark: [window][detector], probability of a dark click.
        detectors: efficiency of each detector, a factor to ``efficiency``.
        bright: population alpha of |1> of each node's spin (``single_click``).
        mean_photons: mean pairs per attempt of each node's source (``spdc_bsm``), or photons in the pulse at node A
            (``serial``, the first number).
        visibility: V, squared overlap of what interferes: both nodes' photons, or both bins of a ``serial`` pulse.
        phase_noise_rad: standard deviation of the Gaussian optical phase, constant within an attempt.
        spin_photon_fidelity: of each node's spin and photon to their Bell state; what misses is white noise.
        resolving: whether detectors tell two photons in a window from one. Not for the light of sources (``spdc_bsm``,
            ``serial``).
    """

    scheme: Scheme
    efficiency: tuple[Pair, ...]
    dark: tuple[Pair, ...]
    detectors: Pair = (1.0, 1.0)
    bright: Pair = (0.5, 0.5)
    mean_photons: Pair = (0.0, 0.0)
    visibility: float = 1.0
    phase_noise_rad: float = 0.0
    spin_photon_fidelity: Pair = (1.0, 1.0)
    resolving: bool = False

    def __post_init__(self) -> None:
        pairs = (*self.efficiency, *self.dark, self.bright, self.detectors)
        if not all(0 <= share <= 1 for share in (self.visibility, *(each for pair in pairs for each in pair))):
            raise ValueError(f"efficiencies, dark probabilities, bright and visibility lie between 0 and 1: {self}")
        if len(self.efficiency) != WINDOWS[self.scheme] or len(self.dark) != WINDOWS[self.scheme]:
            raise ValueError(f"{self.scheme} has {WINDOWS[self.scheme]} windows; efficiency and dark have one row each")
        if not (self.phase_noise_rad >= 0 and min(self.mean_photons) >= 0):
            raise ValueError(f"phase noise and mean photons are not negative: {self}")
        if self.resolving and self.scheme in ("spdc_bsm", "serial"):
            raise ValueError(f"detectors of '{self.scheme}' do not resolve photon numbers here")
