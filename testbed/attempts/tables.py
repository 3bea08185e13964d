"""Which clicks announce which Bell state, and what a label owes to become the wanted one.

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

from .program import Herald, Label, Operation, Scheme

WINDOWS: dict[Scheme, tuple[str, ...]] = {
    "single_click": ("click",),
    "two_click": ("early", "late"),
    "spdc_bsm": ("early", "late"),
    "serial": ("middle",),
}
"""The names of the windows of each scheme, in the order of time."""

_SIGNS: dict[Scheme, tuple[Label, Label]] = {"single_click": ("psi+", "psi-"), "serial": ("phi+", "phi-")}
_BITS: dict[Label, tuple[int, int]] = {"phi+": (0, 0), "phi-": (0, 1), "psi+": (1, 0), "psi-": (1, 1)}
_OPERATION: dict[tuple[int, int], Operation] = {(0, 0): "I", (0, 1): "Z", (1, 0): "X", (1, 1): "Y"}


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


def correction(label: Label, target: Label) -> Operation:
    """Return the Pauli operation, on either qubit alone, that turns one Bell state into another (up to a phase)."""
    (flip, sign), (wanted_flip, wanted_sign) = _BITS[label], _BITS[target]
    return _OPERATION[flip ^ wanted_flip, sign ^ wanted_sign]
