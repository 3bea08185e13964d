"""A core's hardware time on its host: what its clock shows now, without asking it."""

from .terms import PS_PER_S


class CoreTime:
    """The map from a host's monotonic clock (``wire.nonces.elapsed_s``) to a core's hardware time.

    Every look at the core bounds their difference from both sides: it was answered between asking and hearing. The map
    follows by no more than what the bounds enforce, so that a slow answer moves nothing and a step of the core's clock
    shows as one.
    """

    def __init__(self) -> None:
        self.offset_ps = 0
        self.known_s = float("-inf")
        """When the core was last looked at."""

    def looked(self, asked_s: float, hw_ps: int, heard_s: float) -> None:
        """Take in that the core showed ``hw_ps`` at some time between asking and hearing."""
        low, high = hw_ps - round(heard_s * PS_PER_S), hw_ps - round(asked_s * PS_PER_S)
        first = self.known_s == float("-inf")
        self.offset_ps = (low + high) // 2 if first else min(max(self.offset_ps, low), high)
        self.known_s = heard_s

    def now_ps(self, mono_s: float) -> int:
        """Return the core's hardware time at ``mono_s`` of the host's clock."""
        return self.offset_ps + round(mono_s * PS_PER_S)
