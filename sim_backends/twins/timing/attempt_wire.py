"""The core's side of one attempt/1 connection: lines with check digits in, bodies of programs, lines out.

However the bytes are cut, the same lines come out. A line that is not whole or not what its digits say is garbage and
is told as None.
"""

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...lab.byte_ports import Client

LONGEST_LINE = 480
BODY_S = 1.0
"""How long the rest of a body may take."""


def sealed(text: str) -> bytes:
    """Return a line with its check digits and end."""
    data = text.encode("ascii")
    return data + b"*%02X\n" % functools.reduce(operator.xor, data, 0)


def unsealed(line: bytes) -> str | None:
    """Return the text of a line without its end, None for garbage."""
    text, star, digits = line.removesuffix(b"\r").rpartition(b"*")
    if not star or len(text) > LONGEST_LINE or any(not 0x20 <= byte <= 0x7E for byte in text):
        return None
    wanted = b"%02X" % functools.reduce(operator.xor, text, 0)
    return text.decode("ascii") if digits == wanted else None


class Session:
    """One connection.

    Args:
        on_line: called with each line's text, or None for garbage.
    """

    def __init__(self, client: "Client", on_line: Callable[["Session", str | None], None]) -> None:
        self.client, self._on_line = client, on_line
        self.role = ""
        self._buffer = bytearray()
        self._wanted = 0
        self._on_body: Callable[[bytes], None] = lambda body: None

    def feed(self, data: bytes) -> None:
        """Take in bytes and act on every line and body that is whole."""
        self._buffer += data
        while True:
            if self._wanted:
                if len(self._buffer) < self._wanted:
                    return
                body = bytes(self._buffer[: self._wanted])
                del self._buffer[: self._wanted]
                self._wanted = 0
                self._on_body(body)
                continue
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > 2 * LONGEST_LINE:
                    self._buffer.clear()
                    self._on_line(self, None)
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._on_line(self, unsealed(line))

    def expect_body(self, count: int, then: Callable[[bytes], None]) -> None:
        """Take the next ``count`` bytes as a body."""
        self._wanted, self._on_body = count, then

    def give_up_body(self) -> None:
        """Forget a body that does not come whole."""
        self._wanted = 0
        self._buffer.clear()

    def say(self, *texts: str, delay_s: float = 0.0) -> None:
        """Send lines after ``delay_s`` (s) of lab time."""
        self.client.send(b"".join(map(sealed, texts)), delay_s)
