"""What all blocks of a testbed file have in common."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base: unknown keys are refused, nothing is silently turned into another type, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
