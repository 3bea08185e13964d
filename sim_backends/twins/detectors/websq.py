"""Far end of Single Quantum "Eos" SNSPD electronics: a control server (JSON) and a counts server (text lines).

Promises the messages, the bounds and the refusals; bias currents go to ``bias``, the amplifiers' switch to
``enabled``, and what is counted comes from the bench. Not modelled: IV scans, drift, crosstalk. Automatic bias takes
its time and then finds the plateau.
"""

import json
from typing import TYPE_CHECKING, Any

from ....testbed.models import DetectorModel
from ...lab.traces import Trace
from ..twin import Twin
from .websq_counts import CountsServer

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Lab

_LATENCY_S = 0.02
_AUTO_BIAS_S = 120.0
_SEPARATOR = b"\x17"
_GLUED_CHANCE = 0.2
"""How often a message comes without its separator, glued to the next."""
_LONGEST_MESSAGE = 65_536
_BIAS_OHM = 10_000.0
_PER_DETECTOR = ("BiasCurrent", "TriggerLevel", "DarkCountsAutoIV", "BiasCurrentAutoIV")
_BOUNDS: dict[str, tuple[tuple[float, float], str]] = {
    "BiasCurrent": ((-90.9, 90.9), "uA"),
    "TriggerLevel": ((-1000, 1000), "mV"),
    "InptMeasurementPeriod": ((10, 10_000), "ms"),
    "DarkCountsAutoIV": ((0, 1_000_000), "Hz"),
}
_COMMANDS = {
    "SetMeasurementPeriod": "InptMeasurementPeriod",
    "SetAllBiasCurrents": "BiasCurrent",
    "SetAllTriggerLevels": "TriggerLevel",
    "DetectorEnable": "DetectorEnable",
}


class WebSqTwin(Twin):
    """Eos electronics with ``model.channels`` detectors: amplifiers off and no bias after power-up."""

    driver = "websq"

    def __init__(self, lab: "Lab", name: str, model: DetectorModel, options: dict[str, Any] | None = None) -> None:
        super().__init__(lab, name, model, options)
        self.bias = [Trace(0.0) for _ in range(model.channels)]
        """Bias current of each detector in A; index 0 is detector 1."""
        self.enabled = Trace(0.0)
        self._values: dict[str, Any] = {
            "NumberOfDetectors": model.channels,
            "BiasCurrent": [0.0] * model.channels,
            "TriggerLevel": [100.0] * model.channels,
            "InptMeasurementPeriod": 100,
            "DetectorEnable": False,
            "DarkCountsAutoIV": [100] * model.channels,
            "BiasCurrentAutoIV": [0.0] * model.channels,
            "StartAutoIV": False,
            "IVScanEnable": False,
            "ic_scan_history": [],
            "iv_scan_history": [],
        }
        self._buffers: dict[int, str] = {}
        self.main_port = lab.tcp_port(name, self._on_bytes)
        self.main_port.on_disconnect = lambda client: self._buffers.pop(id(client), None)
        self.counts = CountsServer(
            lab, name, model.channels, lambda: float(self._values["InptMeasurementPeriod"]) / 1000
        )

    def connection(self) -> dict[str, Any]:
        return {"counts_port": self.counts.port.number}

    # --- wire -------------------------------------------------------------------------------------------------

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        """Take whole JSON objects off the stream; there is no terminator, and any spacing between tokens."""
        text = self._buffers.pop(id(client), "") + data.decode("utf-8", errors="replace")
        while text := text.lstrip(" \r\n\t\x17"):
            try:
                message, end = json.JSONDecoder().raw_decode(text)
            except json.JSONDecodeError:
                if text[0] == "{" and len(text) < _LONGEST_MESSAGE:
                    self._buffers[id(client)] = text  # not all there yet
                    return
                message, end = None, len(text)  # garbage: an object would begin with a brace
            text = text[end:]
            self._obey(message, client)

    def _obey(self, message: Any, client: "Client") -> None:
        if not isinstance(message, dict):
            self._broadcast("ErrorMessage", "not a JSON object")
        elif message.get("request") == "labelProps":
            for each in self._values:
                self._send({"label": each, "value": self._properties(each)}, client)
        elif message.get("request") == "BiasVoltage":
            volts = [round(current * 1e-6 * _BIAS_OHM, 4) for current in self._values["BiasCurrent"]]
            self._broadcast("BiasVoltage", volts)
        elif message.get("command") == "AutoCaliBiasCurrents":
            self._start_auto_bias()
        else:
            label = _COMMANDS.get(str(message.get("command")), message.get("label"))
            if label in ("DetectorEnable", *_BOUNDS):
                self._set(str(label), message.get("value"))
            else:
                self._broadcast("ErrorMessage", f"unknown command {json.dumps(message)}")

    def _properties(self, label: str) -> dict[str, Any]:
        bounds, unit = _BOUNDS.get(label, ((), ""))
        return {"value": self._values[label], "bounds": list(bounds), "unit": unit}

    def _broadcast(self, label: str, value: Any) -> None:
        for client in list(self.main_port.streams.values()):
            self._send({"label": label, "value": value}, client)

    def _send(self, message: dict[str, Any], client: "Client") -> None:
        glued = self.rng.random() < _GLUED_CHANCE
        client.send(json.dumps(message).encode() + (b"" if glued else _SEPARATOR), _LATENCY_S)

    # --- settings ---------------------------------------------------------------------------------------------

    def _set(self, label: str, value: Any) -> None:
        """Take a value over and tell everybody, or tell everybody why not."""
        problem = self._problem(label, value)
        if problem:
            self._broadcast(f"Error{label}", problem)
            return
        self._values[label] = value
        now = self.lab.now_ps
        if label == "BiasCurrent":
            for trace, current in zip(self.bias, value, strict=True):
                trace.set(now, current * 1e-6)
        elif label == "DetectorEnable":
            self.enabled.set(now, float(value))
        self._broadcast(label, value)

    def _problem(self, label: str, value: Any) -> str:
        if label == "DetectorEnable":
            return "" if isinstance(value, bool) else "not true or false"
        (low, high), unit = _BOUNDS[label]
        numbers = value if label in _PER_DETECTOR else [value]
        if not isinstance(numbers, list) or not all(
            isinstance(x, int | float) and not isinstance(x, bool) for x in numbers
        ):
            return f"{json.dumps(value)} is of the wrong type"
        if label in _PER_DETECTOR and len(numbers) != self.model.channels:
            return f"{len(numbers)} values for {self.model.channels} detectors"
        if not all(low <= x <= high for x in numbers):
            return f"{json.dumps(value)} is outside {low:g} to {high:g} {unit}"
        return ""

    def _start_auto_bias(self) -> None:
        if self._values["StartAutoIV"]:
            self._broadcast("ErrorStartAutoIV", "already running")
            return
        self._values["StartAutoIV"] = True
        self._broadcast("StartAutoIV", True)
        self.lab.after(_AUTO_BIAS_S, self._finish_auto_bias, owner=self.name)

    def _finish_auto_bias(self) -> None:
        """Find a bias on the plateau, well below switching."""
        best_ua = round((self.model.plateau_current + self.model.switching_current) / 2 * 1e6, 2)
        self._values["StartAutoIV"] = False
        self._values["BiasCurrentAutoIV"] = [best_ua] * self.model.channels
        self._set("BiasCurrent", [best_ua] * self.model.channels)
        self._broadcast("BiasCurrentAutoIV", self._values["BiasCurrentAutoIV"])
        self._broadcast("StartAutoIV", False)

    # --- faults and the look at the bench ---------------------------------------------------------------------

    def own_fault(self, kind: str) -> None:
        """``error_label``: the electronics report an error that nobody asked for."""
        if kind != "error_label":
            super().own_fault(kind)
        self._broadcast("ErrorBias", "bias source of detector 1 does not answer")

    def inspect(self) -> dict[str, Any]:
        now = self.lab.now_ps
        return {
            "bias_a": [trace.at(now) for trace in self.bias],
            "enabled": bool(self.enabled.at(now)),
            "period_ms": self._values["InptMeasurementPeriod"],
        }
