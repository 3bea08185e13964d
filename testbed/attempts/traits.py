"""What a real-time back-end can do, as it declares it itself; the compiler refuses what it lacks."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Traits:
    """Attributes:
    absolute_start: begins a batch at an absolute hardware time, and not at all if it comes too late.
    herald_in_loop: hears of a herald while the batch runs, in hardware.
    branching: leaves the attempt loop, or keeps a qubit out of it, when it hears of a herald.
    records_heralds: matches clicks against the herald table and numbers what it finds.
    feedforward_in: applies a correction that reaches it while the batch runs, and says when.
    resolution_ps: period and pulses of a program must be multiples of this, ps.
    """

    absolute_start: bool
    herald_in_loop: bool
    branching: bool
    records_heralds: bool
    feedforward_in: bool
    resolution_ps: int = 1

    @classmethod
    def flags(cls) -> tuple[str, ...]:
        """Return the names of the traits that a back-end has or lacks."""
        return tuple(field.name for field in fields(cls) if field.name != "resolution_ps")
