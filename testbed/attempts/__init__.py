"""Attempt programs: what a batch of attempts does, how one is made, and what a back-end must be able to do."""

from .program import AttemptProgram, Calibration, Correction, Herald, Pulse, Readout, Stop, Window
from .reading import from_json, program

__all__ = [
    "AttemptProgram",
    "Calibration",
    "Correction",
    "Herald",
    "Pulse",
    "Readout",
    "Stop",
    "Window",
    "from_json",
    "program",
]
