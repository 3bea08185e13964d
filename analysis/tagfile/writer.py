"""Writing a tag file: a block a call, in the file when the call returns."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import google_crc32c
import numpy as np

from .._arrays import Times
from ..tags import Tags
from .codec import Packed, Packer
from .layout import (
    DATA,
    END,
    GAP,
    LIMIT_PS,
    MOST_TAGS,
    REASONS,
    BlockHeader,
    ClockState,
    FileHeader,
)

FsyncPolicy = Literal["block", "second", "never"]
_NOTHING = Packed(b"", b"", 4, 0, 0)


class TagFileWriter:
    """Writes one recording; a context manager that ends the file properly.

    Args:
        path: the new file; an existing one is never touched.
        metadata: plain JSON, e.g. ``{"channels": {"0": "alice H"}, "tagger": "..."}``.
        fsync: what survives the loss of power. ``"block"``: everything ``append`` returned for. ``"second"``:
            all but what was appended in about the last second (looked at in ``append``: if nothing follows, until
            ``sync`` or ``close``). ``"never"``: what the system has written by then. The end of the process alone,
            however sudden, costs nothing that ``append`` returned for under any of them.

    Raises:
        FileExistsError: there is such a file.
        ValueError: metadata that is no JSON, or an unknown policy.
    """

    def __init__(
        self, path: str | Path, metadata: Mapping[str, Any] | None = None, fsync: FsyncPolicy = "second"
    ) -> None:
        if fsync not in ("block", "second", "never"):
            raise ValueError(f"fsync is {fsync!r}; it must be 'block', 'second' or 'never'")
        self.path = Path(path)
        self._file_id, self._fsync = secrets.randbits(64), fsync
        header = FileHeader.pack(self._file_id, metadata or {})
        self._packer = Packer()
        self._number = self._tags = self._end = 0
        self._last: int | None = None
        self._synced: float | None = None
        self._fd: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            self._write([header])
        except BaseException:
            os.close(self._fd)
            self.path.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def tags_written(self) -> int:
        return self._tags

    def append(
        self,
        tags: Tags,
        clock: ClockState | None = None,
        reasons: Sequence[str] | None = None,
        missed: Sequence[int | None] | None = None,
    ) -> int:
        """Append the tags and their gaps and return the number of the last block written.

        A call makes one block (more than 131 072 tags make several), and every block has a header of 96 bytes and
        is compressed alone: hand over some thousand tags or some 20 ms at a time. Tags without a tag write a block
        as well, to keep a gap or a change of the clock.

        Args:
            tags: not before the last ones appended; equal times are fine.
            clock: what the times hung on, if the instrument says.
            reasons: of the gaps, one each: "overflow", "missed events", "lost lock", "not recorded", "lost to damage",
                "unknown".
            missed: events lost in each gap, None where that is unknown.

        Raises:
            ValueError: times before those appended earlier, or at or beyond 2^62 ps; nothing was written.
            OSError: the disk did not take it; what was written before is whole, and another try is allowed.
        """
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        gaps = _gap_records(tags.gaps, reasons, missed)
        self._check(tags)
        state = clock.to_bytes() if clock else b""
        start = 0
        with self._whole_or_not_at_all():
            while start < len(tags) or start == 0:
                part = slice(start, start + MOST_TAGS)
                times, channels = tags.times_ps[part], tags.channels[part]
                packed = self._packer.pack(times, channels) if len(times) else _NOTHING
                self._block(DATA, times[: packed.taken], packed, gaps if start == 0 else gaps[:0], state)
                start += max(packed.taken, 1)
        late = self._synced is None or time.monotonic() - self._synced >= 1.0
        if self._fsync == "block" or (self._fsync == "second" and late):
            self.sync()
        return self._number - 1

    def sync(self) -> None:
        """Return when everything appended is on the disk itself."""
        if self._fd is not None:
            os.fsync(self._fd)
            if self._synced is None:
                _sync_folder(self.path.parent)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Write the end mark, which tells a whole file from a torn one; may be called twice."""
        if self._fd is None:
            return
        try:
            with self._whole_or_not_at_all():
                self._block(END, np.empty(0, np.int64), _NOTHING, np.empty(0, GAP), b"")
            if self._fsync != "never":
                self.sync()
        finally:
            os.close(self._fd)
            self._fd = None

    def _check(self, tags: Tags) -> None:
        edges = [*tags.times_ps[:1].tolist(), *tags.times_ps[-1:].tolist(), *tags.gaps.ravel().tolist()]
        far = [edge for edge in edges if abs(edge) >= LIMIT_PS]
        if far:
            raise ValueError(f"a time of {far[0]} ps: a tag file holds times below 2^62 ps; subtract a start first")
        if len(tags) and self._last is not None and edges[0] < self._last:
            raise ValueError(
                f"tags go back by {self._last - edges[0]} ps, from {self._last} ps to {edges[0]} ps, after block "
                f"{self._number - 1}: the tagger's counter rolled over or was reset; nothing was written, "
                "start a new file"
            )

    def _block(self, kind: int, times: Times, packed: Packed, gaps: "np.ndarray[Any, Any]", state: bytes) -> None:
        payload: list[Any] = [packed.table, gaps.tobytes(), state, packed.words]
        crc = 0
        for part in payload:
            crc = google_crc32c.extend(crc, part)
        header = BlockHeader(
            payload_crc=crc,
            file_id=self._file_id,
            number=self._number,
            tags_before=self._tags,
            first_ps=int(times[0]) if len(times) else 0,
            last_ps=int(times[-1]) if len(times) else 0,
            gap_first_ps=int(gaps["from_ps"].min()) if len(gaps) else 0,
            gap_last_ps=int(gaps["to_ps"].max()) if len(gaps) else 0,
            tags=len(times),
            payload_bytes=sum(map(len, payload)),
            gaps=len(gaps),
            words_bytes=len(packed.words),
            channels=len(packed.table),
            state_bytes=len(state),
            word_bytes=packed.word_bytes,
            channel_bits=packed.channel_bits,
            kind=kind,
        )
        self._write([header.pack(), *payload])
        self._number, self._tags = self._number + 1, self._tags + len(times)
        if len(times):
            self._last = int(times[-1])

    def _write(self, parts: Sequence[Any]) -> None:
        assert self._fd is not None
        wanted = sum(map(len, parts))
        written = os.writev(self._fd, parts)
        if written < wanted:  # a nearly full disk takes a part; writing the rest tells why
            rest = b"".join(parts)[written:]
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        self._end += wanted

    @contextlib.contextmanager
    def _whole_or_not_at_all(self) -> Iterator[None]:
        before = self._number, self._tags, self._last, self._end
        try:
            yield
        except BaseException:  # an interrupt, too, must not leave half a block
            assert self._fd is not None
            self._number, self._tags, self._last, self._end = before
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            raise


def _gap_records(
    gaps: Times, reasons: Sequence[str] | None, missed: Sequence[int | None] | None
) -> "np.ndarray[Any, Any]":  # fmt: skip
    records = np.zeros(len(gaps), GAP)
    if len(gaps):
        records["from_ps"], records["to_ps"], records["missed"] = gaps[:, 0], gaps[:, 1], -1
    for name, given in (("reasons", reasons), ("missed", missed)):
        if given is not None and len(given) != len(gaps):
            raise ValueError(f"{len(given)} {name} for {len(gaps)} gaps; give one each")
    wrong = sorted(set(reasons or ()) - set(REASONS))
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no reason of a gap; there are: {', '.join(REASONS)}")
    if reasons is not None:
        records["reason"] = [REASONS.index(reason) for reason in reasons]
    if missed is not None:
        records["missed"] = [-1 if count is None else count for count in missed]
    return records


def _sync_folder(folder: Path) -> None:
    """Have the folder's entry of a new file on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
