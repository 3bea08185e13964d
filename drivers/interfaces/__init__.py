"""The common interface of all drivers: ``Instrument``, declared ``Setting`` and ``Reading``, and the capabilities."""

from .capabilities import (
    ClockMap,
    Laser,
    PairSource,
    PhotonDetector,
    Recording,
    Rotator,
    TagBlock,
    TagStreamer,
    TemperatureController,
    TimeTagger,
)
from .instrument import Identity, Instrument
from .settings import Reading, Setting, is_exactly

CAPABILITIES = (Laser, TemperatureController, Rotator, PhotonDetector, TimeTagger, TagStreamer, PairSource)

__all__ = [
    "CAPABILITIES",
    "ClockMap",
    "Identity",
    "Instrument",
    "Laser",
    "PairSource",
    "PhotonDetector",
    "Reading",
    "Recording",
    "Rotator",
    "Setting",
    "TagBlock",
    "TagStreamer",
    "TemperatureController",
    "TimeTagger",
    "is_exactly",
]
