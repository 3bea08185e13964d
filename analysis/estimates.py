"""A number with its uncertainty, or no number and the reason why. No fitting here, and no propagation of errors."""

import math
from dataclasses import asdict, dataclass
from typing import Any

ZERO_COUNTS_ERROR = -math.log(1 - 0.841345)
"""1.841: the mean at which a Poisson process shows no count with the probability 15.9 % left above +1 sigma."""


@dataclass(frozen=True)
class Estimate:
    """One result.

    Attributes:
        value: the number, or None where there is none.
        error: its standard deviation, or None.
        unit: of both; empty for pure numbers.
        reason: why a value or error is missing.
    """

    value: float | None
    error: float | None
    unit: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """``2.731 ± 0.012``, two digits of the error; ``none (reason)`` without a value."""
        if self.value is None:
            return f"none ({self.reason})" if self.reason else "none"
        if self.error is None or not 0 < self.error < math.inf:
            return f"{self.value:.6g} {self.unit}".strip()
        size = max(abs(self.value), self.error)
        exponent = math.floor(math.log10(size))
        if -3 <= exponent < 7:
            places = max(0, 1 - math.floor(math.log10(self.error)))
            return f"{self.value:.{places}f} ± {self.error:.{places}f} {self.unit}".strip()
        places = max(0, exponent + 1 - math.floor(math.log10(self.error)))
        scale = 10.0**exponent
        return (
            f"({self.value / scale:.{places}f} ± {self.error / scale:.{places}f})e{exponent:+03d} {self.unit}".strip()
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; ``Estimate(**body)`` reads them back."""
        return asdict(self)


def rate(count: int, seconds: float, unit: str = "1/s") -> Estimate:
    """Return count / seconds with the Poisson error sqrt(count) / seconds.

    No counts give 0 with the error 1.841 / seconds, the 84.1 % upper limit, for sqrt(0) would claim certainty. No live
    time gives no value. ``unit`` is only the text shown.

    Raises:
        ValueError: a negative count or time.
    """
    if count < 0 or not 0 <= seconds < math.inf:
        raise ValueError(f"{count} counts in {seconds} s; neither can be negative or infinite")
    if seconds == 0:
        return Estimate(None, None, unit, "no live time")
    return Estimate(count / seconds, (math.sqrt(count) or ZERO_COUNTS_ERROR) / seconds, unit)
