"""Far end of Thorlabs ELL14 rotation mounts, one or several on one serial bus.

Promises the packets, their refusals and the motion. Until homed, the position counter and the true angle differ by
an arbitrary amount. Not modelled: acceleration, backlash, wear.

A host packet is an address, two lower-case letters and as much data as the command has, without a terminator; a
reply is an address, two upper-case letters, data and ``\\r\\n``.
"""

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ....testbed.models import RotatorModel
from ...lab.traces import Trace
from ..twin import Twin
from .elliptec_bus import ElliptecBus

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Event, Lab

_LATENCY_S = 0.015
_PULSES_PER_TURN = 143_360
_PULSES_PER_DEG = _PULSES_PER_TURN / 360
_HOMING_SPEED = 90.0
_HOMING_START_S = 1.0
_SETTLING_S = 0.05
_STALL_TIME_OUT_S = 2.0
_WEAK_VELOCITY, _WEAK_STALL_CHANCE = 45, 0.1
_OK, _MECHANICAL_TIME_OUT, _COMMAND_ERROR, _OUT_OF_LIMITS, _ISOLATED, _BUSY, _OUT_OF_RANGE = 0, 2, 3, 4, 5, 9, 12
_UPPER_HEX = frozenset("0123456789ABCDEF")
_SLOW_SERVICE_S = {"s1": 3.0, "s2": 3.0, "om": 120.0, "cm": 300.0}


class ElliptecTwin(Twin):
    """One ELL14, not homed after power-up.

    Args:
        shares: a twin whose serial port this one hangs on as well, at an address of its own (option ``address``).
    """

    driver = "elliptec_ell14"

    def __init__(
        self,
        lab: "Lab",
        name: str,
        model: RotatorModel,
        options: dict[str, Any] | None = None,
        shares: "ElliptecTwin | None" = None,
    ) -> None:
        super().__init__(lab, name, model, options)
        true_deg = float(self.rng.uniform(0, 360))
        self.angle = Trace(true_deg)
        """True angle of the mount in deg, zero at the home sensor."""
        self._zero_deg = true_deg - int(self.rng.integers(_PULSES_PER_TURN)) / _PULSES_PER_DEG
        """True angle at which the position counter reads zero."""
        self._serial = f"1140{zlib.crc32(name.encode()) % 10_000:04d}"
        self._status = _OK
        self._velocity, self._jog, self._home_offset = 100, _PULSES_PER_TURN // 8, 0
        self._busy: Event | None = None
        self._client: Client | None = None
        self._isolated_until_ps = 0
        self._stalls = False
        self._bus: ElliptecBus = shares._bus if shares is not None else ElliptecBus(lab, name)
        self.main_port = self._bus.port
        self._address = str(self.options.get("address", "0")).upper()
        self._bus.attach(self._address, self.on_packet)

    # --- wire -------------------------------------------------------------------------------------------------

    def on_packet(self, command: str, data: str, client: "Client") -> None:
        """Obey one packet; ``command`` is "" for one that is none, "time-out" for one that was never finished."""
        self._client = client
        if self.lab.now_ps < self._isolated_until_ps:
            self._reply_status(_ISOLATED)
        elif command == "time-out":
            self._reply_status(1)
        elif self._busy is not None and command != "st":
            self._reply_status(_BUSY)
        elif command in self._commands and _UPPER_HEX.issuperset(data):
            self._commands[command](self, data)
        else:
            self._reply_status(_COMMAND_ERROR)

    def _reply(self, text: str) -> None:
        if self._client is not None:
            self._client.send(f"{self._address}{text}\r\n".encode(), _LATENCY_S)

    def _reply_status(self, status: int) -> None:
        self._reply(f"GS{status:02X}")

    def _reply_position(self) -> None:
        self._reply(f"PO{_hex(self._counter())}")

    # --- motion -----------------------------------------------------------------------------------------------

    def _counter(self) -> int:
        return round((self.angle.at(self.lab.now_ps) - self._zero_deg) * _PULSES_PER_DEG)

    def _move_absolute(self, data: str) -> None:
        target = _signed(data)
        if not 0 <= target <= _PULSES_PER_TURN:
            self._reply_status(_OUT_OF_RANGE)
        else:
            self._move_to(target)

    def _move_to(self, target: int) -> None:
        """Turn until the counter reads ``target``; the reply comes on arrival."""
        start, end = self.angle.at(self.lab.now_ps), self._zero_deg + target / _PULSES_PER_DEG
        seconds = abs(end - start) / (self.model.speed * self._velocity / 100)
        weak = self._velocity < _WEAK_VELOCITY and self.rng.random() < _WEAK_STALL_CHANCE
        if self._stalls or weak:
            self._stalls = False
            self._turn((start + end) / 2, seconds / 2, seconds / 2 + _STALL_TIME_OUT_S, self._stalled)
        else:
            self._turn(end, seconds, seconds + _SETTLING_S, self._arrived)

    def _home(self, data: str) -> None:
        """Turn to the home sensor plus the home offset, clockwise (falling angle) for 0, and zero the counter there."""
        if data not in ("0", "1"):
            self._reply_status(_OUT_OF_LIMITS)
            return
        start, home = self.angle.at(self.lab.now_ps), self._home_offset / _PULSES_PER_DEG
        distance = (home - start) % 360 if data == "1" else -((start - home) % 360)
        seconds = _HOMING_START_S + abs(distance) / _HOMING_SPEED
        if self._stalls:
            self._stalls = False
            self._turn(start + distance / 2, seconds / 2, seconds / 2 + _STALL_TIME_OUT_S, self._stalled)
        else:
            self._turn(start + distance, seconds, seconds + _SETTLING_S, self._homed)

    def _turn(self, end_deg: float, seconds: float, until_s: float, then: Callable[[], None]) -> None:
        self.angle.ramp(self.lab.now_ps, end_deg, round(seconds * 1e12))
        self._stay_busy(until_s, then)

    def _stay_busy(self, seconds: float, then: Callable[[], None]) -> None:
        def finish() -> None:
            self._busy = None
            then()

        self._busy = self.lab.after(seconds, finish, owner=self.name)

    def _arrived(self) -> None:
        self._reply_position()

    def _homed(self) -> None:
        self._zero_deg = self._home_offset / _PULSES_PER_DEG
        self.angle.set(self.lab.now_ps, self._zero_deg)
        self._reply_position()

    def _stalled(self) -> None:
        self._status = _MECHANICAL_TIME_OUT
        self._reply_status(_MECHANICAL_TIME_OUT)

    def _stop(self) -> None:
        """Stop where it is: a move cut short answers with its position, once."""
        if self._busy is None:
            self._reply_status(_OK)
            return
        self._busy.cancel()
        self._busy = None
        self.angle.set(self.lab.now_ps, self.angle.at(self.lab.now_ps))
        self._reply_position()

    # --- everything else --------------------------------------------------------------------------------------

    def _identify(self) -> None:
        self._reply(f"IN0E{self._serial}20210101{360:04X}{_PULSES_PER_TURN:08X}")

    def _tell_status(self) -> None:
        status, self._status = self._status, _OK
        self._reply_status(status)

    def _set_velocity(self, data: str) -> None:
        percent = int(data, 16)
        if 1 <= percent <= 100:
            self._velocity = percent
        self._reply_status(_OK if 1 <= percent <= 100 else _OUT_OF_LIMITS)

    def _set_jog(self, data: str) -> None:
        self._jog = _signed(data)
        self._reply_status(_OK)

    def _set_home_offset(self, data: str) -> None:
        self._home_offset = _signed(data)
        self._reply_status(_OK)

    def _motor(self, number: int) -> None:
        self._reply(f"I{number}10{900:04X}FFFFFFFF{147:04X}{140:04X}")

    def _serve(self, command: str) -> None:
        self._stay_busy(_SLOW_SERVICE_S[command], lambda: self._reply_status(_OK))

    def _change_address(self, data: str) -> None:
        if self._bus.taken(data) and data != self._address:
            self._reply_status(_OUT_OF_LIMITS)
            return
        self._bus.move(self._address, data)
        self._address = data
        self._reply_status(_OK)

    def _isolate(self, data: str) -> None:
        self._isolated_until_ps = self.lab.now_ps + int(data, 16) * 60_000_000_000_000
        self._reply_status(_OK)

    _commands: ClassVar[dict[str, Callable[[Any, str], None]]] = {
        "in": lambda self, data: self._identify(),
        "gs": lambda self, data: self._tell_status(),
        "gp": lambda self, data: self._reply_position(),
        "ma": lambda self, data: self._move_absolute(data),
        "mr": lambda self, data: self._move_to(self._counter() + _signed(data)),
        "ho": lambda self, data: self._home(data),
        "fw": lambda self, data: self._move_to(self._counter() + self._jog),
        "bw": lambda self, data: self._move_to(self._counter() - self._jog),
        "gj": lambda self, data: self._reply(f"GJ{_hex(self._jog)}"),
        "sj": lambda self, data: self._set_jog(data),
        "go": lambda self, data: self._reply(f"HO{_hex(self._home_offset)}"),
        "so": lambda self, data: self._set_home_offset(data),
        "gv": lambda self, data: self._reply(f"GV{self._velocity:02X}"),
        "sv": lambda self, data: self._set_velocity(data),
        "st": lambda self, data: self._stop(),
        "i1": lambda self, data: self._motor(1),
        "i2": lambda self, data: self._motor(2),
        "s1": lambda self, data: self._serve("s1"),
        "s2": lambda self, data: self._serve("s2"),
        "om": lambda self, data: self._serve("om"),
        "cm": lambda self, data: self._serve("cm"),
        "us": lambda self, data: self._reply_status(_OK),
        "ca": lambda self, data: self._change_address(data),
        "is": lambda self, data: self._isolate(data),
    }

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``handset`` (somebody presses the jog button: unsolicited lines, and it turns), ``stall`` (the next move)."""
        if kind == "stall":
            self._stalls = True
        elif kind == "handset":
            self._press_button()
        else:
            super().own_fault(kind)

    def _press_button(self) -> None:
        self._say("BS10")
        if self._busy is None:
            end = self._zero_deg + (self._counter() + self._jog) / _PULSES_PER_DEG
            seconds = abs(self._jog) / _PULSES_PER_DEG / self.model.speed
            self._turn(end, seconds, seconds + _SETTLING_S, lambda: self._say(f"BO{_hex(self._counter())}"))

    def _say(self, text: str) -> None:
        self._bus.port.broadcast(f"{self._address}{text}\r\n".encode())

    def inspect(self) -> dict[str, Any]:
        return {
            "angle_deg": self.angle.at(self.lab.now_ps) % 360,
            "counter_deg": self._counter() / _PULSES_PER_DEG,
            "moving": self._busy is not None,
            "velocity_percent": self._velocity,
        }


def _hex(value: int) -> str:
    return f"{value & 0xFFFFFFFF:08X}"


def _signed(data: str) -> int:
    value = int(data, 16)
    return value - (1 << 32) if value >= 1 << 31 else value
