"""What instruments can do, in the field's nouns. Drivers implement the capabilities that fit; sequences ask for them.

Units are part of the method's docs: watts, seconds, hertz, degrees (angle), degrees Celsius, integer picoseconds.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@runtime_checkable
class Laser(Protocol):
    """A source of laser light."""

    power: float
    """Output power setpoint, W."""

    def emission_on(self) -> None:
        """Switch the light on; raises InstrumentError if the laser refuses (interlock, key switch, fault)."""

    def emission_off(self) -> None:
        """Switch the light off, verified by readback."""

    def is_emitting(self) -> bool:
        """Ask the laser whether light is on."""


@runtime_checkable
class TemperatureController(Protocol):
    """An oven or thermo-electric controller."""

    temperature_setpoint: float
    """Wanted temperature, °C."""
    temperature: float
    """Measured temperature, °C."""

    def enable(self) -> None:
        """Start regulating."""

    def disable(self) -> None:
        """Stop regulating."""

    def wait_settled(self, tolerance: float = 0.1, hold_s: float = 5.0, timeout_s: float = 1800.0) -> None:
        """Wait until the temperature stayed within ``tolerance`` (K) of the setpoint for ``hold_s`` (s)."""


@runtime_checkable
class Rotator(Protocol):
    """A motorised rotation mount, usually with a wave plate in it."""

    angle: float
    """Position, degrees; assigning moves and returns when arrived."""

    def home(self) -> None:
        """Find the reference mark; the angle is not defined before."""

    def stop(self) -> None:
        """Stop moving at once."""


@dataclass(frozen=True)
class Counted:
    """Clicks of detectors up to now; none is told twice to whoever takes differences.

    Attributes:
        live_s: how long was counted, s, since the driver began to; it only grows.
        clicks: int64[n], of every detector in that time.
        enabled: whether the detectors are biased and count now.
    """

    live_s: float
    clicks: npt.NDArray[np.int64]
    enabled: bool


@runtime_checkable
class PhotonDetector(Protocol):
    """Single-photon detectors with their electronics."""

    def channel_count(self) -> int:
        """Return the number of detectors."""

    def enable(self) -> None:
        """Bias the detectors; counts begin."""

    def disable(self) -> None:
        """Take the bias away."""

    def count_rates(self) -> list[float]:
        """Return the count rate of every detector over one measurement period, 1/s."""

    def counted(self) -> Counted:
        """Return what was counted up to now, without waiting for a measurement period; the first call begins."""


@dataclass(frozen=True)
class ClockMap:
    """Device time to hardware time: ``t_hw = offset_ps + (1 + rate) * t_device``.

    Attributes:
        offset_ps: hardware time at which device time was zero, int64 ps since the testbed's epoch.
        rate: relative frequency error of the device, dimensionless.
        uncertainty_ps: bound on the error of ``offset_ps``.
        rate_uncertainty: bound on the error of ``rate``.
        source: where it comes from: ``host clock``, ``PPS``, ``White Rabbit``, ``photons``.
        locked: whether the source is locked; a map that is not locked cannot herald.
    """

    offset_ps: int
    rate: float
    uncertainty_ps: int
    rate_uncertainty: float
    source: str
    locked: bool


@dataclass(frozen=True)
class Recording:
    """Time tags of one recording.

    Attributes:
        times_ps: int64[n], device time in ps since the recording's start, ascending.
        channels: uint8[n], the tagger's own channel numbers.
        duration_ps: how long was recorded, device time.
        clock_map: device time to hardware time.
        gaps_ps: int64[m, 2], intervals [from, to) in which tags may be missing (dead time between sub-acquisitions).
    """

    times_ps: npt.NDArray[np.int64]
    channels: npt.NDArray[np.uint8]
    duration_ps: int
    clock_map: ClockMap
    gaps_ps: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))


@dataclass(frozen=True)
class TagBlock:
    """A stretch of a continuous stream of time tags; the next block begins where this one ends.

    Attributes:
        begin_ps: where the stretch begins, device time in ps since the stream's start.
        end_ps: where it ends; equal to ``begin_ps`` if nothing has come yet.
        times_ps: int64[n], device time in ps since the stream's start, ascending.
        channels: uint8[n], the tagger's own channel numbers.
        gaps_ps: int64[m, 2], intervals [from, to) of the stretch in which tags may be missing.
    """

    begin_ps: int
    end_ps: int
    times_ps: npt.NDArray[np.int64]
    channels: npt.NDArray[np.uint8]
    gaps_ps: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))


@runtime_checkable
class TimeTagger(Protocol):
    """An instrument that stamps clicks."""

    def record(self, duration_s: float, channels: list[int], start_ps: int | None = None) -> Recording:
        """Record tags of ``channels`` for ``duration_s`` (s), from hardware time ``start_ps`` (ps) or at once.

        The recording starts as close to ``start_ps`` as the clock map allows; its own map says when it did.
        Raises OverflowDetected if the instrument lost tags: nothing is returned then.
        """

    def count_rates(self) -> dict[int, float]:
        """Return the count rate of every input, 1/s."""


@runtime_checkable
class TagStreamer(Protocol):
    """A time tagger that can send its tags continuously, for live views."""

    def start_stream(self, channels: list[int], start_ps: int | None = None) -> ClockMap:
        """Begin to stream the tags of ``channels``, from hardware time ``start_ps`` (ps) or at once.

        Nothing else can be recorded until ``stop_stream``, ``safe_state`` or ``close``.
        """

    def read_stream(self, wait_s: float) -> TagBlock:
        """Return what came since the last call, waiting at most ``wait_s`` (s) for the first of it.

        Memory is bounded, so call it at least once a second. Raises OverflowDetected if tags were lost; the stream
        has ended then, as after every error.
        """

    def stop_stream(self) -> None:
        """End the stream; what was not read is discarded. Without a stream nothing happens."""


@runtime_checkable
class PairSource(Protocol):
    """A source of entangled photon pairs, usually composed of pump, pump wave plate and crystal oven."""

    def prepare(self) -> None:
        """Bring oven, plate and pump to their settings and wait until they settled; light is on afterwards."""

    def pump_power(self) -> float:
        """Return the measured pump power, W."""

    def crystal_temperature(self) -> float:
        """Return the measured crystal temperature, °C."""

    def set_state_angle(self, angle: float) -> None:
        """Turn the pump's half-wave plate to ``angle`` (degrees): pair state cos 2a |HH> + sin 2a |VV>."""

    def dark(self) -> None:
        """Switch the pump off, verified by readback."""
