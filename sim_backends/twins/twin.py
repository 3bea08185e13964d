"""What every twin is: an instrument's far end, made of its wire protocol and its physics.

A twin is written from the protocol sheet, never from the driver, and shares no encoder with it. It parses bytes as
they come, answers as late as the real one, and refuses what the real one refuses. Its physical state is what the
optical bench looks at.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..lab.lab import Lab


class Twin:
    """Base of all twins.

    Args:
        lab: gives time, events, random numbers and ports.
        name: ``node.instrument``.
        model: the instrument's physical description from the testbed file (``testbed.models``), or None.
        options: the instrument's connection settings from the testbed file (bus address, number of detectors, ...).
    """

    driver: ClassVar[str]
    """Registered name of the driver this is the far end of."""

    def __init__(self, lab: "Lab", name: str, model: Any = None, options: dict[str, Any] | None = None) -> None:
        self.lab, self.name, self.model, self.options = lab, name, model, options or {}
        self.rng = lab.rng(name)
        self.main_port: Any = None
        lab.twins[name] = self

    @property
    def resource(self) -> str:
        """Return the resource string that reaches this twin."""
        return str(self.main_port.resource)

    def connection(self) -> dict[str, Any]:
        """Return further connection settings a client needs (other ports), by the driver's option names."""
        return {}

    def own_fault(self, kind: str) -> None:
        """Start a fault of the instrument itself (``interlock``, ``overflow``, ...)."""
        raise ValueError(f"{self.name} has no fault '{kind}'")

    def begin_at_rest(self, rest: Mapping[str, Any]) -> None:
        """Begin as it was left yesterday, with the settings under ``rest:``; most instruments begin alike anyway."""

    def inspect(self) -> dict[str, Any]:
        """Return the physical state as plain values, for tests and ``lab up``: what a look at the bench would show."""
        return {}
