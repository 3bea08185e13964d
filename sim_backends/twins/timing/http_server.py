"""An HTTP/1.1 server's side of byte streams: POST requests with a length in, replies with a length out."""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Lab

_MOST_BYTES = 1 << 26
_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d{1,9}) *\r\n", re.IGNORECASE)


class HttpServer:
    """One listening port.

    Args:
        answer: (path, body) to (status with its reason, body).
        delay_s: from the request to the reply, s.
    """

    def __init__(
        self, lab: "Lab", name: str, answer: Callable[[str, bytes], tuple[str, bytes]], delay_s: float
    ) -> None:
        self._lab, self._answer, self._delay_s = lab, answer, delay_s
        self._buffers: dict[int, bytes] = {}
        self.port = lab.tcp_port(name, self._on_bytes)
        self.port.on_disconnect = self._forget

    @property
    def resource(self) -> str:
        """Return the resource string that reaches it."""
        return f"http://127.0.0.1:{self.port.number}"

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        buffer = self._buffers.pop(id(client), b"") + data
        while b"\r\n\r\n" in buffer:
            head, _, rest = buffer.partition(b"\r\n\r\n")
            request, length = _REQUEST.match(head + b"\r\n"), _LENGTH.search(head + b"\r\n")
            count = int(length[1]) if length else 0
            if request is None or count > _MOST_BYTES:
                self._reply(client, "400 Bad Request", b"")
                return
            if len(rest) < count:
                break
            if request[1] != b"POST":
                self._reply(client, "405 Method Not Allowed", b"")
            else:
                path = request[2].decode("latin-1")
                self._lab.after(0.0, partial(self._act, client, path, rest[:count]), owner=self.port.name)
            buffer = rest[count:]
        self._buffers[id(client)] = buffer

    def _forget(self, client: "Client") -> None:
        self._buffers.pop(id(client), None)

    def _act(self, client: "Client", path: str, body: bytes) -> None:
        self._reply(client, *self._answer(path, body))

    def _reply(self, client: "Client", status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.send(head.encode() + body, self._delay_s)
