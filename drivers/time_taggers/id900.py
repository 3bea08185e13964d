"""ID Quantique ID900/ID1000 Time Controller: four inputs, count rates and time tags.

Settings and count rates are SCPI text over ZeroMQ (port 5555, id900_text.py). Time tags come through the maker's
DataLinkTargetService on the host computer (datalink.py, id900_recording.py). Firmware whose commands have one level
more (``RAW1:INPO:REF:LINK``) is refused when it is opened.

Sources: Time Controller Series user manual, chapters 8 and 9; public drivers and code built on the maker's examples.
"""

import math
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ...testbed.clock import PS_PER_S
from ...testbed.errors import BellringerError, IdentityError, LimitError
from ..interfaces import ClockMap, Identity, Instrument, Reading, Recording, Setting, TagBlock
from ..transports import ZmqStream
from .datalink import DataLink
from .id900_recording import StreamedRecording
from .id900_stream import QUEUE, TagStream, no_stream
from .id900_text import Refused, TextLink, number, word
from .sub_acquisitions import Plan

INPUTS = (1, 2, 3, 4)
EDGES = ("RISI", "FALL")
RESOLUTIONS = ("HIRES", "LOWRES")
REFERENCES = ("INTERNAL", "EXTERNAL")
LONGEST_S = 3600.0
"""A recording is held in memory; a longer one is made of several."""

_RECALIBRATION_S = 20.0
_THRESHOLD_STEP_V = 0.01
"""The instrument may round a threshold to its own steps by this much; more is a refusal."""


class Id900(Instrument):
    """Time tagger with inputs 1 to 4; tags in integer picoseconds.

    Args:
        resource: ``zmq://host:5555``.
        dlt_port: port of DataLinkTargetService.
        dlt_host: the computer it runs on; empty for this one.
        stream_ports: ports on which it sends tags, one per input, or a number to which the input is added.
        dlt_address: the instrument's address as that computer sees it; empty for the one in ``resource``.
    """

    verified = "driver-source"
    model_name = "ID Quantique ID900"

    threshold = Setting(
        "INPU1:THRE?",
        lambda unit, volts: unit._text.set(_inputs("THRE"), f"{volts:.4f}V", number, tolerance=_THRESHOLD_STEP_V),
        unit="V",
        parse=number,
        limits=(-2.0, 2.0),
        doc="Discriminator threshold of all inputs; reads input 1's.",
    )
    edge = Setting(
        "INPU1:EDGE?",
        lambda unit, edge: unit._text.set(_inputs("EDGE"), edge, word(EDGES)),
        kind=str,
        parse=word(EDGES),
        choices=EDGES,
        doc="The edge that counts, rising or falling, of all inputs; reads input 1's.",
    )
    count_period = Setting(
        "INPU1:COUN:INTE?",
        lambda unit, seconds: unit._text.set(_inputs("COUN:INTE"), f"{seconds * 1e3:.0f}", number),
        unit="s",
        parse=lambda text: number(text) / 1e3,
        limits=(0.01, 60.0),
        doc="Time over which the count rates of all inputs are taken, to 1 ms; reads input 1's.",
    )
    resolution = Setting(
        "DEVI:RES?",
        lambda unit, mode: unit._text.set(["DEVI:RES"], mode, word(RESOLUTIONS), timeout_s=_RECALIBRATION_S),
        kind=str,
        parse=word(RESOLUTIONS),
        choices=RESOLUTIONS,
        doc="HIRES (about 1 ps, at most 25 MHz per input) or LOWRES (100 ps).",
    )
    clock_reference = Setting(
        "DEVI:SYNC?",
        lambda unit, source: unit._text.set(["DEVI:SYNC"], source, word(REFERENCES)),
        kind=str,
        parse=word(REFERENCES),
        choices=REFERENCES,
        doc="Where its 10 MHz come from.",
    )
    resolution_bin = Reading("DEVI:RES:BWID?", unit="ps", parse=number, doc="Bin of the time stamps.")
    state = Reading("STAT?", kind=str, doc="The instrument's own account of its state.")

    def __init__(
        self,
        resource: str,
        *,
        dlt_port: int = 6060,
        dlt_host: str = "",
        stream_ports: int | Sequence[int] = 4241,
        dlt_address: str = "",
        **common: Any,
    ) -> None:
        super().__init__(resource, **common)
        self.dlt_port, self.dlt_host, self.dlt_address = dlt_port, dlt_host or "localhost", dlt_address
        self.stream_ports = stream_ports
        self._links: tuple[TextLink, DataLink] | None = None
        self._stream: TagStream | None = None

    # --- TimeTagger -------------------------------------------------------------------------------------------

    def record(self, duration_s: float, channels: list[int], start_ps: int | None = None) -> Recording:
        """Record tags of ``channels`` for ``duration_s`` (s), from hardware time ``start_ps`` (ps) or at once.

        Raises:
            LimitError: a duration or an input the instrument does not have; nothing was sent.
            InstrumentError: ``start_ps`` is past, the instrument refused, or not everything was transferred.
            OverflowDetected: tags were lost.
            ProtocolError: what came is no whole recording.
        """
        plan = Plan.covering(self._checked_duration_ps(duration_s))
        streams = self._streams(channels, "record")
        return StreamedRecording(self, self._datalink, streams, self._address(), plan).run(start_ps)

    def start_stream(self, channels: list[int], start_ps: int | None = None) -> ClockMap:
        """Begin to stream the tags of ``channels``, from hardware time ``start_ps`` (ps) or at once.

        Raises: as ``record``.
        """
        stream = TagStream(self, self._datalink, self._streams(channels, "start_stream"), self._address())
        clock_map = stream.start(start_ps)
        self._stream = stream
        return clock_map

    def read_stream(self, wait_s: float) -> TagBlock:
        """Return the sub-acquisitions of 0.2 s that came since the last call, waiting at most ``wait_s`` (s) for one.

        Raises:
            InstrumentError: no stream runs, or nothing came for 10 s. The stream has ended, as after every error.
            OverflowDetected: tags were lost.
            ProtocolError: what came are no time stamps.
        """
        if self._stream is None:
            raise no_stream(self)
        try:
            return self._stream.read(wait_s)
        except BaseException:
            self._stream = None
            raise

    def stop_stream(self) -> None:
        """End the stream; what was not read is discarded. Without a stream nothing happens."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()

    def count_rates(self) -> dict[int, float]:
        """Return the count rate of every input, 1/s, over one count period that began after this call."""
        periods_s = [period_ms / 1e3 for period_ms in self._text.read(_inputs("COUN:INTE"), _positive)]
        # The counters run freely: after two periods, the last complete one began after this call.
        self.clock.sleep(2 * max(periods_s))
        counts = self._text.read(_inputs("COUN"), number)
        return {n: count / period_s for n, count, period_s in zip(INPUTS, counts, periods_s)}

    def is_recording(self) -> bool:
        """Ask whether the recorder plays."""
        stage = self._ask("REC:STAG?")
        if not stage.upper().startswith(("IDLE", "WAIT", "ARM", "PLAY", "STOP")):
            raise self.protocol_error("REC:STAG?", stage, "expected the recorder's stage")
        return stage.upper().startswith("PLAY")

    def tag_errors(self, channel: int) -> int:
        """Return how many errors the time stamps of an input have had since its error counter was cleared."""
        return int(self._text.read([f"RAW{channel}:ERRO"], number)[0])

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._host()
        self._ports_by_input()
        self._links = TextLink(self.resource, self), DataLink(self.dlt_host, self.dlt_port, self.clock, self.label)
        for link in self._links:
            link.open()

    def _disconnect(self) -> None:
        for each in (*(self._links or ()), *([self._stream] if self._stream else [])):
            each.close()
        self._links = self._stream = None

    def identify(self) -> Identity:
        """Ask ``*IDN?``: maker, model, serial number, firmware."""
        reply = self._ask("*IDN?")
        model = re.search(r"\bID(900|1000)\b", reply, re.IGNORECASE)
        if model is None:
            raise IdentityError(
                f"expected an ID900 or ID1000, found {reply[:200]!r}",
                where=f"{self.label} at {self.resource}",
                hint="check host and port in the testbed file; a Time Controller listens on 5555",
            )
        serial, firmware = [*(field.strip() for field in reply.split(",")[2:4]), "", ""][:2]
        return Identity("ID Quantique", model[0].upper(), serial, firmware)

    def _prepare(self) -> None:
        """Enable the inputs unshaped, as time stamps need them, and send each one's own tags to the raw data."""
        try:
            for n in INPUTS:
                self._tell(f"INPU{n}:ENAB ON;SELE UNSHAPED")
                self._tell(f"INPU{n}:COUN:MODE CYCL")
                self._tell(f"RAW{n}:STOP:LINK INPU{n};:RAW{n}:REF:LINK NONE")
        except Refused as error:
            raise self.error(error.what, hint="its firmware is too old for this driver; update it") from error

    def safe_state(self) -> None:
        """Stop recording, streaming and sending, confirmed by the recorder's stage. A tagger emits nothing."""
        try:
            self._tell("REC:STOP")
            self._tell(";:".join(f"RAW{n}:SEND OFF" for n in INPUTS))
            if self.is_recording():
                raise self.error("it still records after REC:STOP", hint="power-cycle it")
        finally:
            self.stop_stream()

    def _ask(self, query: str) -> str:
        return self._text.ask(query)

    def _tell(self, command: str) -> None:
        self._text.tell(command)

    @property
    def _text(self) -> TextLink:
        return self._opened()[0]

    @property
    def _datalink(self) -> DataLink:
        return self._opened()[1]

    def _opened(self) -> tuple[TextLink, DataLink]:
        if self._links is None:
            raise self.error("the instrument is not open", hint="open it first")
        return self._links

    # --- what was asked for -----------------------------------------------------------------------------------

    def _checked_duration_ps(self, duration_s: float) -> int:
        number_given = isinstance(duration_s, (int, float)) and not isinstance(duration_s, bool)
        if not number_given or not math.isfinite(duration_s) or not 1e-6 <= duration_s <= LONGEST_S:
            raise LimitError(
                f"cannot record for {duration_s!r} s",
                where=f"{self.label}.record",
                hint=f"nothing was sent; choose 1 us to {LONGEST_S:g} s, and make longer recordings of several",
            )
        return round(duration_s * PS_PER_S)

    def _streams(self, channels: Sequence[int], method: str) -> dict[int, ZmqStream]:
        """Return the streams of some inputs, closed, if they are free."""
        checked, ports = self._checked_channels(channels, method), self._ports_by_input()
        if self._stream is not None:
            raise self.error("it streams its tags already", hint="stop the stream first")
        queue = QUEUE if method == "start_stream" else 1000
        return {
            channel: ZmqStream(f"zmq://{self.dlt_host}:{ports[channel]}", self.clock, self.label, queue)
            for channel in checked
        }

    def _address(self) -> str:
        """Return the instrument's address as the host of the time stamps must be told."""
        return self.dlt_address or self._host()

    def _checked_channels(self, channels: Sequence[int], method: str) -> list[int]:
        whole = [each for each in channels if isinstance(each, int) and not isinstance(each, bool)]
        if not whole or len(set(whole)) != len(channels) or not set(whole) <= set(INPUTS):
            raise LimitError(
                f"cannot record inputs {channels!r}",
                where=f"{self.label}.{method}",
                hint="nothing was sent; name each of the inputs 1 to 4 at most once, and at least one",
            )
        return whole

    def _ports_by_input(self) -> dict[int, int]:
        ports = self.stream_ports
        found = [ports + n for n in INPUTS] if isinstance(ports, int) else list(ports)
        if len(found) != len(INPUTS) or not all(isinstance(port, int) and 0 < port < 65536 for port in found):
            raise BellringerError(
                f"stream_ports is {ports!r}",
                where=self.label,
                hint="give one port per input, or a number to which the input is added (4241)",
            )
        return dict(zip(INPUTS, found))

    def _host(self) -> str:
        """Return the instrument's host."""
        parts = urlsplit(self.resource)
        if parts.scheme != "zmq" or not re.fullmatch(r"[^:]+:\d+", parts.netloc) or parts.path:
            raise BellringerError(
                f"'{self.resource}' is no resource of an ID900", where=self.label, hint="use zmq://host:5555"
            )
        return parts.netloc.partition(":")[0]


def _inputs(command: str) -> list[str]:
    """Return a command's head for every input."""
    return [f"INPU{n}:{command}" for n in INPUTS]


def _positive(text: str) -> float:
    value = number(text)
    if value <= 0:
        raise ValueError(f"{text!r} is not above zero")
    return value
