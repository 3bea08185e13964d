"""Far end of a Thorlabs TC200 heater controller with a crystal oven on it.

Promises the command line (echo, prompt, its quirks) and an oven that follows its setpoint with one time constant.
It can only heat: below ambient nothing moves. Not modelled: the power limit's effect on the heating rate, PID
ringing, the cycle mode's programme (its settings are kept, the setpoint holds).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ....testbed.models import OvenModel
from ....testbed.units import parse
from ...lab.traces import Trace
from ..twin import Twin

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Lab

_LATENCY_S = 0.02
_READING_NOISE_K = 0.01
_CALIBRATION_K = 0.01
"""How far off the sensor is at most, so that the crystal settles within 0.02 K of the setpoint."""
_NOT_DEFINED = "Command error CMD_NOT_DEFINED"
_RANGE = "Command error CMD_ARG_RANGE_ERR"
_SENSORS = {"th10k": ("NTC10K", 0), "ntc10k": ("NTC10K", 0), "ptc100": ("PTC100", 1), "ptc1000": ("PTC1000", 2)}
_UNITS = {"k": 0, "c": 1, "f": 2}
_TMAX_LIMIT_C = 205.0


class Tc200Twin(Twin):
    """A TC200 with its output off after power-up."""

    driver = "tc200"

    def __init__(self, lab: "Lab", name: str, model: OvenModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self.temperature = Trace(model.ambient)
        """True temperature of the crystal in degC."""
        self._sensor_error = float(self.rng.uniform(-_CALIBRATION_K, _CALIBRATION_K))
        self._enabled = self._cycle = self._alarm = False
        self._sensor, self._unit = "ntc10k", "c"
        self._numbers = {
            "tset": 25.0,
            "tmax": _TMAX_LIMIT_C,
            "pmax": 18.0,
            "pgain": 125,
            "igain": 60,
            "dgain": 0,
            "beta": 3950,
        }
        self._buffer = b""
        self.main_port = lab.serial_port(name, self._on_bytes)

    def begin_at_rest(self, rest: Mapping[str, Any]) -> None:
        """Begin as an oven that was left on: at the setpoint under ``rest:``, if there is one."""
        if "temperature_setpoint" in rest:
            self._numbers["tset"] = parse(rest["temperature_setpoint"], "degC")
            self._enabled = True
            self.temperature = Trace(max(self.model.ambient, self._numbers["tset"] + self._sensor_error))

    # --- wire -------------------------------------------------------------------------------------------------

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        self._buffer += data
        while b"\r" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r")
            command = line.decode("ascii", errors="replace").lstrip("\n")
            if command == "stat?":
                reply = f"{self._status():X} > "
            else:
                reply = "".join(f"{text}\r" for text in self._execute(command)) + "> "
            client.send(f"{command}\r{reply}".encode(), _LATENCY_S)

    def _execute(self, command: str) -> list[str]:
        """Return the reply lines; commands are lower case only."""
        word, equals, argument = command.partition("=")
        if equals:
            return self._assign(word, argument)
        if command == "ens":
            self._toggle()
            return []
        answer = self._queries().get(command)
        return [_NOT_DEFINED] if answer is None else answer().split("\r")

    def _queries(self) -> dict[str, Callable[[], str]]:
        number = self._numbers
        return {
            "id?": lambda: "THORLABS TC200 VERSION 2.1",
            "*idn?": lambda: "THORLABS TC200 VERSION 2.1",
            "tact?": lambda: self._shown(self._reading()),
            "tset?": lambda: f"{number['tset']:.1f} C",
            "tmax?": lambda: f"{number['tmax']:.1f} C",
            "pmax?": lambda: f"{number['pmax']:.1f}",
            "pid?": lambda: f"{number['pgain']:.0f} {number['igain']:.0f} {number['dgain']:.0f}",
            "sns?": lambda: f"Sensor = {_SENSORS[self._sensor][0]}, Beta = {number['beta']:.0f}",
            "beta?": lambda: f"{number['beta']:.0f}",
            "tune?": lambda: "Tune: off\rTune status: idle",
            "config?": lambda: f"Tset = {number['tset']:.1f}\rTmax = {number['tmax']:.1f}\rPmax = {number['pmax']:.1f}",
        }

    def _assign(self, word: str, argument: str) -> list[str]:
        if word in self._numbers:
            return self._set_number(word, argument)
        if word == "mode" and argument in ("normal", "cycle"):
            self._cycle = argument == "cycle"
            return [] if self._cycle else [_RANGE]  # works; the complaint is the real unit's own
        if word == "sns" and argument in _SENSORS:
            self._sensor = argument
            return []
        if word == "unit" and argument in _UNITS:
            self._unit = argument
            return []
        return [_RANGE if word in ("mode", "sns", "unit") else _NOT_DEFINED]

    def _set_number(self, word: str, argument: str) -> list[str]:
        low, high, step = {
            "tset": (20.0, self._numbers["tmax"], 0.1),
            "tmax": (20.0, _TMAX_LIMIT_C, 0.1),
            "pmax": (0.1, 18.0, 0.1),
            "pgain": (1, 250, 1),
            "igain": (0, 250, 1),
            "dgain": (0, 250, 1),
            "beta": (2000, 6000, 1),
        }[word]
        try:
            value = float(argument)
        except ValueError:
            return [_RANGE]
        if not low <= value <= high:
            return [_RANGE]
        self._numbers[word] = round(round(value / step) * step, 1)
        if self._enabled and word in ("tset", "tmax"):
            self._steer()
        return []

    # --- the oven ---------------------------------------------------------------------------------------------

    def _toggle(self) -> None:
        """Toggle the output; it stays off while the alarm stands."""
        self._enabled = not self._enabled and not self._alarm
        self._steer()

    def _steer(self) -> None:
        now, ambient = self.lab.now_ps, self.model.ambient
        wanted = min(self._numbers["tset"], self._numbers["tmax"]) + self._sensor_error
        target = max(ambient, wanted) if self._enabled else ambient
        self.temperature.relax(now, target, self.model.time_constant)

    def _reading(self) -> float:
        true = self.temperature.at(self.lab.now_ps)
        return true - self._sensor_error + _READING_NOISE_K * float(self.rng.standard_normal())

    def _shown(self, celsius: float) -> str:
        if self._unit == "k":
            return f"{celsius + 273.15:.1f} K"
        return f"{celsius * 1.8 + 32:.1f} F" if self._unit == "f" else f"{celsius:.1f} C"

    def _status(self) -> int:
        sensor = _SENSORS[self._sensor][1]
        return self._enabled | self._cycle << 1 | sensor << 2 | _UNITS[self._unit] << 4 | self._alarm << 6

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``alarm`` (the sensor is lost: output off, and it stays off) and ``alarm_cleared``."""
        if kind not in ("alarm", "alarm_cleared"):
            super().own_fault(kind)
        self._alarm = kind == "alarm"
        if self._alarm:
            self._enabled = False
            self._steer()

    def inspect(self) -> dict[str, Any]:
        return {
            "temperature_degc": self.temperature.at(self.lab.now_ps),
            "setpoint_degc": self._numbers["tset"],
            "enabled": self._enabled,
            "alarm": self._alarm,
        }
