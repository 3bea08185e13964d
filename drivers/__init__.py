"""Instrument drivers. ``open_instrument`` opens one by driver name and resource string."""

from .registry import driver_class, names, open_instrument

__all__ = ["driver_class", "names", "open_instrument"]
