"""What the instruments and optics of a lab physically are: the ``model:`` and ``optics:`` blocks of a testbed file.

A simulated lab builds its bench from these, and predictions of rates and visibilities come from them. On real
hardware they are the lab's own numbers about itself. Floats are SI unless the field's unit says otherwise.
"""

from typing import Annotated, Literal

from pydantic import Field

from .memory_models import HeraldingStationOptic, SpinQubitModel
from .model_base import CoreModel as CoreModel
from .model_base import Model as Model
from .units import quantity


class LaserModel(Model):
    """A continuous-wave laser."""

    kind: Literal["laser"]
    wavelength: Annotated[float, quantity("m", minimum=2e-7, maximum=2e-5, example="785 nm")]
    linewidth: Annotated[float, quantity("Hz", minimum=0, example="1 MHz")] = 1e6
    max_power: Annotated[float, quantity("W", minimum=0, example="100 mW")] = 0.1
    warm_up: Annotated[float, quantity("s", minimum=0, example="120 s")] = 0.0


class OvenModel(Model):
    """A crystal oven: first-order lag towards the setpoint."""

    kind: Literal["oven"]
    time_constant: Annotated[float, quantity("s", minimum=0.1, example="60 s")] = 60.0
    ambient: Annotated[float, quantity("degC", example="22 degC")] = 22.0


class RotatorModel(Model):
    """A rotation mount with a wave plate in it."""

    kind: Literal["rotator"]
    element: Literal["half_wave_plate", "quarter_wave_plate", "none"] = "half_wave_plate"
    speed: Annotated[float, quantity("deg/s", minimum=0.1, example="430 deg/s")] = 430.0
    zero: Annotated[float, quantity("deg", example="0 deg")] = 0.0
    """Mount angle at which the plate's fast axis is horizontal."""


class DetectorModel(Model):
    """Superconducting nanowire detectors, all channels equal."""

    kind: Literal["snspd"]
    channels: int = Field(default=4, ge=1, le=64)
    efficiency: Annotated[float, quantity("", minimum=0, maximum=1, example="0.85")] = 0.85
    dark_rate: Annotated[float, quantity("Hz", minimum=0, example="100 Hz")] = 100.0
    jitter: Annotated[float, quantity("s", minimum=0, example="50 ps")] = 50e-12
    """FWHM of the Gaussian timing jitter of one channel, tagger included."""
    dead_time: Annotated[float, quantity("s", minimum=0, example="30 ns")] = 30e-9
    plateau_current: Annotated[float, quantity("A", minimum=0, example="15 uA")] = 15e-6
    """Bias above which the efficiency is saturated at ``efficiency``."""
    switching_current: Annotated[float, quantity("A", minimum=0, example="30 uA")] = 30e-6
    """Bias above which the wire latches and counts nothing."""


class TaggerModel(Model):
    """A free-running time tagger."""

    kind: Literal["time_tagger"]
    frequency_error: Annotated[float, quantity("", minimum=-1e-3, maximum=1e-3, example="0.4 ppm")] = 0.0
    start_latency: Annotated[float, quantity("s", minimum=0, example="2 ms")] = 2e-3
    """Mean time from the start command to the recording's zero; every recording differs by up to half of it."""


class AttemptCoreModel(CoreModel):
    """A real-time core that runs entanglement attempts, at a node or at a heralding station."""

    kind: Literal["attempt_core"]
    slots: int = Field(default=1, ge=0, le=1024)
    """Memory slots of a node; 0 for a station, which has clicks instead."""


class PulseStreamerModel(Model):
    """A digital pattern generator started by an external trigger."""

    kind: Literal["pulse_streamer"]
    trigger_rate: Annotated[float, quantity("Hz", minimum=0, example="1 Hz")] = 1.0
    """What its trigger input is connected to; 0 for nothing."""


InstrumentModel = Annotated[
    LaserModel
    | OvenModel
    | RotatorModel
    | DetectorModel
    | TaggerModel
    | AttemptCoreModel
    | PulseStreamerModel
    | SpinQubitModel,
    Field(discriminator="kind"),
]


class CrystalOptic(Model):
    """A nonlinear crystal that turns pump photons into polarisation-entangled pairs."""

    kind: Literal["spdc_crystal"]
    brightness: Annotated[float, quantity("pair/s/W", minimum=0, example="1e5 pairs/s/mW")]
    """Pairs with both photons inside their filters, per second and watt of pump at perfect phase matching."""
    signal_wavelength: Annotated[float, quantity("m", minimum=2e-7, maximum=2e-5, example="1565 nm")]
    idler_wavelength: Annotated[float, quantity("m", minimum=2e-7, maximum=2e-5, example="1575.03 nm")]
    filter_bandwidth: Annotated[float, quantity("Hz", minimum=1e6, example="100 GHz")]
    """FWHM of the Gaussian spectrum of the pairs behind the filters."""
    phase_matching_temperature: Annotated[float, quantity("degC", example="45 degC")]
    temperature_acceptance: Annotated[float, quantity("K", minimum=1e-3, example="4 K")]
    """FWHM of the sinc² phase-matching curve in temperature."""
    pump: str
    """The pump laser, ``node.instrument``."""
    oven: str
    """The oven the crystal sits in, ``node.instrument``."""
    pump_plate: str
    """The rotator with the half-wave plate in the pump, ``node.instrument``: pair state cos 2a |HH> + sin 2a |VV>."""


class FibreOptic(Model):
    """A length of fibre, or any piece with loss, delay and dispersion."""

    kind: Literal["fibre"]
    length: Annotated[float, quantity("m", minimum=0, example="10 km")]
    loss: Annotated[float, quantity("dB/m", minimum=0, example="0.2 dB/km")] = 0.0002
    insertion_loss: Annotated[float, quantity("dB", minimum=0, example="1.5 dB")] = 0.0
    """Everything lost besides length: coupling, filters, connectors."""
    group_index: Annotated[float, quantity("", minimum=1, maximum=4, example="1.468")] = 1.468
    dispersion: Annotated[float, quantity("s/m**2", example="17 ps/(nm km)")] = 0.0
    """At 1550 nm."""
    dispersion_slope: Annotated[float, quantity("s/m**3", example="0.058 ps/(nm^2 km)")] = 0.0
    polarisation: Literal["kept", "rotated"]
    """``kept``: the state comes out as it went in. ``rotated``: a fixed random rotation, drawn from the lab's seed."""
    background: Annotated[float, quantity("Hz", minimum=0, example="1 kHz")] = 0.0
    """Unpolarised photons per second that come out of the far end besides the pairs."""


class SplitterOptic(Model):
    """A polarising beam splitter: H is transmitted, V reflected."""

    kind: Literal["polarising_splitter"]
    extinction: Annotated[float, quantity("dB", minimum=10, example="30 dB")] = 200.0
    """Suppression of the wrong polarisation in each output."""


class AttenuatorOptic(Model):
    """A fixed loss."""

    kind: Literal["attenuator"]
    loss: Annotated[float, quantity("dB", minimum=0, example="3 dB")]


Optic = Annotated[
    CrystalOptic | FibreOptic | SplitterOptic | AttenuatorOptic | HeraldingStationOptic, Field(discriminator="kind")
]
