"""A source of entangled pairs composed of pump laser, pump wave plate and crystal oven of one node.

It owns no port: it brings its parts to their settings in the right order, oven first and light last, and makes the
source dark. It neither opens nor closes its parts. It does not check that pairs come out; that is a sequence's job.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from ...testbed.clock import Clock
from ...testbed.errors import BellringerError, nearest
from ..interfaces import Identity, Instrument, Laser, Reading, Rotator, Setting, TemperatureController


class ComposedPairSource(Instrument):
    """Pump, pump plate and oven as one source; capability ``PairSource``.

    Args:
        parts: role -> instrument: ``pump`` (Laser), ``pump_plate`` (Rotator), ``oven`` (TemperatureController).
    """

    verified = "driver-source"
    model_name = "pair source"
    composed = True
    roles: ClassVar[Mapping[str, type]] = {"pump": Laser, "pump_plate": Rotator, "oven": TemperatureController}

    oven_tolerance = Setting(
        lambda source: source._oven_tolerance,
        lambda source, value: setattr(source, "_oven_tolerance", value),
        unit="K",
        limits=(0.01, 10.0),
        doc="How close to its setpoint the crystal must be before the pump lights.",
    )
    settle_time = Setting(
        lambda source: source._settle_time,
        lambda source, value: setattr(source, "_settle_time", value),
        unit="s",
        limits=(0.0, 1000.0),
        doc="For how long the crystal must have stayed within oven_tolerance.",
    )
    state_angle = Setting(
        lambda source: source._plate.angle,
        lambda source, value: source._turn(value),
        unit="deg",
        limits=(-360.0, 720.0),
        doc="Angle of the pump's half-wave plate; prepare() turns to the last one set here, else leaves it.",
    )
    emitting = Reading(
        lambda source: source._pump.is_emitting(), kind=bool, doc="Whether the pump says that its light is on."
    )

    def __init__(
        self,
        resource: str = "",
        *,
        parts: Mapping[str, Instrument],
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        self._check_roles(parts)
        self.parts = dict(parts)
        self._pump = cast(Laser, parts["pump"])
        self._plate = cast(Rotator, parts["pump_plate"])
        self._oven = cast(TemperatureController, parts["oven"])
        self._oven_tolerance, self._settle_time = 0.1, 5.0
        self._state_angle: float | None = None
        self._homed = False

    def _check_roles(self, parts: Mapping[str, Instrument]) -> None:
        for role in parts:
            if role not in self.roles:
                raise BellringerError(
                    f"a pair source has no part '{role}'", where=self.label, hint=nearest(role, self.roles)
                )
        for role, capability in self.roles.items():
            if role not in parts:
                raise BellringerError(
                    f"the pair source lacks its part '{role}'", where=self.label, hint=f"parts: {', '.join(self.roles)}"
                )
            # On the class, not the instance: reading a declared setting of an instance asks the instrument.
            lacking = [member for member in _members(capability) if not hasattr(type(parts[role]), member)]
            if lacking:
                raise BellringerError(
                    f"{parts[role].label} cannot be the {role}: it has no {', '.join(lacking)}",
                    where=self.label,
                    hint=f"the {role} must be a {capability.__name__}",
                )

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        for role, part in self.parts.items():
            if not part.is_open:
                raise self.error(
                    f"its {role}, {part.label}, is not open", "open the parts before the source, close them after it"
                )

    def _disconnect(self) -> None:
        """Nothing to release; the parts belong to their node."""

    def identify(self) -> Identity:
        """Return an identity made of the parts' own."""
        return Identity(
            "bellringer",
            "pair source",
            serial="; ".join(f"{role}: {part.identity}" for role, part in self.parts.items()),
        )

    def safe_state(self) -> None:
        """Switch the pump off, verified. Oven and plate stay as they are.

        Raises:
            InstrumentError: the pump does not confirm that it is dark.
        """
        with self.clock.shielded():
            self._pump.emission_off()
            if self._pump.is_emitting():
                raise self.error("the pump still emits after it was switched off", "use its key switch or interlock")

    # --- PairSource -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Heat and settle the oven, home the plate if it never was and turn it, then light the pump.

        With a pump setpoint of 0 W the source is left dark, which is no error: a dark count run wants just that.

        Raises:
            InstrumentError: a part refuses or does not settle; prepare() has not lit the pump then.
        """
        self._oven.enable()
        self._oven.wait_settled(self._oven_tolerance, self._settle_time)
        if not getattr(self._plate, "homed", self._homed):
            self._plate.home()
            self._homed = True
        if self._state_angle is not None:
            self._plate.angle = self._state_angle
        if self._pump.power > 0.0:
            self._pump.emission_on()
        else:
            self.dark()

    def pump_power(self) -> float:
        """Return the measured pump power, W (the setpoint, for a laser that measures none)."""
        pump: Any = self._pump
        return float(pump.power_now if hasattr(type(pump), "power_now") else pump.power)

    def crystal_temperature(self) -> float:
        """Return the measured crystal temperature, °C."""
        return self._oven.temperature

    def set_state_angle(self, angle: float) -> None:
        """Turn the pump's half-wave plate to ``angle`` (degrees): pair state cos 2a |HH> + sin 2a |VV>."""
        self.state_angle = angle

    def dark(self) -> None:
        """Switch the pump off, verified by readback."""
        self.safe_state()

    def _turn(self, angle: float) -> None:
        self._plate.angle = angle
        self._state_angle = angle


def _members(capability: Any) -> list[str]:
    """Return the names a capability asks for."""
    return sorted(name for name in {*vars(capability), *capability.__annotations__} if not name.startswith("_"))
