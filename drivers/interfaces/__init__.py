"""The common interface of all drivers: ``Instrument``, declared ``Setting`` and ``Reading``, and the capabilities."""

from ...testbed.attempts.traits import Traits
from .attempts import (
    Applied,
    AttemptController,
    BatchReport,
    Held,
    HeraldRecord,
    Outcome,
    PulseGenerator,
    QuantumMemory,
    Refused,
)
from .capabilities import (
    ClockMap,
    Counted,
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

CAPABILITIES = (
    Laser,
    TemperatureController,
    Rotator,
    PhotonDetector,
    TimeTagger,
    TagStreamer,
    PairSource,
    AttemptController,
    QuantumMemory,
    PulseGenerator,
)

__all__ = [
    "CAPABILITIES",
    "Applied",
    "AttemptController",
    "BatchReport",
    "ClockMap",
    "Counted",
    "Held",
    "HeraldRecord",
    "Identity",
    "Instrument",
    "Laser",
    "Outcome",
    "PairSource",
    "PhotonDetector",
    "PulseGenerator",
    "QuantumMemory",
    "Reading",
    "Recording",
    "Refused",
    "Rotator",
    "Setting",
    "TagBlock",
    "TagStreamer",
    "TemperatureController",
    "TimeTagger",
    "Traits",
    "is_exactly",
]
