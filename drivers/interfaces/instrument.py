"""What every instrument driver is: opened, identified, described by its declarations, and made dark.

A driver is synchronous and single-threaded; one thread or process owns it. It waits only through ``self.clock`` and
its transport. ``__init__`` touches nothing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

from ...testbed.clock import Clock, WallClock
from ...testbed.errors import IdentityError, InstrumentError, ProtocolError
from .settings import Reading, Setting


@dataclass(frozen=True)
class Identity:
    """Who answered on the port."""

    maker: str
    model: str
    serial: str = ""
    firmware: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.maker, self.model, self.serial and f"serial {self.serial}") if part)


class Instrument(ABC):
    """Base of all drivers.

    Args:
        resource: where the instrument is, e.g. ``ASRL/dev/ttyUSB0::INSTR``, ``serial:///dev/ttyUSB0``,
            ``socket://192.0.2.10:5000``, ``TCPIP::192.0.2.10::5025::SOCKET``, ``zmq://192.0.2.10:5555``.
        name: what error messages call it, e.g. ``charlie.pump``.
        clock: the injected clock; real time if not given.
        limits: narrower limits by setting name, (low, high) in the setting's unit.
        serial_number: refuse to open an instrument that reports another one.
    """

    verified: ClassVar[str]
    """How the driver was verified: ``driver-source``, ``manual`` or ``hardware``."""

    model_name: ClassVar[str]
    """The instrument as its maker calls it, for people."""

    composed: ClassVar[bool] = False
    """Whether it has no port of its own and is made of other instruments of its node, its ``parts``."""

    roles: ClassVar[Mapping[str, type]] = {}
    """For a composed instrument: the parts it needs, role -> capability."""

    def __init__(
        self,
        resource: str,
        *,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        self.resource = resource
        self.name = name
        self.clock: Clock = clock or WallClock()
        self.file_limits = dict(limits or {})
        self.device_limits: dict[str, tuple[float, float]] = {}
        """Limits the unit itself reported at open, by setting name."""
        self.serial_number = serial_number
        self.identity: Identity | None = None

    # --- life -------------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Connect, identify, prepare. On any failure the port is released again.

        Raises:
            TransportError: nobody listens at ``resource``.
            IdentityError: something else, or another serial number, answers there.
        """
        try:
            self._connect()
            identity = self.identify()
            if self.serial_number and identity.serial != self.serial_number:
                raise IdentityError(
                    f"expected serial number {self.serial_number}, found {identity}",
                    where=f"{self.label} at {self.resource}",
                    hint="the ports may have been renumbered; use a /dev/serial/by-id path or correct the testbed file",
                )
            self.identity = identity
            self._prepare()
        except BaseException:
            self._disconnect()
            raise
        return self

    def close(self) -> None:
        """Make dark, leave the rest at rest, release the port. Never leaves the port open."""
        if self.identity is None:
            self._disconnect()
            return
        try:
            self.safe_state()
        finally:
            self.identity = None
            self._disconnect()

    def abandon(self) -> None:
        """Give up a connection that broke: nothing is asked of the instrument, and ``open`` makes a new one."""
        self.identity = None
        self._disconnect()

    def __enter__(self) -> Self:
        return self if self.is_open else self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        return self.identity is not None

    @property
    def label(self) -> str:
        """Return the name for messages: ``charlie.pump (Cobolt 06-01)``."""
        return f"{self.name} ({self.model_name})" if self.name else self.model_name

    # --- what a driver writes ---------------------------------------------------------------------------------

    @abstractmethod
    def _connect(self) -> None:
        """Open the transport; no command yet."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Release the transport; must not raise, may be called twice."""

    @abstractmethod
    def identify(self) -> Identity:
        """Ask who is there.

        Raises:
            IdentityError: it is not the kind of instrument this driver is for; says what was found.
        """

    def _prepare(self) -> None:  # noqa: B027 - most instruments need nothing
        """Bring the freshly opened instrument into a known state; never lights anything."""

    @abstractmethod
    def safe_state(self) -> None:
        """Block emission by the fastest means and verify it by readback; an instrument that emits nothing stops moving.

        Raises:
            InstrumentError: the readback does not confirm it.
        """

    def _ask(self, query: str) -> str:
        """Send a query declared by a ``Reading`` and return the reply's text, without terminators."""
        raise NotImplementedError(f"{type(self).__name__} declares text queries but has no _ask")

    def _tell(self, command: str) -> None:
        """Send a command declared by a ``Setting`` and take in its acknowledgement, if it has one."""
        raise NotImplementedError(f"{type(self).__name__} declares text commands but has no _tell")

    # --- declarations -----------------------------------------------------------------------------------------

    @classmethod
    def readings(cls) -> dict[str, Reading]:
        """Return all declared readings and settings by name."""
        found: dict[str, Reading] = {}
        for base in reversed(cls.__mro__):
            found.update({key: value for key, value in vars(base).items() if isinstance(value, Reading)})
        return found

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """Return the declared settings by name."""
        return {key: value for key, value in cls.readings().items() if isinstance(value, Setting)}

    @classmethod
    def emits(cls) -> bool:
        """Return whether a setting of it can raise emitted light."""
        return any(setting.emits for setting in cls.settings().values())

    def limits_of(self, setting: Setting) -> tuple[float, float, str]:
        """Return the narrowest (low, high) for a setting and who set the narrower side."""
        sources = [
            ("hardware", setting.limits),
            ("this unit", self.device_limits.get(setting.name)),
            ("testbed file", self.file_limits.get(setting.name)),
        ]
        low, high, who = -math.inf, math.inf, "no limit"
        for source, pair in sources:
            if pair is not None and (pair[0] > low or pair[1] < high):
                low, high, who = (
                    max(low, pair[0]),
                    min(high, pair[1]),
                    f"limit of the {source}" if source != "this unit" else "limit of this unit",
                )
        return low, high, who

    def snapshot(self) -> dict[str, Any]:
        """Ask the instrument for every declared reading and setting; what cannot be read is None."""
        values: dict[str, Any] = {}
        for name in self.readings():
            try:
                values[name] = getattr(self, name)
            except ProtocolError:
                values[name] = None
        return values

    def check_guards(self) -> None:
        """Ask for what guards this instrument's light, and return if all is as it must be; see ``Reading``.

        Raises:
            InstrumentError: an interlock is not closed, or something could not be read.
            LimitError: a measured output is beyond its limit.
        """
        for reading in self.readings().values():
            reading.check_guard(self)

    # --- errors -----------------------------------------------------------------------------------------------

    def error(self, what: str, hint: str = "") -> InstrumentError:
        """Return an error that names this instrument and its port."""
        return InstrumentError(what, where=f"{self.label} at {self.resource}", hint=hint)

    def protocol_error(self, command: object, reply: object, why: str) -> ProtocolError:
        """Return an error for a reply that cannot be understood."""
        return ProtocolError(
            f"{why}: {command!r} was answered with {reply!r}",
            where=f"{self.label} at {self.resource}",
            hint="check cable, baud rate and that no other program uses the port; then try again",
        )
