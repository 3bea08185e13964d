"""Far end of a Pulse Streamer 8/2: JSON-RPC 2.0 over HTTP, a sequence memory, and a trigger input.

Promises the calls of the protocol sheet that concern digital outputs, trigger and clock. The trigger input is wired to
a source of rising edges at ``trigger_rate``, at whole multiples of its period. Not modelled: voltages, the binary
upload, static addresses.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ....testbed.models import PulseStreamerModel
from ..twin import Twin
from .http_server import HttpServer

if TYPE_CHECKING:
    from ...lab.lab import Event, Lab

_LATENCY_S = 2e-3
_MOST_STEPS = 2_000_000
_IMMEDIATE, _SOFTWARE, _RISING, _FALLING, _BOTH = range(5)
_INVALID, _UNKNOWN, _NOT_JSON = -32602, -32601, -32700


class Invalid(Exception):
    """Parameters that the unit refuses."""


class Sequence:
    """Steps (ns, mask) played ``runs`` times from ``start_ps`` on; -1 for endless."""

    def __init__(self, steps: list[tuple[int, int]], runs: int, final: int) -> None:
        self.masks = [mask for _, mask in steps]
        self.ends_ps = np.cumsum([ns * 1000 for ns, _ in steps], dtype=np.int64)
        self.runs, self.final = runs, final
        self.start_ps: int | None = None

    @property
    def period_ps(self) -> int:
        return int(self.ends_ps[-1]) if len(self.ends_ps) else 0

    def end_ps(self) -> float:
        """Return when it is over; infinite before its start, or if it is endless."""
        if self.start_ps is None or self.runs < 0:
            return float("inf")
        return self.start_ps + self.runs * self.period_ps

    def mask(self, t_ps: int) -> int:
        """Return the outputs at a time, as bits."""
        if self.start_ps is None or t_ps < self.start_ps:
            return 0
        if t_ps >= self.end_ps():
            return self.final
        return self.masks[int(np.searchsorted(self.ends_ps, (t_ps - self.start_ps) % self.period_ps, side="right"))]


class PulseStreamerTwin(Twin):
    """A Pulse Streamer 8/2; all outputs low after power-up."""

    driver = "pulse_streamer"

    def __init__(self, lab: "Lab", name: str, model: PulseStreamerModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self._constant = 0
        self._sequence: Sequence | None = None
        self._trigger = (_IMMEDIATE, 0)
        self._clock = 0
        self._underflow = self._underflow_next = False
        self._edge: Event | None = None
        self._mac = ":".join(f"{byte:02x}" for byte in (0x00, 0x26, 0x32, *self.rng.integers(0, 256, 3)))
        self.server = HttpServer(lab, name, self._answer, _LATENCY_S)
        self.main_port = self.server.port

    @property
    def resource(self) -> str:
        return self.server.resource

    def outputs(self, t_ps: int) -> int:
        """Return which outputs are high at a lab time, as bits; only of what is loaded now."""
        return self._constant if self._sequence is None else self._sequence.mask(t_ps)

    # --- wire -------------------------------------------------------------------------------------------------

    def _answer(self, path: str, body: bytes) -> tuple[str, bytes]:
        if path != "/json-rpc":
            return "404 Not Found", b""
        try:
            asked = json.loads(body)
            method, params = asked["method"], asked.get("params", [])
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._said(None, error=(_NOT_JSON, "Parse error"))
        number = asked.get("id")
        if method not in self._calls:
            return self._said(number, error=(_UNKNOWN, f"Method not found: {method}"))
        try:
            return self._said(number, self._calls[method](self, *params))
        except (Invalid, TypeError) as error:
            return self._said(number, error=(_INVALID, f"Invalid params: {error}"))

    @staticmethod
    def _said(number: Any, result: Any = None, error: tuple[int, str] | None = None) -> tuple[str, bytes]:
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": number}
        if error is None:
            said["result"] = result
        else:
            said["error"] = {"code": error[0], "message": error[1]}
        return "200 OK", json.dumps(said).encode()

    # --- calls ------------------------------------------------------------------------------------------------

    def _set_constant(self, state: Any) -> int:
        self._forget()
        self._constant = _state(state)
        return 0

    def _reset(self) -> int:
        self._forget()
        self._constant, self._trigger, self._clock = 0, (_IMMEDIATE, 0), 0
        return 0

    def _set_trigger(self, start: Any, rearm: Any) -> int:
        if start not in range(5) or rearm not in (0, 1):
            raise Invalid(f"trigger {start} {rearm}")
        self._trigger = (int(start), int(rearm))
        self._wait_for_edge()
        return 0

    def _select_clock(self, source: Any) -> int:
        if source not in (0, 1, 2):
            raise Invalid(f"clock {source}")
        self._clock = int(source)
        return 0

    def _stream(self, encoded: Any, runs: Any, final: Any) -> int:
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Invalid("no base64") from None
        if len(raw) % 9 or not raw or len(raw) // 9 > _MOST_STEPS or not isinstance(runs, int):
            raise Invalid("no steps of nine bytes, or too many")
        steps = [(ns, mask) for ns, mask, _, _ in struct.iter_unpack(">IBhh", raw)]
        self._forget()
        self._sequence = Sequence(steps, runs, _state(final))
        self._underflow, self._underflow_next = self._underflow_next, False
        if self._trigger[0] == _IMMEDIATE:
            self._start()
        self._wait_for_edge()
        return 0

    def _start_now(self) -> int:
        if self._sequence is not None and self._trigger[0] == _SOFTWARE:
            self._start()
        return 0

    def _rearm(self) -> int:
        if self._sequence is None or not self._finished():
            return 1
        self._sequence.start_ps = None
        self._wait_for_edge()
        return 0

    def _force_final(self) -> int:
        if self._sequence is not None:
            self._constant = self._sequence.final
        self._forget()
        return 0

    def _forget(self) -> None:
        self._sequence, self._underflow = None, False
        self._wait_for_edge()

    def _start(self) -> None:
        if self._sequence is not None and self._sequence.start_ps is None:
            self._sequence.start_ps = self.lab.now_ps

    def _wait_for_edge(self) -> None:
        """Start at the next edge of the trigger input, if one is waited for."""
        if self._edge is not None:
            self._edge.cancel()
            self._edge = None
        waits = self._sequence is not None and self._sequence.start_ps is None
        if waits and self._trigger[0] in (_RISING, _BOTH) and self.model.trigger_rate > 0:
            period_ps = round(1e12 / self.model.trigger_rate)
            self._edge = self.lab.at((self.lab.now_ps // period_ps + 1) * period_ps, self._start, owner=self.name)

    def _finished(self) -> bool:
        return self._sequence is not None and self.lab.now_ps >= self._sequence.end_ps()

    def _streaming(self) -> bool:
        return self._sequence is not None and not self._finished() and self._sequence.start_ps is not None

    _calls: ClassVar[dict[str, Callable[..., Any]]] = {
        "getSerial": lambda self, kind=0: self._mac,
        "getFirmwareVersion": lambda self: "1.7.2",
        "getHardwareVersion": lambda self: "1.3",
        "getHostname": lambda self: "pulsestreamer",
        "getFPGAID": lambda self: self._mac.replace(":", ""),
        "getTemperature": lambda self: 41.5,
        "constant": _set_constant,
        "stream": _stream,
        "startNow": _start_now,
        "forceFinal": _force_final,
        "rearm": _rearm,
        "reset": _reset,
        "isStreaming": lambda self: self._streaming(),
        "hasSequence": lambda self: self._sequence is not None,
        "hasFinished": lambda self: self._finished(),
        "setTrigger": _set_trigger,
        "getTriggerStart": lambda self: self._trigger[0],
        "getTriggerRearm": lambda self: self._trigger[1],
        "selectClock": _select_clock,
        "getClock": lambda self: self._clock,
        "getUnderflow": lambda self: int(self._underflow),
    }

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``underflow``: the next sequence is not ready in time somewhere."""
        if kind != "underflow":
            super().own_fault(kind)
        self._underflow_next = True

    def inspect(self) -> dict[str, Any]:
        return {"outputs": self.outputs(self.lab.now_ps), "streaming": self._streaming(), "trigger": self._trigger[0]}


def _state(value: Any) -> int:
    """Return the digital mask of ``[ticks, mask, a0, a1]``."""
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(each, int) for each in value):
        raise Invalid("an output state is [0, mask, a0, a1]")
    if not 0 <= value[1] < 256:
        raise Invalid(f"mask {value[1]}")
    return int(value[1])
