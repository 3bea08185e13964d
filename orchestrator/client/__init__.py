"""Clients of a running testbed: instruments of several nodes by name."""

from .instruments import RemoteInstruments
from .ownership import Ownership

__all__ = ["Ownership", "RemoteInstruments"]
