"""Latency classes, and how fast each of them is on a testbed: what was measured, not what is hoped for.

A measurement is three percentiles of one class on one link, from the herald's hardware time at the station to the
operation at the node. It is kept as JSON, times in whole picoseconds.
"""

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from ..errors import BellringerError, ProgramError
from ..models import Model
from .program import Count, Name, Ps

LatencyClass = Literal["H0", "H1", "H2", "S1", "S2"]

CLASSES: tuple[LatencyClass, ...] = ("S2", "S1", "H2", "H1", "H0")
"""From the slowest to the fastest."""

RUNS_IN: dict[LatencyClass, str] = {
    "H0": "gateware or analogue electronics",
    "H1": "gateware or a real-time core",
    "H2": "real-time cores and lines between nodes",
    "S1": "agent to agent",
    "S2": "the coordinator",
}
SOFTWARE: tuple[LatencyClass, ...] = ("S1", "S2")

PERCENTILES = {"p50_ps": 0.5, "p99_ps": 1e-2, "p999_ps": 1e-3}
"""Field of a measurement -> the share of corrections that comes later."""
_SHARES = {field: Fraction(str(share)) for field, share in PERCENTILES.items()}


class Measurement(Model):
    """One class between a station and a node, measured ``samples`` times."""

    latency_class: LatencyClass
    station: Name
    node: Name
    p50_ps: Ps
    p99_ps: Ps
    p999_ps: Ps
    samples: Count

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.p50_ps <= self.p99_ps <= self.p999_ps:
            raise ProgramError("percentiles must rise from p50 to p99.9", hint="measure again")
        return self

    @classmethod
    def of(cls, latency_class: LatencyClass, station: str, node: str, took_ps: Sequence[int], lost: int) -> Self:
        """Return the measurement of messages that took so long (ps); those that were ``lost`` count as the latest.

        A percentile is the least time that a share of all messages does not exceed.

        Raises:
            BellringerError: so many were lost that a percentile is not known, or one came before it was sent.
        """
        samples = len(took_ps) + lost
        where = f"from {station} to {node}"
        if samples == 0 or lost > PERCENTILES["p999_ps"] * samples:
            hint = "is a batch under way, or the network between them bad? measure again"
            raise BellringerError(f"{lost} of {samples} messages never came", where=where, hint=hint)
        if min(took_ps) < 0:
            raise BellringerError(
                f"a message came {-min(took_ps)} ps before it was sent",
                where=where,
                hint="the cores' clocks do not agree: see to their reference, then measure again",
            )
        rising = sorted(took_ps)
        found = {field: rising[math.ceil((1 - share) * samples) - 1] for field, share in _SHARES.items()}
        return cls(latency_class=latency_class, station=station, node=node, samples=samples, **found)

    def tail_ps(self, miss_budget: float) -> int | None:
        """Return the latency that at most a share ``miss_budget`` exceeds; None if no measured percentile says so.

        A percentile counts only if at least ten samples lay beyond it.
        """
        for field, share in PERCENTILES.items():
            if share <= miss_budget and self.samples * share >= 10:
                return int(getattr(self, field))
        return None


class MeasuredLatency(Model):
    """Everything that was measured on a testbed."""

    version: Literal[1] = 1
    testbed: str
    measured_utc: str = Field(description="when, for people")
    measurements: tuple[Measurement, ...]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        seen = [(each.latency_class, each.station, each.node) for each in self.measurements]
        for each in seen:
            if seen.count(each) > 1:
                raise ProgramError(
                    f"{each[0]} from {each[1]} to {each[2]} stands there twice", hint="keep the newer one"
                )
        return self

    def find(self, latency_class: str, station: str, node: str) -> Measurement | None:
        """Return the measurement of a class between a station and a node, None if there is none."""
        wanted = (latency_class, station, node)
        return next((m for m in self.measurements if (m.latency_class, m.station, m.node) == wanted), None)

    def with_newer(self, newer: Sequence[Measurement], measured_utc: str) -> Self:
        """Return these with newer measurements in the place of older ones of the same way and class."""
        ways = {(each.latency_class, each.station, each.node) for each in newer}
        kept = [each for each in self.measurements if (each.latency_class, each.station, each.node) not in ways]
        return type(self)(testbed=self.testbed, measured_utc=measured_utc, measurements=(*kept, *newer))

    def to_json(self) -> str:
        """Return the text of a file, readable by ``from_json``."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what a file holds.

        Raises:
            BellringerError: it holds something else; names the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise BellringerError(
                f"no measured latencies: {place}: {first['msg']}", hint="measure again and write the file anew"
            ) from None
