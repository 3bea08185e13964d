"""The library of experiments."""
