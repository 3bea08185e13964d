"""Byte streams through PyVISA (pure-Python back-end): ``ASRL/dev/ttyUSB0::INSTR``, ``TCPIP::host::port::SOCKET``.

The back-end tells no descriptor, so input is asked for one byte at a time in slices of a millisecond.
"""

from typing import Any

from ...testbed.clock import Clock
from .byte_stream import ByteTransport


class VisaTransport(ByteTransport):
    """A PyVISA session used as a byte stream. ``options`` are the ones of ``SerialTransport``, for ASRL resources."""

    def __init__(self, resource: str, clock: Clock, label: str = "", **options: Any) -> None:
        super().__init__(resource, clock, label)
        self.options = options
        self._session: Any = None

    def _open_port(self) -> str:
        import pyvisa  # half a second to import, so only when a VISA resource is really opened

        session: Any = pyvisa.ResourceManager("@py").open_resource(self.resource)
        session.read_termination = session.write_termination = None
        if self.resource.upper().startswith("ASRL"):
            self._set_serial(session, pyvisa)
            session.timeout = 1
            self._session = session
            return "pty:" + self.resource[4:].partition("::")[0]
        session.set_visa_attribute(pyvisa.constants.ResourceAttribute.termchar_enabled, False)
        session.timeout = 1
        self._session = session
        interface = session.visalib.sessions[session.session].interface
        return f"tcp:{interface.getpeername()[1]}:{interface.getsockname()[1]}"

    def _set_serial(self, session: Any, pyvisa: Any) -> None:
        session.baud_rate = self.options.get("baudrate", 9600)
        session.end_input = pyvisa.constants.SerialTermination.none
        flow = pyvisa.constants.ControlFlow
        if self.options.get("rtscts"):
            session.flow_control = flow.rts_cts
        elif self.options.get("xonxoff"):
            session.flow_control = flow.xon_xoff

    def _close_port(self) -> None:
        session, self._session = self._session, None
        session.close()

    def _send(self, data: bytes) -> None:
        import pyvisa

        self._session.timeout = 2000  # reading leaves a millisecond here, too little for a write on a busy computer
        try:
            self._session.write_raw(data)
        except pyvisa.errors.VisaIOError as error:
            raise OSError(str(error)) from error

    def _receive(self, slice_s: float) -> bytes:
        import pyvisa

        try:
            self._session.timeout = max(1, round(slice_s * 1000))
            return bytes(self._session.read_bytes(1))
        except pyvisa.errors.VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                return b""
            raise OSError(str(error)) from error

    def pollable(self) -> object:
        return None
