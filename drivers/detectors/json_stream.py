"""JSON objects out of a byte stream that separates them loosely or not at all.

Promises: however the stream is cut into pieces, the same objects come out in the same order; bytes that are no object
never disappear, they are kept in ``garbage``; after garbage the next object is found again. Between objects only white
space and the byte 0x17 (ETB) are expected. Does not promise: to understand what the objects mean.
"""

import json
import re
from typing import Any

ETB = 0x17
_BETWEEN = b" \t\r\n\x17"
_MARKS = re.compile(rb'["\\{}\x17]')
_LONGEST = 1 << 24
"""An object that has not ended after this many bytes is garbage."""


class JsonStream:
    """Incremental decoder. Outside strings only braces matter, so a glued ``}{`` and any nesting are cut right."""

    def __init__(self) -> None:
        self.garbage = b""
        self._buffer = bytearray()
        self._scanned: int
        self._depth: int
        self._escaped: int
        self._in_string: bool
        self._forget()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take in ``data`` and return the objects that are complete now."""
        self._buffer += data
        objects: list[dict[str, Any]] = []
        while self._at_object():
            end = self._end_of_object()
            if end is None:
                break
            piece = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._forget()
            try:
                objects.append(json.loads(piece.decode("utf-8"), parse_constant=_refuse))
            except (ValueError, RecursionError):  # what is not UTF-8 is a ValueError too
                self.garbage += piece
        if len(self._buffer) > _LONGEST:
            self._discard(len(self._buffer))
        return objects

    def take_garbage(self) -> bytes:
        """Return what could not be understood so far, and forget it."""
        found, self.garbage = self.garbage, b""
        return found

    def _at_object(self) -> bool:
        """Drop separators, put aside garbage, and return whether the buffer now begins with an object."""
        if self._depth:
            return True
        start = self._buffer.find(b"{")
        before = bytes(self._buffer) if start < 0 else bytes(self._buffer[:start])
        del self._buffer[: len(before)]
        self.garbage += before.strip(_BETWEEN)
        return start >= 0

    def _end_of_object(self) -> int | None:
        """Return where the object at the start of the buffer ends, None if it has not ended yet.

        JSON text cannot hold a bare 0x17: one inside an object means that bytes were lost, and the object ends there.
        """
        for mark in _MARKS.finditer(self._buffer, self._scanned):
            byte, at = self._buffer[mark.start()], mark.start()
            if byte == ETB:
                return at + 1
            if at == self._escaped:
                continue
            if byte == ord("\\"):
                self._escaped = at + 1
            elif byte == ord('"'):
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if byte == ord("{") else -1
                if self._depth == 0:
                    return at + 1
        self._scanned = len(self._buffer)
        return None

    def _discard(self, count: int) -> None:
        self.garbage += bytes(self._buffer[:count])
        del self._buffer[:count]
        self._forget()

    def _forget(self) -> None:
        """Start a new object."""
        self._scanned = self._depth = 0
        self._escaped = -1
        self._in_string = False


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
