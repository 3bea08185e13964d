"""The vendor's host service that moves an ID900's tags (DataLinkTargetService): text commands, JSON replies.

An acquisition sends one channel's tags to a ZeroMQ PAIR socket (``start-stream``) or into a file (``start-save``), one
message of unsigned 64-bit little-endian picoseconds for each sub-acquisition, at its end.
"""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zmq

if TYPE_CHECKING:
    from ...lab.lab import Lab
    from ...lab.message_ports import Request, StreamPort

Times = npt.NDArray[np.int64]

_LATENCY_S = 1e-3
_FIRST_DATA_PORT = 5556
_FLAGS = ("with-ref-index",)
_MOST_WAITING = 100
"""Messages that are kept for a client which does not read, besides those in ZeroMQ's queues."""


class Failure(Exception):
    """A command the service cannot obey; the text is the description in its reply."""


@dataclass
class _Acquisition:
    channel: int
    began_ps: int
    with_index: bool
    stream: "StreamPort | None" = None
    file: Path | None = None
    text: bool = False
    messages: int = 0
    tags: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)

    def status(self, now_ps: int) -> dict[str, Any]:
        return {
            "acquisitions_count": self.messages,
            "inactivity": (now_ps - self.began_ps) / 1e12,
            "timestamps_count": self.tags,
            "errors": self.errors,
        }


class DataLink:
    """The service. ``port`` is its ZeroMQ reply socket."""

    def __init__(self, lab: "Lab", name: str) -> None:
        self._lab, self._name = lab, name
        self._acquisitions: dict[str, _Acquisition] = {}
        self._streams: dict[int, StreamPort] = {}
        self.port = lab.reply_port(f"{name}.datalink", self._on_request)

    # --- what the tagger hands over ---------------------------------------------------------------------------

    def deliver(self, channel: int, times: Times, index: Times) -> None:
        """Send one sub-acquisition's tags, even if there are none."""
        for acquisition in self._on_channel(channel):
            if acquisition.stream is not None and acquisition.stream.waiting >= _MOST_WAITING:
                acquisition.errors.append({"description": f"the client of channel {channel} does not read"})
                continue
            acquisition.messages += 1
            acquisition.tags += len(times)
            acquisition.began_ps = self._lab.now_ps
            values = np.column_stack((times, index)).ravel() if acquisition.with_index else times
            if acquisition.stream is not None:
                acquisition.stream.send(values.astype("<u8").tobytes())
            else:
                self._append(acquisition, values)

    def fail(self, channel: int, description: str) -> None:
        """Report that tags of a channel were lost."""
        for acquisition in self._on_channel(channel):
            acquisition.errors.append({"description": description})

    def _on_channel(self, channel: int) -> list[_Acquisition]:
        return [acquisition for acquisition in self._acquisitions.values() if acquisition.channel == channel]

    def _append(self, acquisition: _Acquisition, values: Times) -> None:
        assert acquisition.file is not None
        data = values.astype("<u8").tobytes()
        if acquisition.text:
            data = "".join(f"{value}\n" for value in values.tolist()).encode()
        try:
            with acquisition.file.open("ab") as file:
                file.write(data)
        except OSError as error:
            acquisition.errors.append({"description": f"cannot write {acquisition.file}: {error}"})

    # --- commands ---------------------------------------------------------------------------------------------

    def _on_request(self, request: "Request") -> None:
        try:
            reply = self._obey(request.text)
        except (Failure, ValueError, OSError, zmq.ZMQError) as error:
            reply = {"error": {"description": str(error)}}
        request.reply(json.dumps(reply), _LATENCY_S)

    def _obey(self, text: str) -> Any:
        words = shlex.split(text)
        command = words[0] if words else ""
        if command not in ("list", "status", "stop", "start-stream", "start-save"):
            raise Failure(f"unknown command '{command}'")
        if command == "list":
            return list(self._acquisitions)
        options = _options(words[1:])
        if command in ("status", "stop"):
            name = _need(options, "id")
            if name not in self._acquisitions:
                raise Failure(f"no acquisition '{name}'")
            status = self._acquisitions[name].status(self._lab.now_ps)
            if command == "status":
                return status
            del self._acquisitions[name]
            return {"status": status}
        return {"id": self._start(command, options)}

    def _start(self, command: str, options: dict[str, str]) -> str:
        address, channel = _need(options, "address"), int(_need(options, "channel"))
        if channel not in (1, 2, 3, 4):
            raise Failure(f"no channel {channel}")
        name = options.get("id", f"{address}:{_FIRST_DATA_PORT + channel - 1}")
        if name in self._acquisitions:
            raise Failure(f"acquisition '{name}' is already running")
        acquisition = _Acquisition(channel, self._lab.now_ps, "with-ref-index" in options)
        if command == "start-stream":
            acquisition.stream = self._open_stream(int(_need(options, "stream-port")))
        else:
            kind = options.get("format", "bin")
            if kind not in ("bin", "ascii"):
                raise Failure(f"unknown format '{kind}'")
            acquisition.file, acquisition.text = Path(_need(options, "filename")), kind == "ascii"
            acquisition.file.write_bytes(b"")
        self._acquisitions[name] = acquisition
        return name

    def _open_stream(self, number: int) -> "StreamPort":
        """Bind a stream port. A stopped one is closed only now, so that its last messages could be fetched."""
        old = self._streams.pop(number, None)
        if old is not None:
            if any(acquisition.stream is old for acquisition in self._acquisitions.values()):
                self._streams[number] = old
                raise Failure(f"stream port {number} is in use")
            self._lab.close_port(old)
        self._streams[number] = self._lab.stream_port(f"{self._name}.stream{number}", number)
        return self._streams[number]


def _options(words: list[str]) -> dict[str, str]:
    """Return ``--name value`` pairs; flags have an empty value."""
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("--")
        if name == word:
            raise Failure(f"unexpected '{word}'")
        value = "" if name in _FLAGS else next(rest, None)
        if value is None:
            raise Failure(f"--{name} needs a value")
        options[name] = value
    return options


def _need(options: dict[str, str], name: str) -> str:
    if name not in options:
        raise Failure(f"--{name} is missing")
    return options[name]
