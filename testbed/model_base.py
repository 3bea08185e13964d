"""What all blocks of a testbed file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from .units import quantity


class Model(BaseModel):
    """Base: unknown keys are refused, nothing is silently turned into another type, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,  # most processes are handed entries that were validated before
    )


class CoreModel(Model):
    """What every real-time core has: a clock grid, and the time its commands take."""

    resolution: Annotated[float, quantity("s", minimum=1e-12, maximum=1e-3, example="1 ns")] = 1e-12
    """The clock its pulses lie on."""
    lead: Annotated[float, quantity("s", minimum=0, maximum=60, example="1 ms")] = 1e-3
    """Least time from arming to the start."""
    reaction: Annotated[float, quantity("s", minimum=0, maximum=1, example="20 us")] = 20e-6
    """From a command on the wire to its effect."""
