"""Clients of a running testbed: instruments of several nodes by name."""

from .instruments import RemoteInstruments

__all__ = ["RemoteInstruments"]
