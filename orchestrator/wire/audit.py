"""Who did what: an append-only file of JSON lines, each chained to the one before by its hash.

``verify`` finds a line that was changed, removed or put in between. It cannot see that the newest lines were cut off,
or that somebody wrote the whole file anew: keep the last hash elsewhere for that. A line is torn when the machine dies
while it is written; the next one then says so. Secrets never get here: arguments are those of messages, shortened.
"""

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from .errors import AuditError

START = "0" * 64
_MARK = ', "hash": "'
_TAIL = 1 << 20  # bytes; lines are far shorter


class Audit:
    """The log, open for appending; one process at a time, any thread.

    Raises:
        AuditError: it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._number, self._previous = 0, START
        self._open()

    def append(
        self,
        *,
        who: str,
        role: str,
        verb: str,
        arguments: dict[str, Any],
        result: str,
        cause: str = "",
        durable: bool = False,
    ) -> None:
        """Append one line.

        Args:
            who: fingerprint and name of the key.
            role: what the key's role was then.
            verb: the kind of message, or what happened.
            arguments: of the message; long ones are shortened.
            result: ``accepted``, ``done``, ``refused: why``.
            cause: the request that led to it, the same in all its lines.
            durable: be on the disk before this returns (emitters, e-stop, keys).

        Raises:
            AuditError: the line could not be written.
        """
        with self._lock:
            try:
                if self._descriptor is None:
                    self._open()
                self._write(
                    {
                        "who": who,
                        "role": role,
                        "verb": verb,
                        "arguments": {str(key)[:80]: shorten(value) for key, value in arguments.items()},
                        "result": result[:300],
                        "cause": cause,
                    },
                    durable,
                )
            except OSError as error:
                self._drop()  # the line may be torn; the next append looks at the end of the file first
                raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        import fcntl  # services run on Linux; clients import this package anywhere

        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(descriptor).st_size
            tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
        except OSError as error:
            os.close(descriptor)
            raise _unwritable(self.path, error) from error
        *lines, last = tail.split(b"\n")
        torn = [last] if last else []
        while lines and _place(lines[-1]) is None:
            torn.insert(0, lines.pop())
        if len(torn) > 1 and not lines:
            os.close(descriptor)
            raise AuditError("this is no audit log of ours", where=str(self.path), hint="move the file away, keep it")
        self._descriptor = descriptor
        self._number, self._previous = (_place(lines[-1]) if lines else None) or (0, START)
        if torn:
            body = {"verb": "torn line", "torn": [hashlib.sha256(piece).hexdigest() for piece in torn]}
            try:
                self._write(body, durable=True, first=b"\n" if last else b"")
            except OSError as error:
                self._drop()
                raise _unwritable(self.path, error) from error

    def _write(self, body: dict[str, Any], durable: bool, first: bytes = b"") -> None:
        assert self._descriptor is not None
        place = {"number": self._number + 1, "utc": datetime.now(UTC).isoformat(), "previous": self._previous}
        text = json.dumps({**place, **body})
        digest = hashlib.sha256(text.encode()).hexdigest()
        line = first + f'{text[:-1]}{_MARK}{digest}"}}\n'.encode()
        if os.write(self._descriptor, line) != len(line):
            raise OSError("only part of a line could be written")
        if durable:
            os.fsync(self._descriptor)
        self._number, self._previous = self._number + 1, digest

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True)
class Verified:
    """A chain that holds: number of lines, the last one's hash, and the lines (from 1) that are torn."""

    lines: int
    last_hash: str
    torn: tuple[int, ...]


def verify(path: Path) -> Verified:
    """Check the whole chain.

    Raises:
        AuditError: a line was changed, removed or added; says which.
    """
    number, previous = 0, START
    pieces: list[bytes] = []
    torn: list[int] = []
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise AuditError(f"cannot read: {error.strerror}", where=str(path), hint="give the audit log's path") from error
    for count, line in enumerate(lines, start=1):
        where = f"{path}:{count}"
        place = _place(line)
        if place is None:
            pieces.append(line)
            torn.append(count)
            continue
        body = json.loads(line)
        if [hashlib.sha256(piece).hexdigest() for piece in pieces] != body.get("torn", []):
            raise AuditError("the line before this one was changed or removed", where=where)
        if body.get("previous") != previous or place[0] != number + 1:
            raise AuditError("a line before this one was changed, removed or added", where=where)
        pieces = []
        number, previous = place
    if pieces or last:
        raise AuditError(
            "the last line is torn or was changed", where=str(path), hint="a start of the service notes it"
        )
    return Verified(number, previous, tuple(torn))


def _place(line: bytes) -> tuple[int, str] | None:
    """Return number and hash of a line, or None if the hash is not that of the line."""
    text, mark, rest = line.rpartition(_MARK.encode())
    digest = hashlib.sha256(text + b"}").hexdigest()
    if not mark or rest != f'{digest}"}}'.encode():
        return None
    try:
        return int(json.loads(text + b"}")["number"]), digest
    except (ValueError, TypeError, KeyError):
        return None


def shorten(value: Any, length: int = 120) -> Any:
    """Return ``value`` as plain JSON, short: arrays as dtype and shape, long texts and lists cut."""
    if value is None or isinstance(value, (bool, int, float)):
        return value if value == value and abs(value or 0) != float("inf") else str(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def _unwritable(path: Path, error: OSError) -> AuditError:
    return AuditError(
        f"the audit log cannot be written: {error.strerror or error}",
        where=str(path),
        hint="is the disk full, or does another service write this file?",
    )
