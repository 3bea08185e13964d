"""Cobolt 06-01 and 08-01 lasers (06-MLD, 06-DPL, 08-NLD, ...) on USB serial, 115200 8N1.

Commands and codes are those of the maker's own pycobolt and of QMI's Cobolt driver; no unit was at hand.

Promised: nothing lights before ``emission_on``, which says why a laser stays dark and leaves it commanded off if it
does; going dark is believed only when ``l?`` says so. Not here: constant current and modulation.
"""

import re
from collections.abc import Mapping

from ...testbed.clock import Clock
from ...testbed.errors import IdentityError, InstrumentError, LimitError, ProtocolError
from ...testbed.units import parse, text
from ..interfaces import Identity, Instrument, Reading, Setting
from .cobolt_line import GAP_S, CoboltLine

LIGHT_S = 10.0
"""How long a laser may take to light after ``l1``."""
POWER_STEP_W = 1e-4
"""How far the setpoint may be from what was set: heads report it to four decimals, some in coarser steps."""

FAULTS = {
    0: ("none", ""),
    1: ("temperature error", "check the head's heat sink and let it come into its temperature range"),
    3: ("interlock error", "close the interlock loop (door contact, remote connector)"),
    4: ("constant-power time-out", "the head cannot reach the setpoint: lower it and check for back reflections"),
}
"""Meaning of ``f?`` and what to do about it."""

MODES_MLD: tuple[str, ...] = (
    "off",
    "waiting for key",
    "continuous",
    "on/off modulation",
    "modulation",
    "fault",
    "aborted",
)
MODES_DPL: tuple[str, ...] = (
    *("off", "waiting for temperature", "waiting for 5 V", "warm-up", "completed"),
    *("fault", "aborted", "modulation"),
)
"""Meaning of ``gom?``: 06-MLD heads; 06-DPL and 08-01 heads."""

_DARK_MODES = ("off", "waiting for key", "waiting for temperature", "waiting for 5 V", "warm-up", "fault", "aborted")
_MODE_HINTS = {
    "waiting for key": "either it still warms up, which takes minutes from power-up (of a simulated one, too): try "
    "again then; or turn the key switch to ON",
    "waiting for temperature": "wait until the head has reached its temperature, then try again",
    "waiting for 5 V": "check the 5 V supply of the head",
    "warm-up": "wait until it has warmed up, then try again",
    "fault": "read `fault`, remove its cause, then clear_fault()",
    "aborted": "turn the key switch off and on, or power-cycle the laser",
}

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")
_CODE = re.compile(r"\d+")
_FLAG = re.compile(r"[01]")
_FLAG_OR_UNKNOWN = re.compile(r"[01]|Syntax error.*")
_NAME = re.compile(r"(?!Syntax error)(?=.*\d)[^,]+")
_OTHER_SERIES = re.compile(r"-(04|05|71)-")
_DPL = re.compile(r"-08-|-06-9[13]-|DPL|^08")


class Cobolt06(Instrument):
    """A Cobolt 06-01 or 08-01 laser; capability ``Laser``.

    Args:
        max_power: rated power of this head, upper limit of ``power``; watts, or text such as ``"100 mW"``.
    """

    verified = "driver-source"
    model_name = "Cobolt 06-01"

    power = Setting(
        "p?",
        lambda laser, value: laser._set_power(value),
        unit="W",
        limits=(0.0, 1.0),
        emits=True,
        doc="Output power setpoint, at most max_power; read back after it was set.",
    )
    power_now = Reading("pa?", unit="W", within="power", doc="Measured output power.")
    current = Reading("i?", unit="A", parse=lambda text: float(text) * 1e-3, doc="Diode current (mA on the wire).")
    emitting = Reading(lambda laser: laser.is_emitting(), kind=bool, doc="Whether the laser says that light is on.")
    interlock_open = Reading(
        "ilk?",
        kind=bool,
        parse=lambda text: bool(int(text)),
        closed=False,
        doc="Whether the interlock is open.",
    )
    fault = Reading("f?", kind=str, parse=lambda text: _fault(int(text))[0], doc="Latched fault, or 'none'.")
    operating_mode = Reading(lambda laser: laser._mode(), kind=str, doc="State, for example 'waiting for key'.")
    hours = Reading("hrs?", unit="h", doc="Operating hours of the head.")

    def __init__(
        self,
        resource: str,
        *,
        max_power: float | str = 0.5,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        rated = parse(max_power, "W", name="max_power") if isinstance(max_power, str) else float(max_power)
        if not 0.0 < rated <= 1.0:
            raise LimitError(
                f"max_power = {rated:g} W is outside 0 to 1 W", where=self.label, hint="write the head's rated power"
            )
        self.device_limits["power"] = (0.0, rated)
        self._line = CoboltLine(self)
        self._modes = MODES_MLD

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._line.open()

    def _disconnect(self) -> None:
        self._line.close()

    def identify(self) -> Identity:
        """Ping, then ask for serial number, firmware and model."""
        found = self._line.greet()
        if found:
            raise self._stranger(f"the ping '?' was not answered with 'OK' but with {found}")
        try:
            serial, firmware, model = (self._line.query(query, _NAME) for query in ("gsn?", "gfv?", "glm?"))
        except ProtocolError as error:
            raise self._stranger(error.what) from error
        if _OTHER_SERIES.search(model):
            raise self._stranger(f"it is a Cobolt {model}, of another series")
        self._modes = MODES_DPL if _DPL.search(model) else MODES_MLD
        return Identity("Cobolt", model, serial, firmware)

    def safe_state(self) -> None:
        """Switch the light off and verify it (``l0``, then ``l?`` must say 0); tried twice.

        Raises:
            InstrumentError: nobody confirms that the laser is dark.
        """
        with self.clock.shielded():
            try:
                self._switch_off()
            except InstrumentError:
                self._line.lose_step()
                try:
                    self._switch_off()
                except InstrumentError as error:
                    raise self.error(
                        f"cannot confirm that the laser is dark: {error.what}",
                        "treat the beam as on: use the key switch or the interlock, then check cable and power",
                    ) from error

    # --- Laser ------------------------------------------------------------------------------------------------

    def emission_on(self) -> None:
        """Switch the light on at ``power``, in constant-power mode.

        Raises:
            InstrumentError: interlock open, fault latched, or the laser does not light within ``LIGHT_S`` seconds;
                says why as far as the laser tells, and the laser is commanded off again.
            LimitError: its setpoint is beyond the limits; it stays dark.
        """
        if self.interlock_open:
            raise self.error("the interlock is open, so the laser will not light", FAULTS[3][1] + ", then try again")
        code = int(self._line.query("f?", _CODE))
        if code:
            meaning, remedy = _fault(code)
            raise self.error(f"fault {code} is latched: {meaning}", f"{remedy}; then clear_fault()")
        self._check_setpoint()
        if self._ask("gam?") != "1":
            self._tell("cp")
        if self._line.query("@cobas?", _FLAG_OR_UNKNOWN) == "1":  # heads without auto-start do not know the question
            self._tell("@cobas 0")
        try:
            reply = self._line.exchange("l1")
            if reply != "OK":
                raise self._refusal(f"l1 was answered with {reply!r}")
            self._wait_for_light()
        except BaseException:
            self.safe_state()  # a laser that lights later, when somebody turns the key, would be a trap
            raise

    def emission_off(self) -> None:
        """Switch the light off, verified by readback; raises InstrumentError if that is not confirmed."""
        self.safe_state()

    def is_emitting(self) -> bool:
        """Ask the laser whether light is on (``l?``)."""
        return self._line.query("l?", _FLAG) == "1"

    def clear_fault(self) -> None:
        """Clear a latched fault whose cause is gone; lights nothing."""
        self._tell("cf")

    def _set_power(self, value: float) -> None:
        self._tell(f"p {value:.6f}")
        taken = float(self._ask("p?"))
        if abs(taken - value) > POWER_STEP_W:
            raise self.error(
                f"power = {value:g} W was accepted, but the laser's setpoint is {taken:g} W",
                "the head may limit it, or another program may set it: look at it with the maker's program",
            )

    def _check_setpoint(self) -> None:
        """Refuse to light at a setpoint from before, by another program say, that the limits forbid."""
        stored = self.power
        _, high, source = self.limits_of(type(self).power)
        if stored > high + POWER_STEP_W:
            raise LimitError(
                f"its setpoint is {text(stored, 'W')}, beyond {text(high, 'W')} ({source})",
                where=f"{self.label} at {self.resource}",
                hint="it stays dark; set `power` first",
            )

    def _wait_for_light(self) -> None:
        end = self.clock.monotonic_s() + LIGHT_S
        while not self.is_emitting() or self._mode() in _DARK_MODES:  # `l?` may say on while it waits for the key
            if self.clock.monotonic_s() >= end:
                raise self._refusal(f"l1 was accepted, but after {LIGHT_S:g} s it is still off")
            self.clock.sleep(GAP_S)

    def _refusal(self, why: str) -> InstrumentError:
        mode = self._mode()
        return self.error(
            f"the laser refuses to light: {why}; operating mode: {mode}", _MODE_HINTS.get(mode, "power-cycle the laser")
        )

    def _switch_off(self) -> None:
        if not self._line.in_step:
            self._line.shout("l0")  # getting in step needs replies and time; darkness must wait for neither
        if self._line.exchange("l0").startswith("Syntax error"):  # while the auto-start sequence owns the light
            self._tell("@cobas 0")
            self._tell("l0")
        if self.is_emitting():
            raise self.error("the laser still emits after l0", "use the key switch or the interlock")

    def _mode(self) -> str:
        code = int(self._line.query("gom?", _CODE))
        return self._modes[code] if code < len(self._modes) else f"unknown mode {code}"

    # --- wire -------------------------------------------------------------------------------------------------

    def _ask(self, query: str) -> str:
        return self._line.query(query, _NUMBER)

    def _tell(self, command: str) -> None:
        self._line.tell(command)

    def _stranger(self, why: str) -> IdentityError:
        return IdentityError(
            f"no Cobolt 06-01 or 08-01 answers here: {why}",
            where=f"{self.label} at {self.resource}",
            hint="check which instrument is on this port, and use a /dev/serial/by-id path",
        )


def _fault(code: int) -> tuple[str, str]:
    return FAULTS.get(code, (f"unknown fault {code}", "look it up in the laser's manual"))
