"""Which clicks announce which Bell state.

Two detectors behind a 50:50 beam splitter in every scheme. Qubits: single-click: |1> is bright; time-bin schemes
(two-click, photon pairs, serial): |0> belongs to the early photon, |1> to the late one. Signs hold for interferometers
whose phase is calibrated to zero; a constant phase is a local rotation and belongs into the corrections.

- single_click (Cabrillo et al., PRA 59, 1025 (1999)): one click; the port tells the sign of psi.
- two_click (Barrett and Kok, PRA 71, 060310 (2005)): one click in each window, the spins flipped in between; the same
  detector twice is psi+, different ones psi-.
- spdc_bsm (Lutkenhaus, Calsamiglia, Suominen, PRA 59, 3295 (1999)): time-bin photons of two pairs, half of the Bell
  states are seen; the table is that of two_click.
- serial (Knaut et al., Nature 629, 573 (2024)): one time-bin photon visits both nodes and is measured in the
  superposition of its bins; the port tells the sign of phi.
"""

from collections.abc import Sequence

from .program import Herald, Label, Scheme

WINDOWS: dict[Scheme, tuple[str, ...]] = {
    "single_click": ("click",),
    "two_click": ("early", "late"),
    "spdc_bsm": ("early", "late"),
    "serial": ("middle",),
}
"""The names of the windows of each scheme, in the order of time."""

_SIGNS: dict[Scheme, tuple[Label, Label]] = {"single_click": ("psi+", "psi-"), "serial": ("phi+", "phi-")}


def herald_table(scheme: Scheme, detectors: Sequence[str]) -> tuple[Herald, ...]:
    """Return the herald table of a scheme for its two detectors."""
    first, second = detectors
    if scheme in _SIGNS:
        (window,) = WINDOWS[scheme]
        plus, minus = _SIGNS[scheme]
        return (
            Herald(clicks=((first, window),), label=plus),
            Herald(clicks=((second, window),), label=minus),
        )
    early, late = WINDOWS[scheme]
    return tuple(
        Herald(clicks=((a, early), (b, late)), label="psi+" if a == b else "psi-") for a in detectors for b in detectors
    )
