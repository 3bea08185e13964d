"""Byte-stream transports: framing, bounded waits and counts, shared by serial ports, sockets and PyVISA resources."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

from ...testbed.clock import Clock
from ...testbed.errors import TransportError, TransportTimeout


class ByteTransport(ABC):
    """One open byte stream to an instrument (it is also the ``Line`` the clock waits on).

    A subclass moves bytes; everything about waiting, terminators and leftovers is here. Nothing is assumed about
    how the far end cuts its replies into pieces.
    """

    def __init__(self, resource: str, clock: Clock, label: str = "") -> None:
        self.resource, self.clock, self.label = resource, clock, label or resource
        self.key = ""
        self.sent = 0
        self.received = 0
        self._buffer = bytearray()
        self._open = False

    # --- what a subclass provides -----------------------------------------------------------------------------

    @abstractmethod
    def _open_port(self) -> str:
        """Open the port and return the key that names this connection to a simulated lab."""

    @abstractmethod
    def _close_port(self) -> None: ...

    @abstractmethod
    def _send(self, data: bytes) -> None: ...

    @abstractmethod
    def _receive(self, slice_s: float) -> bytes:
        """Return the bytes that are there, waiting at most ``slice_s`` seconds of wall time for the first."""

    @abstractmethod
    def pollable(self) -> object: ...

    # --- life -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port.

        Raises:
            TransportError: no such port, or nobody listens there.
        """
        if self._open:
            return
        try:
            self.key = self._open_port()
        except Exception as error:  # pyserial, pyvisa and the socket library each raise their own kinds
            plain = getattr(error, "errno", None) in (errno.ENOENT, errno.EACCES)  # pyserial says it three times over
            why = os.strerror(error.errno) if plain and isinstance(error, OSError) and error.errno else str(error)
            raise TransportError(
                f"cannot open {self.resource}: {why}", where=self.label, hint=self._open_hint()
            ) from error
        self._open, self.sent, self.received = True, 0, 0
        self._buffer.clear()
        self.clock.opened(self)

    def _open_hint(self) -> str:
        if "tty" in self.resource or "ASRL" in self.resource or self.resource.startswith("serial:"):
            return "is it plugged in and powered? is this user in group dialout? does another program use it?"
        return "is the instrument switched on and reachable? check address and port in the testbed file"

    def close(self) -> None:
        """Close the port; may be called twice."""
        if self._open:
            self._open = False
            self._close_port()

    @property
    def is_open(self) -> bool:
        return self._open

    # --- traffic ----------------------------------------------------------------------------------------------

    def has_input(self, slice_s: float) -> bool:
        """Return whether new bytes came, waiting at most ``slice_s`` seconds of wall time."""
        if not self._open:
            raise self._closed()
        try:
            data = self._receive(slice_s)
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            return False
        self.received += len(data)
        self._buffer += data
        return True

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        if not self._open:
            raise self._closed()
        try:
            self._send(data)
        except OSError as error:
            raise self._gone(error) from error
        self.sent += len(data)
        self.clock.wrote(self)

    def read_until(self, terminator: bytes, timeout_s: float = 2.0) -> bytes:
        """Return everything up to and including ``terminator``; what came after it stays for the next read.

        Raises:
            TransportTimeout: the terminator did not come in time; the message holds what did come.
        """
        if terminator not in self._buffer:
            self._fill(lambda: terminator in self._buffer, timeout_s, "a reply ending in", terminator)
        end = self._buffer.index(terminator) + len(terminator)
        return self._take(end)

    def read_exactly(self, count: int, timeout_s: float = 2.0) -> bytes:
        """Return exactly ``count`` bytes."""
        if len(self._buffer) < count:
            self._fill(lambda: len(self._buffer) >= count, timeout_s, "so many bytes:", count)
        return self._take(count)

    def read_some(self, timeout_s: float = 2.0) -> bytes:
        """Return whatever is there as soon as anything is."""
        if not self._buffer:
            self._fill(lambda: bool(self._buffer), timeout_s, "any reply")
        return self._take(len(self._buffer))

    def holds(self, terminator: bytes) -> bool:
        """Return whether ``terminator`` is in what came so far; nothing is waited for."""
        return terminator in self._buffer

    def discard_input(self) -> bytes:
        """Throw away what has come so far (stale replies, garbage) and return it, for the log."""
        while self.has_input(0.0):
            pass
        return self._take(len(self._buffer)) if self._buffer else b""

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self, enough: Callable[[], bool], timeout_s: float, *wanted: object) -> None:
        """Wait until there is ``enough``, which there is not yet; ``wanted`` says what, for the error."""
        if not self._open:
            raise self._closed()
        end, left = self.clock.monotonic_s() + timeout_s, timeout_s
        while left > 0 and self.clock.wait_readable(self, left):
            if enough():
                return
            left = end - self.clock.monotonic_s()
        if enough():
            return
        raise TransportTimeout(
            f"no complete answer within {timeout_s:g} s: waited for {' '.join(map(str, wanted))}, "
            f"got {bytes(self._buffer)!r}",
            where=f"{self.label} at {self.resource}",
            hint="is it powered and at this port with the right baud rate? power-cycle it if it hangs",
        )

    def _closed(self) -> TransportError:
        return TransportError(f"{self.resource} is closed", where=self.label, hint="open the instrument first")

    def _gone(self, error: OSError) -> TransportError:
        self.close()
        return TransportError(
            f"the connection broke: {error}",
            where=f"{self.label} at {self.resource}",
            hint="check cable and power, then open the instrument again",
        )
