"""Single Quantum Eos: bias, trigger and counts of SNSPDs through the WebSQ server of their electronics.

Two TCP ports on the instrument: control (12000, see websq_control.py) and counts (12345, see websq_counts.py). The
protocol reports no serial number, so the driver can tell a WebSQ from something else, but not two of them apart.

Source: the maker's own client ``WebSQControl.py`` (MIT).
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...testbed.errors import BellringerError, IdentityError, LimitError, ProtocolError
from ..interfaces import Counted, Identity, Instrument, Reading, Setting
from ..transports import byte_transport
from .websq_control import BIAS, COUNT, ENABLED, LABELS, PERIOD, TRIGGER, ControlPort, is_number
from .websq_counts import LATE_S, CountsSum, counts_in

_BIAS_STEP_UA, _TRIGGER_STEP_MV = 0.1, 1.0
"""The electronics may round a setpoint to their own steps by this much; more is a refusal."""


class WebSq(Instrument):
    """SNSPD electronics with any number of detectors.

    Args:
        resource: the control port, ``socket://host:12000`` or ``TCPIP::host::12000::SOCKET``.
        counts_port: TCP port of the counts on the same host.
    """

    verified = "driver-source"
    model_name = "Single Quantum WebSQ"

    detectors = Reading(lambda unit: unit.channel_count(), kind=int, doc="Number of detectors.")
    bias_current = Setting(
        lambda unit: unit.bias_currents()[0],
        lambda unit, value: unit.set_bias_currents([value] * unit.channel_count()),
        unit="A",
        limits=(-90.9e-6, 90.9e-6),
        doc="Bias current of all detectors; reads detector 1's. set_bias_currents gives each its own.",
    )
    trigger_level = Setting(
        lambda unit: unit.trigger_levels()[0],
        lambda unit, value: unit.set_trigger_levels([value] * unit.channel_count()),
        unit="V",
        doc="Trigger level of all counters; reads detector 1's. The unit itself reports the limits.",
    )
    measurement_period = Setting(
        lambda unit: unit._control.ask()[PERIOD] / 1e3,
        lambda unit, value: unit._set_period(value),
        unit="s",
        limits=(0.01, 3600.0),
        doc="Time over which the counts of one line are summed; whole milliseconds.",
    )
    detectors_enabled = Setting(
        lambda unit: unit._control.ask()[ENABLED],
        lambda unit, value: unit._control.set("DetectorEnable", ENABLED, value, lambda found: found is value),
        kind=bool,
        doc="Whether amplifiers and bias are on.",
    )

    def __init__(self, resource: str, *, counts_port: int = 12345, **common: Any) -> None:
        super().__init__(resource, **common)
        self.counts_port = counts_port
        self._port: ControlPort | None = None
        self._counts: CountsSum | None = None
        self._channels = 0

    # --- PhotonDetector ---------------------------------------------------------------------------------------

    def channel_count(self) -> int:
        """Return the number of detectors, learned when the instrument was opened."""
        return self._channels

    def enable(self) -> None:
        """Switch amplifiers and bias on; confirmed by the electronics."""
        self.detectors_enabled = True

    def disable(self) -> None:
        """Take the bias away; confirmed by the electronics."""
        self.detectors_enabled = False

    def count_rates(self) -> list[float]:
        """Return the count rate of every detector, 1/s, over one measurement period that began after this call."""
        period_s = self.measurement_period
        counts = byte_transport(self._counts_resource(), self.clock, self.label)
        counts.open()
        try:
            # What comes first may be half a line, or sum up a period that began before this call or a new setting.
            counts.read_until(b"\n", timeout_s=period_s + LATE_S)
            line = counts.read_until(b"\n", timeout_s=period_s + LATE_S)
        finally:
            counts.close()
        return [count / period_s for count in counts_in(line, self, self._channels)]

    def counted(self) -> Counted:
        """Return what was counted up to now, in whole measurement periods; the counts port stays connected."""
        values = self._control.ask()
        if self._counts is None:
            transport = byte_transport(self._counts_resource(), self.clock, self.label)
            self._counts = CountsSum(transport, self, self._channels)
        self._counts.take(values[PERIOD] / 1e3)
        return Counted(self._counts.live_s, np.array(self._counts.clicks, np.int64), values[ENABLED])

    # --- one value per detector -------------------------------------------------------------------------------

    def bias_currents(self) -> list[float]:
        """Return the bias current setpoint of every detector, A."""
        return [_scaled(value, 1e-6) for value in self._list_of(BIAS)]

    def set_bias_currents(self, currents: Sequence[float]) -> None:
        """Set the bias current of every detector, A, and wait until the electronics confirm them.

        Raises:
            LimitError: not one number per detector, or one outside the limits of ``bias_current``; nothing was sent.
            InstrumentError: the electronics refused.
        """
        wire = [round(value * 1e6, 6) for value in self._check_all("bias_current", currents)]
        self._control.set("SetAllBiasCurrents", BIAS, wire, lambda found: _agree(found, wire, _BIAS_STEP_UA))

    def trigger_levels(self) -> list[float]:
        """Return the trigger level of every counter, V."""
        return [_scaled(value, 1e-3) for value in self._list_of(TRIGGER)]

    def set_trigger_levels(self, levels: Sequence[float]) -> None:
        """Set the trigger level of every counter, V, and wait until the electronics confirm them.

        Raises:
            LimitError: not one number per detector, or one outside the limits of ``trigger_level``; nothing was sent.
            InstrumentError: the electronics refused.
        """
        wire = [round(value * 1e3, 4) for value in self._check_all("trigger_level", levels)]
        self._control.set("SetAllTriggerLevels", TRIGGER, wire, lambda found: _agree(found, wire, _TRIGGER_STEP_MV))

    def _list_of(self, label: str) -> list[float]:
        return self._one_each(label, self._control.ask()[label])

    def _one_each(self, label: str, values: list[float]) -> list[float]:
        if len(values) != self._channels:
            raise self.protocol_error(label, values, f"expected {self._channels} values")
        return values

    def _check_all(self, setting: str, values: Sequence[float]) -> list[float]:
        if len(values) != self._channels:
            raise LimitError(
                f"{len(values)} values for {self._channels} detectors",
                where=f"{self.label}.{setting}",
                hint="nothing was sent; give one value per detector",
            )
        return [self.settings()[setting].check(self, value) for value in values]

    def _set_period(self, seconds: float) -> None:
        wire = round(seconds * 1e3)
        if not math.isclose(wire, seconds * 1e3, abs_tol=1e-3):
            raise LimitError(
                f"a measurement period of {seconds:.12g} s is no whole number of milliseconds",
                where=f"{self.label}.measurement_period",
                hint="nothing was sent; round it to 1 ms",
            )
        self._control.set("SetMeasurementPeriod", PERIOD, wire, lambda found: bool(found == wire))

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._counts_resource()
        self._port = ControlPort(byte_transport(self.resource, self.clock, self.label), self)
        self._port.open()

    def _disconnect(self) -> None:
        if self._counts is not None:
            self._counts.close()
            self._counts = None
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def _control(self) -> ControlPort:
        if self._port is None:
            raise self.error("the instrument is not open", hint="open it first")
        return self._port

    def identify(self) -> Identity:
        """Ask for the labels that only a WebSQ has; learns the number of detectors and this unit's own limits."""
        try:
            values = self._control.ask()
        except ProtocolError as error:
            if self._control.recognised:
                raise  # it is one, but spoke nonsense this time
            raise IdentityError(
                f"expected a Single Quantum WebSQ; {error.what}",
                where=error.where,
                hint="something else listens there: 12000 is the control port; check the testbed file",
            ) from error
        self._channels = values[COUNT]
        self.device_limits.clear()
        for label in (BIAS, TRIGGER):
            self._one_each(label, values[label])
        self._learn_limits("bias_current", BIAS, 1e-6)
        self._learn_limits("trigger_level", TRIGGER, 1e-3)
        self._learn_limits("measurement_period", PERIOD, 1e-3)
        return Identity("Single Quantum", "WebSQ")

    def safe_state(self) -> None:
        """Confirm that the electronics answer and say whether the bias is on.

        Detectors emit no light, and taking the bias away from a latched or cold wire is nothing to do unasked: who
        wants it at the end puts ``detectors_enabled`` into the rest state.

        Raises:
            InstrumentError: no answer, or none that makes sense.
        """
        self._control.ask()

    def _learn_limits(self, setting: str, label: str, scale: float) -> None:
        """Take over the bounds this unit reports for a label, in SI units."""
        properties = self._control.properties[label]
        unit = str(properties.get("unit") or "").strip().replace("µ", "u").replace("μ", "u")
        if unit and unit != LABELS[label]:
            raise self.error(
                f"this unit counts {label} in {unit}, not in {LABELS[label]}",
                hint="its firmware is not the one this driver was written for; a setpoint would be wrong by a factor",
            )
        bounds = properties.get("bounds")
        if isinstance(bounds, list) and len(bounds) == 2 and all(map(is_number, bounds)) and bounds[0] < bounds[1]:
            self.device_limits[setting] = (_scaled(bounds[0], scale), _scaled(bounds[1], scale))

    def _counts_resource(self) -> str:
        """Return the resource of the counts port, on the control port's host."""
        socket = re.fullmatch(r"(socket://.+):\d+/?", self.resource)
        visa = re.fullmatch(r"(TCPIP\d*::.+)::\d+::SOCKET", self.resource, re.IGNORECASE)
        if socket:
            return f"{socket[1]}:{self.counts_port}"
        if visa:
            return f"{visa[1]}::{self.counts_port}::SOCKET"
        raise BellringerError(
            f"'{self.resource}' is no control port of a WebSQ",
            where=self.label,
            hint="use socket://host:12000 or TCPIP::host::12000::SOCKET",
        )


def _scaled(value: float, scale: float) -> float:
    """Return ``value * scale`` without the noise of binary fractions, so that a limit equals its own decimal text."""
    return float(f"{value * scale:.12g}")


def _agree(found: Any, wanted: list[float], step: float) -> bool:
    return (
        isinstance(found, list)
        and len(found) == len(wanted)
        and all(is_number(a) and abs(a - b) <= step for a, b in zip(found, wanted))
    )
