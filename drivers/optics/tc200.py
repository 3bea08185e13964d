"""Thorlabs TC200 heater controller (crystal ovens) on USB serial, 115200 8N1.

Replies are read as QMI's and InstrumentKit's drivers and the manual's command-line appendix have them; no unit was at
hand.

Promised: a setpoint is read back after it was set, and the toggling ``ens`` is never sent blindly.
Not here: temperature cycles, PID gains and offset tuning, which belong to the front panel.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...testbed.clock import Clock
from ...testbed.errors import IdentityError, InstrumentError, LimitError, ProtocolError, TransportTimeout
from ..interfaces import Identity, Instrument, Reading, Setting
from .tc200_line import Tc200Line

POLL_S = 2.0
"""How often ``wait_settled`` looks."""

_QUANTITY = re.compile(r"([-+]?\d+(?:\.\d*)?) ?(?:C|Celsius|W|Watts?)?")
_STATUS = re.compile(r"[0-9A-Fa-f]{1,2}")
_TEXT = re.compile(r"(?!.*CMD_)[ -~]+")
_SENSOR = re.compile(r"Sensor\s*=\s*([A-Za-z0-9]+).*")
_CELSIUS = 0b01


class Status(NamedTuple):
    """The status byte (``stat?``)."""

    enabled: bool
    cycling: bool
    celsius: bool
    alarm: bool


def _quantity(text: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return float(match[1])


class Tc200(Instrument):
    """A TC200 with its oven; capability ``TemperatureController``. Resolution is 0.1 °C."""

    verified = "driver-source"
    model_name = "Thorlabs TC200"

    temperature_setpoint = Setting(
        "tset?",
        lambda oven, value: oven._put("tset", value),
        parse=_quantity,
        unit="degC",
        limits=(20.0, 200.0),
        doc="Wanted temperature; at most max_temperature.",
    )
    max_temperature = Setting(
        "tmax?",
        lambda oven, value: oven._put_max(value),
        parse=_quantity,
        unit="degC",
        limits=(20.0, 205.0),
        doc="Highest setpoint the unit accepts.",
    )
    max_power = Setting(
        "pmax?",
        lambda oven, value: oven._put("pmax", value),
        parse=_quantity,
        unit="W",
        limits=(0.1, 18.0),
        doc="Most power the heater may get.",
    )
    temperature = Reading("tact?", parse=_quantity, unit="degC", doc="Measured temperature.")
    enabled = Reading(lambda oven: oven._status().enabled, kind=bool, doc="Whether the heater is on.")
    alarm = Reading(
        lambda oven: oven._status().alarm, kind=bool, doc="Whether the sensor alarm is on (no or broken sensor)."
    )
    sensor = Reading("sns?", kind=str, parse=lambda text: _sensor(text), doc="Selected sensor type.")

    def __init__(
        self,
        resource: str,
        *,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        self._line = Tc200Line(self)

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._line.open()

    def _disconnect(self) -> None:
        self._line.close()

    def identify(self) -> Identity:
        """Ask ``id?``; the unit tells no serial number."""
        try:
            text = self._line.query("id?", _TEXT)
        except (TransportTimeout, ProtocolError) as error:
            if isinstance(error, TransportTimeout) and not self._line.leftovers():
                raise
            raise self._stranger(error.what) from error
        if "TC200" not in text.upper():
            raise self._stranger(f"'id?' was answered with {text!r}")
        version = re.search(r"VERSION\s+(\S+)", text, re.IGNORECASE)
        return Identity("Thorlabs", "TC200", firmware=version[1] if version else "")

    def _prepare(self) -> None:
        if not self._status().celsius:
            self._line.tell("unit=c")
        self.device_limits["temperature_setpoint"] = (20.0, self.max_temperature)

    def safe_state(self) -> None:
        """Confirm that the unit answers and has no alarm. Nothing is switched off: an oven emits no light, and hours
        of alignment hang on its temperature, so it keeps its setpoint and goes on regulating.

        Raises:
            InstrumentError: no answer, or the sensor alarm is on.
        """
        if self._status().alarm:
            raise self._alarm()

    # --- TemperatureController --------------------------------------------------------------------------------

    def enable(self) -> None:
        """Start regulating at a constant temperature (never in cycle mode); raises InstrumentError on an alarm."""
        status = self._status()
        if status.alarm:
            raise self._alarm()
        if status.cycling:
            self._line.tell("mode=normal")
            if self._status().cycling:
                raise self.error("the unit stays in cycle mode", "set mode NORMAL on its front panel")
        self._switch(True)

    def disable(self) -> None:
        """Stop regulating; the oven cools down."""
        self._switch(False)

    def wait_settled(self, tolerance: float = 0.1, hold_s: float = 5.0, timeout_s: float = 1800.0) -> None:
        """Wait until the temperature stayed within ``tolerance`` (K) of the setpoint for ``hold_s`` (s).

        Raises:
            InstrumentError: the heater is off, the sensor alarm is on, or ``timeout_s`` seconds passed.
        """
        if not (tolerance > 0.0 and 0.0 <= hold_s < timeout_s):
            raise LimitError(
                f"cannot wait for +-{tolerance:g} K over {hold_s:g} s within {timeout_s:g} s",
                where=self.label,
                hint="tolerance must be above zero and hold_s below timeout_s",
            )
        setpoint = self.temperature_setpoint
        start = self.clock.monotonic_s()
        inside_since: float | None = None
        while True:
            status = self._status()
            if status.alarm:
                raise self._alarm()
            if not status.enabled:
                raise self.error("the heater is off, so the temperature will not settle", "call enable() first")
            actual, now = self.temperature, self.clock.monotonic_s()
            if abs(actual - setpoint) > tolerance + 1e-6:  # readings are decimals: 61.9 is within 0.1 of 62.0
                inside_since = None
            elif inside_since is None:
                inside_since = now
            if inside_since is not None and now - inside_since >= hold_s:
                return
            if now - start >= timeout_s:
                raise self.error(
                    f"not settled after {timeout_s:g} s: {actual:g} °C now, wanted {setpoint:g} °C "
                    f"within {tolerance:g} K for {hold_s:g} s",
                    "check setpoint, max_power and the oven's insulation, or wait longer",
                )
            self.clock.sleep(POLL_S)

    def _switch(self, wanted: bool) -> None:
        if self._status().enabled == wanted:
            return
        lost = self._line.tell_unsure("ens")
        if self._status().enabled != wanted:
            raise self.error(
                f"the heater did not go {'on' if wanted else 'off'}", "check the enable key on the front panel"
            ) from lost

    def _put(self, quantity: str, value: float) -> None:
        """Set a quantity and read it back; the unit works in steps of 0.1."""
        lost = self._line.tell_unsure(f"{quantity}={value:.1f}")
        found = _quantity(self._ask(f"{quantity}?"))
        if abs(found - value) > 0.0501:
            raise self.error(f"{quantity} was set to {value:.1f}, but reads {found:g}", "set it again") from lost

    def _put_max(self, value: float) -> None:
        self._put("tmax", value)
        self.device_limits["temperature_setpoint"] = (20.0, round(value, 1))

    def _status(self) -> Status:
        byte = int(self._line.query("stat?", _STATUS), 16)
        return Status(bool(byte & 0x01), bool(byte & 0x02), byte >> 4 & 0b11 == _CELSIUS, bool(byte & 0x40))

    def _ask(self, query: str) -> str:
        return self._line.query(query, _SENSOR if query == "sns?" else _QUANTITY)

    def _alarm(self) -> InstrumentError:
        return self.error(
            "the temperature sensor alarm is on", "check the sensor, its plug and the sensor type set on the unit (sns)"
        )

    def _stranger(self, why: str) -> IdentityError:
        return IdentityError(
            f"no TC200 answers here: {why}",
            where=f"{self.label} at {self.resource}",
            hint="check which instrument is on this port, and use a /dev/serial/by-id path",
        )


def _sensor(text: str) -> str:
    match = _SENSOR.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match[1]
