"""HTTP requests over the byte transports, so that they wait by the injected clock and count their bytes.

One connection a request: a late reply dies with its connection and is never taken for the answer to something else.
Plain HTTP/1.1 with ``Content-Length``; the instrument's own link is not encrypted and belongs on a private network.
"""

import re

from ...testbed.clock import Clock
from ...testbed.errors import BellringerError, ProtocolError, TransportTimeout
from .bus import byte_transport

_FORM = re.compile(r"http://(?P<host>[^/:\s]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d+))?(?P<path>/\S*)?")
_MOST_BYTES = 1 << 24


class HttpRequester:
    """Requests to one server.

    Args:
        resource: ``http://host:port/path``.
        port: where it listens if the resource does not say.
        path: what is asked for if the resource does not say.
    """

    def __init__(self, resource: str, clock: Clock, label: str = "", *, port: int = 80, path: str = "/") -> None:
        found = _FORM.fullmatch(resource)
        if found is None:
            raise BellringerError(
                f"'{resource}' is no HTTP resource", where=label, hint=f"write it like http://192.0.2.10:{port}"
            )
        self.resource, self.label, self._clock = resource, label or resource, clock
        self._host, self._path = found["host"], found["path"] or path
        self._port = byte_transport(f"socket://{self._host}:{found['port'] or port}", clock, self.label)

    def close(self) -> None:
        """Close; may be called twice."""
        self._port.close()

    def post(self, body: bytes, content_type: str, timeout_s: float = 2.0) -> bytes:
        """Send ``body`` and return the body of the reply.

        Raises:
            TransportError: nobody listens, or the connection broke.
            TransportTimeout: no whole reply within ``timeout_s`` (s).
            ProtocolError: something else than a reply with status 200.
        """
        end_s = self._clock.monotonic_s() + timeout_s
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._port.open()
        try:
            self._port.write(head.encode("ascii") + body)
            said = self._port.read_until(b"\r\n\r\n", timeout_s)
            count = self._length(said)
            return self._port.read_exactly(count, max(0.0, end_s - self._clock.monotonic_s()))
        except TransportTimeout as error:
            raise TransportTimeout(
                error.what.partition(": waited")[0],
                where=f"{self.label} at {self.resource}",
                hint="is it switched on and reachable? power-cycle it if it hangs",
            ) from error
        finally:
            self._port.close()

    def _length(self, head: bytes) -> int:
        """Return how many bytes follow the head of a reply."""
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        count = fields.get("content-length", "")
        if not re.fullmatch(r"HTTP/1\.\d 200\b.*", status):
            raise self._odd(f"it answers {status[:60]!r}")
        if not count.isdecimal() or int(count) > _MOST_BYTES:
            raise self._odd(f"its reply tells no length it could have ({count[:20]!r})")
        return int(count)

    def _odd(self, why: str) -> ProtocolError:
        return ProtocolError(
            f"no reply that can be understood: {why}",
            where=f"{self.label} at {self.resource}",
            hint="check that the address is the instrument's own, without a proxy in between",
        )
