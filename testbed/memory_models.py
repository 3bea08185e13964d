"""What memory nodes and heralding stations physically are: their ``model:``, ``optics:`` and ``memory_links:`` blocks.

Like ``models``: a simulated lab is built from these and predictions come from them.
"""

from typing import Annotated, Literal

from pydantic import Field

from .model_base import CoreModel, Model
from .units import quantity


class SpinQubitModel(CoreModel):
    """Spin qubits with an optical interface, and the real-time core that drives them."""

    kind: Literal["spin_qubit"]
    slots: int = Field(default=1, ge=1, le=1024)
    """Qubits that can be stored at a time."""
    t1: Annotated[float, quantity("s", minimum=1e-9, example="1 h")] = 3600.0
    """|1> relaxes to |0> as e^(-t/T1)."""
    t2: Annotated[float, quantity("s", minimum=1e-9, example="10 ms")]
    """Coherence falls as exp(-(t/T2)^n), besides what T1 takes."""
    stretch: Annotated[float, quantity("", minimum=0.1, maximum=8, example="1")] = 1.0
    """The exponent n of T2, counted from the qubit's preparation."""
    attempts_per_e: Annotated[float, quantity("", minimum=0, example="1800")] = 0.0
    """Attempts of its own node after which a stored qubit has 1/e of its coherence; 0: attempts do not disturb it."""
    emission: Annotated[float, quantity("", minimum=0, maximum=1, example="0.1")]
    """Probability that an emitted photon gets into the fibre, converters included."""
    lifetime: Annotated[float, quantity("s", minimum=1e-12, example="12 ns")]
    """1/e length of the emitted photon."""
    spin_photon_fidelity: Annotated[float, quantity("", minimum=0.25, maximum=1, example="1")] = 1.0
    """Fidelity of spin and photon to their Bell state; what misses is white noise."""
    gate_fidelity: Annotated[float, quantity("", minimum=0.5, maximum=1, example="0.999")] = 1.0
    """Average fidelity of a gate on one qubit."""
    two_qubit_fidelity: Annotated[float, quantity("", minimum=0.25, maximum=1, example="0.98")] = 1.0
    """Average fidelity of a gate on two qubits of the node."""
    readout_fidelity_0: Annotated[float, quantity("", minimum=0.5, maximum=1, example="0.95")] = 1.0
    """Probability of reading 0 where the qubit is |0>."""
    readout_fidelity_1: Annotated[float, quantity("", minimum=0.5, maximum=1, example="0.99")] = 1.0
    """Probability of reading 1 where the qubit is |1>."""


class HeraldingStationOptic(Model):
    """A 50/50 splitter where photons of two nodes meet: inputs a and b, outputs 1 and 2."""

    kind: Literal["heralding_station"]
    visibility: Annotated[float, quantity("", minimum=0, maximum=1, example="0.9")] = 1.0
    """Two-photon interference visibility: the squared overlap of the photons."""
    phase_noise: Annotated[float, quantity("deg", minimum=0, example="15 deg")] = 0.0
    """Standard deviation of the optical phase between the arms from attempt to attempt."""
    loss: Annotated[float, quantity("dB", minimum=0, example="1 dB")] = 0.0
    """Of the splitter, its filters and the way to the detectors."""


class Suspension(Model):
    """What stops arming on a memory link at once, besides interlocks, faults and clocks, and for how long."""

    hold_off: Annotated[float, quantity("s", minimum=0, maximum=3600, example="10 s")] = Field(
        default=10.0, description="how long everything must have been well again before the link is used"
    )
    dark_counts: Annotated[float, quantity("", minimum=1, example="2")] = Field(
        default=2.0, description="so many times a detector's dark_rate are too many counts while no attempts are made"
    )
    lost_clicks: Annotated[float, quantity("", minimum=0.001, maximum=1, example="0.1")] = Field(
        default=0.1, description="largest share of a detector's clicks that its dead time may swallow"
    )


class LinkCalibration(Model):
    """How a memory link is calibrated: by pairs that both nodes measure, which nobody else gets."""

    every: Annotated[float, quantity("s", minimum=1, example="30 min")] = Field(
        description="how long a calibration holds; an idle link is calibrated anew a tenth of it before that"
    )
    pairs: int = Field(default=300, ge=60, le=100_000, description="pairs it takes, a third each in XX, YY and ZZ")
    visibility: Annotated[float, quantity("", minimum=0, maximum=1, example="0.6")] = Field(
        description="least visibility of the pairs in XX and YY, one standard deviation taken off; below it the link "
        "is suspended, and calibrated again and again until it is good"
    )


class Interleaving(Model):
    """Calibration by the cores themselves within every batch; clicks in these periods herald nothing."""

    every: int = Field(ge=1, le=2**40, description="attempts after which the cores calibrate")
    length: int = Field(ge=1, le=2**40, description="periods that takes")


class MemoryLink(Model):
    """Two memories that share entanglement heralded by one station."""

    memories: list[str] = Field(
        min_length=2,
        max_length=2,
        description="the two memories, node.instrument; a serial photon visits them in this order",
    )
    station: str = Field(description="core of the heralding station, node.instrument: an attempt_core without slots")
    scheme: Literal["single_click", "two_click", "spdc_bsm", "serial"] = Field(description="how a herald comes about")
    bright_state: Annotated[float, quantity("", minimum=0, maximum=1, example="0.05")] = Field(
        default=0.05, description="single_click: population alpha of the bright state"
    )
    mean_photons: Annotated[float, quantity("", minimum=0, maximum=1, example="0.01")] = Field(
        default=0.01, description="spdc_bsm: mean pairs of each source in an attempt; serial: mean photons of the pulse"
    )
    window: Annotated[float, quantity("s", minimum=1e-12, example="50 ns")] = Field(
        description="length of a herald window"
    )
    prepare: Annotated[float, quantity("s", minimum=1e-12, example="2 us")] = Field(
        default=2e-6, description="time to prepare the spin at the beginning of an attempt"
    )
    pulse: Annotated[float, quantity("s", minimum=1e-12, example="2 ns")] = Field(
        default=2e-9, description="length of an emission pulse"
    )
    separation: Annotated[float, quantity("s", minimum=1e-12, example="500 ns")] = Field(
        default=5e-7, description="from the early bin to the late one"
    )
    flip: Annotated[float, quantity("s", minimum=1e-12, example="100 ns")] = Field(
        default=1e-7, description="length of a spin flip between the bins"
    )
    herald_line: Literal["fibre", "none"] = Field(
        default="fibre",
        description="hardware line from the station to both nodes' cores, as long as the photons' fibres; or none",
    )
    target: Literal["phi+", "phi-", "psi+", "psi-"] = Field(
        default="psi+", description="the Bell state that corrections make of every herald"
    )
    suspend: Suspension = Field(
        default_factory=Suspension, description="what stops arming on the link, and for how long"
    )
    calibration: LinkCalibration | None = Field(
        default=None, description="when and how the coordinator calibrates it; without it, never"
    )
    interleaved: Interleaving | None = Field(default=None, description="what its cores calibrate between attempts")
