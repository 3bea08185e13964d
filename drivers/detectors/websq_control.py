"""The control port of a WebSQ: labels asked for, labels set, labels broadcast at any time, errors among them.

A request for all labels is answered with one object per label, ``{"label": l, "value": {"value": v, "bounds": [...],
"unit": u}}``; a broadcast is ``{"label": l, "value": v}``. Nothing ties an answer to its request. So an answer counts
only when all labels of ``LABELS`` came since the request, and an answer that broke off is left behind with its
connection: what comes late can never be taken for the answer to the next request.
"""

import json
import math
from collections.abc import Callable
from typing import Any

from ...testbed.errors import ProtocolError, TransportTimeout
from ..interfaces import Instrument
from ..transports import ByteTransport
from .json_stream import JsonStream

COUNT, BIAS, TRIGGER = "NumberOfDetectors", "BiasCurrent", "TriggerLevel"
PERIOD, ENABLED = "InptMeasurementPeriod", "DetectorEnable"
LABELS = {COUNT: "", BIAS: "uA", TRIGGER: "mV", PERIOD: "ms", ENABLED: ""}
"""The labels this driver uses, with their units on the wire."""

_ANSWER_S = 5.0
_BROADCAST_S = 1.0


class ControlPort:
    """Talks JSON over ``transport`` on behalf of ``instrument``, which names the errors.

    Attributes:
        recognised: whether any label of ``LABELS`` has ever come from this port.
        properties: the last answer: label -> {"value": ..., "bounds": ..., "unit": ...}, not checked.
    """

    def __init__(self, transport: ByteTransport, instrument: Instrument) -> None:
        self.recognised = False
        self.properties: dict[str, dict[str, Any]] = {}
        self._transport, self._instrument, self._clock = transport, instrument, instrument.clock
        self._decoder = JsonStream()

    def open(self) -> None:
        """Connect; no message yet."""
        self._decoder = JsonStream()
        self._transport.open()

    def close(self) -> None:
        """Disconnect; may be called twice."""
        self._transport.close()

    def ask(self) -> dict[str, Any]:
        """Return the value of every label in ``LABELS`` as the instrument reports it now, in the wire's units.

        Raises:
            TransportTimeout: not all labels came in time.
            ProtocolError: bytes that are no JSON, or a value that its label cannot have.
            InstrumentError: the electronics reported an error.
        """
        self._take_pending()
        found: dict[str, dict[str, Any]] = {}

        def complete(label: str, value: Any) -> bool:
            if isinstance(value, dict) and "value" in value:
                found[label] = value
            return found.keys() >= LABELS.keys()

        self._send({"request": "labelProps", "value": "None"})
        try:
            came = self._listen(complete, _ANSWER_S)
        except BaseException:
            self._reopen()
            raise
        if not came:
            self._reopen()
            missing = ", ".join(sorted(LABELS.keys() - found.keys()))
            raise TransportTimeout(
                f"no complete answer within {_ANSWER_S:g} s: {missing} did not come",
                where=f"{self._instrument.label} at {self._instrument.resource}",
                hint="is this the control port (12000) of a WebSQ, and does its own web page work?",
            )
        self.properties = found
        return {label: self._checked(label, found[label]["value"]) for label in LABELS}

    def set(self, command: str, label: str, value: Any, confirms: Callable[[Any], bool]) -> None:
        """Send a set and wait for the broadcast that confirms it; if none comes, read back.

        Raises:
            InstrumentError: the electronics report an error, or keep another value.
        """
        self._take_pending()
        self._send({"command": command, "label": label, "value": value})
        try:
            confirmed = self._listen(lambda name, news: name == label and confirms(news), _BROADCAST_S)
        except ProtocolError:
            self._reopen()  # the rest of the garbage is not to spoil the next command
            raise
        if confirmed:
            return
        found = self.ask()[label]
        if not confirms(found):
            raise self._instrument.error(
                f"{command} was not carried out: {label} was set to {value} and reads {found} {LABELS[label]}".rstrip(),
                hint="is a scan or an automatic bias search running, or somebody else setting it?",
            )

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.write(json.dumps(message).encode("utf-8"))

    def _listen(self, enough: Callable[[str, Any], bool], timeout_s: float) -> bool:
        """Take in labels until ``enough(label, value)`` says so; return False if it never did in time."""
        end = self._clock.monotonic_s() + timeout_s
        while (left := end - self._clock.monotonic_s()) > 0:
            try:
                data = self._transport.read_some(left)
            except TransportTimeout:
                return False
            answers = [enough(label, value) for label, value in self._labels(data)]  # all of them, not up to the first
            if any(answers):
                return True
        return False

    def _take_pending(self) -> None:
        """Take in what was broadcast since the last call."""
        self._labels(self._transport.discard_input())

    def _labels(self, data: bytes) -> list[tuple[str, Any]]:
        """Return the labels in ``data``; raises on garbage and on an error the electronics report."""
        objects = self._decoder.feed(data)
        labels = [
            (each["label"], each["value"]) for each in objects if isinstance(each.get("label"), str) and "value" in each
        ]
        self.recognised = self.recognised or any(label in LABELS for label, _ in labels)
        if self._decoder.garbage:
            raise self._instrument.protocol_error(
                "control port", self._decoder.take_garbage()[:200], "expected JSON objects"
            )
        for label, value in labels:
            # In the answer to a request an error label only repeats what was broadcast when it happened.
            if "Error" in label and value and not isinstance(value, dict):
                raise self._instrument.error(
                    f"the electronics report {label}: {value}", hint="look the text up in the manual of the electronics"
                )
        return labels

    def _reopen(self) -> None:
        """Leave a half-read answer behind; a connection that broke stays closed."""
        if self._transport.is_open:
            self.close()
            self.open()

    def _checked(self, label: str, value: Any) -> Any:
        """Return the value of a label if it is one the label can have."""
        if label == COUNT and is_number(value) and value >= 1 and int(value) == value:
            return int(value)
        if label in (BIAS, TRIGGER) and isinstance(value, list) and value and all(map(is_number, value)):
            return value
        if label == PERIOD and is_number(value) and value > 0:
            return value
        if label == ENABLED and value in (True, False):
            return bool(value)
        raise self._instrument.protocol_error(label, value, "not a value this label can have")


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
