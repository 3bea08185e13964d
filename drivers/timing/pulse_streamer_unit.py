"""A Pulse Streamer 8/2 as a pulse generator, over its JSON-RPC: eight digital outputs on a clock of 1 ns.

Methods and codes are those of the maker's client (pulsestreamer 2.1); no unit was at hand. The analogue outputs stay
at 0 V. Not here: the binary upload port of newer firmware.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...testbed.clock import Clock
from ...testbed.errors import IdentityError, InstrumentError, LimitError, ProtocolError
from ..interfaces import Identity, Instrument, Reading, Setting
from ..transports import HttpRequester
from ..transports.resync import again
from .pulse_patterns import OUTPUTS, encoded, steps

PORT = 8050
_REPLY_S = 2.0
_UPLOAD_S = 20.0
_LOW = [0, 0, 0, 0]
_MANUAL = 1
TRIGGERS = ("IMMEDIATE", "SOFTWARE", "RISING", "FALLING", "BOTH")
CLOCKS = ("INTERNAL", "MHZ125", "MHZ10")


class PulseStreamerUnit(Instrument):
    """Capability ``PulseGenerator``.

    Args:
        channels: channel name -> output number, 0 to 7, as pulses name them; ``ch0`` to ``ch7`` if not given.
    """

    verified = "driver-source"
    model_name = "Pulse Streamer 8/2"

    trigger = Setting(
        lambda unit: TRIGGERS[unit._code("getTriggerStart", len(TRIGGERS))],
        lambda unit, value: unit._set_trigger(value),
        kind=str,
        choices=TRIGGERS,
        doc="What starts a sequence: at once, start(), or an edge at the trigger input.",
    )
    clock_source = Setting(
        lambda unit: CLOCKS[unit._code("getClock", len(CLOCKS))],
        lambda unit, value: unit._set_clock(value),
        kind=str,
        choices=CLOCKS,
        doc="Where its clock comes from.",
    )
    playing = Reading(lambda unit: unit.is_playing(), kind=bool, doc="Whether it plays or waits for a trigger.")
    underflow = Reading(
        lambda unit: unit.underflowed(), kind=bool, doc="Whether pulses were lost since the last start."
    )
    temperature = Reading(lambda unit: float(unit._call("getTemperature")), unit="degC", doc="Inside the unit.")

    def __init__(
        self,
        resource: str,
        *,
        channels: Mapping[str, int] | None = None,
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        self.outputs = {f"ch{number}": number for number in range(OUTPUTS)} if channels is None else dict(channels)
        for channel, number in self.outputs.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < OUTPUTS:
                raise LimitError(f"channels: {channel} is {number!r}", where=self.label, hint="outputs are 0 to 7")
        self._http = HttpRequester(resource, self.clock, self.label, port=PORT, path="/json-rpc")
        self._request = 0
        self._prepared: tuple[str, int] | None = None

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Nothing: each request has a connection of its own."""

    def _disconnect(self) -> None:
        self._http.close()

    def identify(self) -> Identity:
        """Ask for serial number (its MAC address) and firmware."""
        try:
            serial, firmware = self._call("getSerial", 0), self._call("getFirmwareVersion")
        except ProtocolError as error:
            raise IdentityError(
                f"no Pulse Streamer answers here: {error.what}",
                where=f"{self.label} at {self.resource}",
                hint=f"check the address; its JSON-RPC listens on port {PORT}",
            ) from error
        return Identity("Swabian Instruments", self.model_name, str(serial), str(firmware))

    def _prepare(self) -> None:
        self.safe_state()

    def safe_state(self) -> None:
        """All outputs low, no edge can start it, and it says that it does not stream; tried twice.

        Raises:
            InstrumentError: it does not confirm that.
        """
        with self.clock.shielded():
            try:
                self._go_dark()
            except InstrumentError:
                try:
                    self._go_dark()
                except InstrumentError as error:
                    raise self.error(
                        f"cannot confirm that all outputs are low: {error.what}",
                        "treat what it drives as on: unplug its outputs, then check network and power",
                    ) from error

    def _go_dark(self) -> None:
        self._call("constant", _LOW)
        self._set_trigger("SOFTWARE")
        if self._call("isStreaming"):
            self._call("reset")
            if self._call("isStreaming"):
                raise self.error("it still streams after constant() and reset()", "power-cycle it")

    # --- PulseGenerator ---------------------------------------------------------------------------------------

    def set_pulses(self, pulses: list[tuple[str, int, int]], period_ps: int, repeats: int) -> None:
        """Prepare pulses (channel, begin and length in ps) of a period; sent with ``start``.

        Raises:
            LimitError: unknown channel, times off the clock of 1 ns, too many steps, or no number of repeats.
        """
        if isinstance(repeats, bool) or not isinstance(repeats, int) or not 1 <= repeats < 2**31:
            raise LimitError(f"repeats is {repeats!r}", where=self.label, hint="1 to 2147483647 periods")
        self._prepared = encoded(steps(pulses, period_ps, self.outputs, self.label)), repeats

    def start(self) -> None:
        """Upload and play: at once, or at the next edge if ``trigger`` says so."""
        if self._prepared is None:
            raise self.error("there is nothing to play", "give it pulses first: set_pulses(...)")
        pattern, repeats = self._prepared
        by_software = self.trigger == "SOFTWARE"
        self._call("stream", pattern, repeats, _LOW, timeout_s=_UPLOAD_S)
        if by_software:
            self._call("startNow")

    def stop(self) -> None:
        """Stop at once, all outputs low; afterwards only ``start`` can begin anew (``trigger`` is SOFTWARE)."""
        self.safe_state()

    def is_playing(self) -> bool:
        """Ask whether it plays, or holds a sequence that waits for its trigger."""
        return bool(self._call("isStreaming")) or (
            bool(self._call("hasSequence")) and not self._call("hasFinished") and self.trigger != "SOFTWARE"
        )

    def underflowed(self) -> bool:
        """Ask whether pulses were lost since the last sequence was uploaded."""
        return bool(self._call("getUnderflow"))

    # --- wire -------------------------------------------------------------------------------------------------

    def _set_trigger(self, value: str) -> None:
        self._call("setTrigger", TRIGGERS.index(value), _MANUAL)
        self._confirm("trigger", value)

    def _set_clock(self, value: str) -> None:
        self._call("selectClock", CLOCKS.index(value))
        self._confirm("clock_source", value)

    def _confirm(self, setting: str, value: str) -> None:
        found = getattr(self, setting)
        if found != value:
            raise self.error(f"{setting} was set to {value} and reads {found}", "is another program using the unit?")

    def _code(self, method: str, count: int) -> int:
        found = self._call(method)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < count:
            raise self.protocol_error(method, found, f"expected a code below {count}")
        return found

    def _call(self, method: str, *params: Any, timeout_s: float = _REPLY_S) -> Any:
        """Return the result of a remote call; a question is asked again if its answer is lost, a command is not."""
        ask: Callable[[], Any] = lambda: self._once(method, params, timeout_s)  # noqa: E731 - given to again()
        return again(ask) if method.startswith(("get", "is", "has")) else ask()

    def _once(self, method: str, params: tuple[Any, ...], timeout_s: float) -> Any:
        self._request += 1
        asked = {"jsonrpc": "2.0", "id": self._request, "method": method, "params": list(params)}
        body = self._http.post(json.dumps(asked).encode(), "application/json", timeout_s)
        try:
            said = json.loads(body)
        except ValueError:
            raise self.protocol_error(method, body[:80], "expected JSON") from None
        if not isinstance(said, dict) or said.get("id") != self._request or not {"result", "error"} & said.keys():
            raise self.protocol_error(method, body[:80], "expected the reply to this request")
        if said.get("error") is not None:
            raise self.error(f"{method} was refused: {said['error']}", "its firmware may not know this call")
        return said.get("result")
