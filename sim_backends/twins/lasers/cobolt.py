"""Far end of a Cobolt 06-01 laser (MLD head): commands end ``\\r``, replies end ``\\r\\n``.

Promises the command set, the refusals and the states of the head; emission goes to ``power``. The modulation inputs
are there, but nothing is plugged into them: a mode that waits for their signal is dark. Not modelled: noise of the
light itself, ageing, mode hops.
"""

import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ....testbed.models import LaserModel
from ...lab.traces import Trace
from ..twin import Twin

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Lab

_PROCESSING_S = 0.02
_SPACING_PS = 100_000_000_000
"""One command per 100 ms; what comes earlier waits its turn."""
_RAMP_PS = 500_000_000_000
_READING_NOISE = 1e-3
_THRESHOLD_MA, _FULL_POWER_MA, _MAX_CURRENT_MA = 15.0, 150.0, 160.0
_NO_FAULT, _TEMPERATURE_FAULT, _INTERLOCK_FAULT = 0, 1, 3
_OFF, _WAITING_FOR_KEY, _CONTINUOUS, _ON_OFF_MODULATION, _MODULATION, _FAULT, _ABORTED = range(7)
_CONSTANT_CURRENT, _CONSTANT_POWER, _MODULATION_MODE = range(3)


class Refusal(Exception):
    """A command the head answers with a syntax error."""


class CoboltTwin(Twin):
    """A Cobolt 06-01 MLD; dark after power-up, because auto-start is off."""

    driver = "cobolt_06"

    def __init__(self, lab: "Lab", name: str, model: LaserModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self.power = Trace(0.0)
        """Emitted power in W."""
        self._serial = f"{zlib.crc32(name.encode()) % 100_000:05d}"
        self._warm_ps = lab.now_ps + round(model.warm_up * 1e12)
        self._hours = 1000.0 + float(self.rng.uniform(0, 1000))
        self._buffer = b""
        self._free_ps = lab.now_ps
        self._on = self._autostart = self._aborted = self._key_missing = False
        self._interlock_open = False
        self._fault = _NO_FAULT
        self._mode = _CONSTANT_POWER
        self._setpoint_w = self._modulation_w = 0.0
        self._setpoint_ma = 0.0
        self._switches = {"sdmes": 0, "sames": 0, "salis": 0}
        self._on_off = False
        self.main_port = lab.serial_port(name, self._on_bytes)

    # --- wire -------------------------------------------------------------------------------------------------

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        self._buffer += data
        while b"\r" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r")
            command = line.decode("ascii", errors="replace").strip().lower()
            start_ps = max(self.lab.now_ps, self._free_ps)
            self._free_ps = start_ps + _SPACING_PS
            self.lab.at(start_ps, partial(self._process, command, client), owner=self.name)

    def _process(self, command: str, client: "Client") -> None:
        try:
            reply = self._execute(command)
        except Refusal as refusal:
            reply = f"Syntax error: {refusal}"
        client.send(reply.encode() + b"\r\n", _PROCESSING_S)

    def _execute(self, command: str) -> str:
        word, _, argument = command.partition(" ")
        if not argument and word in self._queries:
            return self._queries[word](self)
        if not argument and word in self._actions:
            self._actions[word](self)
            return "OK"
        if argument and word in self._setters:
            try:
                value = float(argument)
            except ValueError:
                raise Refusal("illegal value") from None
            self._setters[word](self, value)
            return "OK"
        raise Refusal("illegal command")

    # --- setpoints and modes ----------------------------------------------------------------------------------

    def _set_power(self, value: float) -> None:
        self._setpoint_w = self._within(value, self.model.max_power)
        self._steer()

    def _set_modulation_power(self, value: float) -> None:
        self._modulation_w = self._within(value / 1000, self.model.max_power)
        self._steer()

    def _set_current(self, value: float) -> None:
        self._setpoint_ma = self._within(value, _MAX_CURRENT_MA)
        self._steer()

    def _set_autostart(self, value: float) -> None:
        self._autostart = bool(self._flag(value))

    def _set_switch(self, name: str, value: float) -> None:
        self._switches[name] = self._flag(value)
        self._steer()

    def _set_mode(self, mode: int, on_off: bool = False) -> None:
        self._mode, self._on_off = mode, on_off
        self._steer()

    @staticmethod
    def _within(value: float, maximum: float) -> float:
        if not 0 <= value <= maximum:
            raise Refusal("value out of range")
        return value

    @staticmethod
    def _flag(value: float) -> int:
        if value not in (0, 1):
            raise Refusal("value out of range")
        return int(value)

    # --- emission ---------------------------------------------------------------------------------------------

    def _switch_on(self) -> None:
        if self._autostart:
            raise Refusal("not allowed in auto-start mode")
        self._start()

    def _start(self) -> None:
        """Switch on if the head may; a head with a latched fault says OK all the same and stays off."""
        self._latch_interlock()
        if self._fault == _NO_FAULT:
            self._on, self._aborted = True, False
            self._steer()

    def _restart(self) -> None:
        if self._aborted:
            self._start()

    def _switch_off(self) -> None:
        self._on = False
        self._steer()

    def _abort(self) -> None:
        self._aborted = True
        self._switch_off()

    def _clear_fault(self) -> None:
        self._fault = _NO_FAULT
        self._latch_interlock()

    def _latch_interlock(self) -> None:
        if self._interlock_open:
            self._trip(_INTERLOCK_FAULT)

    def _trip(self, fault: int) -> None:
        self._fault, self._on = fault, False
        self._steer()

    def _steer(self) -> None:
        """Take the emission where state and setpoints want it: down at once when off, there in a ramp when on."""
        now, warm = self.lab.now_ps, self._warm_ps
        if not self._on or self._key_missing:
            self.power.set(now, 0.0)
        elif now >= warm:
            self.power.ramp(now, self._target_w(), _RAMP_PS)
        else:
            self.lab.at(warm, lambda: self._steer(), owner=self.name)

    def _target_w(self) -> float:
        if self._on_off or (self._mode == _MODULATION_MODE and (self._switches["sdmes"] or self._switches["sames"])):
            return 0.0
        if self._mode == _CONSTANT_CURRENT:
            above = max(0.0, self._setpoint_ma - _THRESHOLD_MA)
            return float(min(above * self._slope_w_per_ma(), self.model.max_power))
        return self._modulation_w if self._mode == _MODULATION_MODE else self._setpoint_w

    def _slope_w_per_ma(self) -> float:
        return float(self.model.max_power) / (_FULL_POWER_MA - _THRESHOLD_MA)

    # --- readings ---------------------------------------------------------------------------------------------

    def _operating_mode(self) -> int:
        if self._fault != _NO_FAULT:
            return _FAULT
        if self._aborted:
            return _ABORTED
        if not self._on:
            return _OFF
        if self._key_missing or self.lab.now_ps < self._warm_ps:
            return _WAITING_FOR_KEY
        if self._on_off:
            return _ON_OFF_MODULATION
        return _MODULATION if self._mode == _MODULATION_MODE else _CONTINUOUS

    def _noisy(self, value: float) -> float:
        return max(0.0, value * (1 + _READING_NOISE * float(self.rng.standard_normal())))

    def _current_ma(self) -> float:
        power = self.power.at(self.lab.now_ps)
        return self._noisy(_THRESHOLD_MA + power / self._slope_w_per_ma()) if power > 0 else 0.0

    def _hours_now(self) -> float:
        return self._hours + self.lab.now_ps / 3.6e15

    _queries: ClassVar[dict[str, Callable[[Any], str]]] = {
        "?": lambda self: "OK",
        "gsn?": lambda self: self._serial,
        "sn?": lambda self: self._serial,
        "gfv?": lambda self: "50.070",
        "glm?": lambda self: f"06-MLD-{self.model.wavelength * 1e9:.0f}-{self.model.max_power * 1e3:.0f}",
        "@cobas?": lambda self: str(int(self._autostart)),
        "l?": lambda self: str(int(self._on)),
        "p?": lambda self: f"{self._setpoint_w:.6f}",
        "pa?": lambda self: f"{self._noisy(self.power.at(self.lab.now_ps)):.5f}",
        "glc?": lambda self: f"{self._setpoint_ma:.3f}",
        "i?": lambda self: f"{self._current_ma():.2f}",
        "glmp?": lambda self: f"{self._modulation_w * 1000:.3f}",
        "gdmes?": lambda self: str(self._switches["sdmes"]),
        "games?": lambda self: str(self._switches["sames"]),
        "galis?": lambda self: str(self._switches["salis"]),
        "f?": lambda self: str(self._fault),
        "ilk?": lambda self: str(int(self._interlock_open)),
        "gom?": lambda self: str(self._operating_mode()),
        "gam?": lambda self: str(self._mode),
        "hrs?": lambda self: f"{self._hours_now():.2f}",
    }
    _actions: ClassVar[dict[str, Callable[[Any], None]]] = {
        "@cob1": lambda self: self._start(),
        "@cob0": lambda self: self._abort(),
        "restart": lambda self: self._restart(),
        "l1": lambda self: self._switch_on(),
        "l0": lambda self: self._switch_off(),
        "cp": lambda self: self._set_mode(_CONSTANT_POWER),
        "ci": lambda self: self._set_mode(_CONSTANT_CURRENT),
        "em": lambda self: self._set_mode(_MODULATION_MODE),
        "eoom": lambda self: self._set_mode(self._mode, on_off=True),
        "xoom": lambda self: self._set_mode(self._mode),
        "cf": lambda self: self._clear_fault(),
    }
    _setters: ClassVar[dict[str, Callable[[Any, float], None]]] = {
        "@cobas": lambda self, value: self._set_autostart(value),
        "p": lambda self, value: self._set_power(value),
        "slc": lambda self, value: self._set_current(value),
        "slmp": lambda self, value: self._set_modulation_power(value),
        "sdmes": lambda self, value: self._set_switch("sdmes", value),
        "sames": lambda self, value: self._set_switch("sames", value),
        "salis": lambda self, value: self._set_switch("salis", value),
    }

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``interlock`` and ``interlock_closed``, ``overtemperature`` (latched), ``no_light`` (the key is off)."""
        if kind == "interlock":
            self._interlock_open = True
            self._latch_interlock()
        elif kind == "interlock_closed":
            self._interlock_open = False
        elif kind == "overtemperature":
            self._trip(_TEMPERATURE_FAULT)
        elif kind == "no_light":
            self._key_missing = True
            self._steer()
        else:
            super().own_fault(kind)

    def inspect(self) -> dict[str, Any]:
        return {
            "power_w": self.power.at(self.lab.now_ps),
            "setpoint_w": self._setpoint_w,
            "on": self._on,
            "interlock_open": self._interlock_open,
            "fault": self._fault,
        }
