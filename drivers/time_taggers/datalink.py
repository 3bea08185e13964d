"""DataLinkTargetService (DLT): ID Quantique's program on the host computer that receives the time stamps.

It owns a ZeroMQ REP socket (port 6060); commands are text, replies JSON, failures ``{"error": {"description": ...}}``.
One instance serves several instruments. This module talks to it and checks the form of what it says; what the numbers
mean for a recording is ``id900_recording.py``'s business.

Source: public code built on the maker's Python examples; the Time Controller Series user manual.
"""

import json
from dataclasses import dataclass
from typing import Any

from ...testbed.clock import Clock
from ...testbed.errors import InstrumentError, ProtocolError, TransportTimeout
from ..transports import ZmqRequester

_REPLY_S = 5.0


@dataclass(frozen=True)
class StreamStatus:
    """What DLT says of one acquisition.

    Attributes:
        sub_acquisitions: how many have arrived completely.
        tags: how many time stamps have arrived.
        inactivity_s: seconds since anything arrived.
        errors: texts of what went wrong; time stamps were lost if there is any.
    """

    sub_acquisitions: int
    tags: int
    inactivity_s: float
    errors: tuple[str, ...]


class DataLink:
    """A client of the service at ``host:port``; ``label`` names the instrument in errors."""

    def __init__(self, host: str, port: int, clock: Clock, label: str) -> None:
        self._requester = ZmqRequester(f"zmq://{host}:{port}", clock, label)
        self._where = f"{label}: DataLinkTargetService at {host}:{port}"

    def open(self) -> None:
        """Connect in the background; whether the service runs shows at the first command."""
        self._requester.open()

    def close(self) -> None:
        """Close; may be called twice."""
        self._requester.close()

    def acquisitions(self) -> list[str]:
        """Return the ids of all acquisitions, of all instruments the service serves."""
        reply = self._command("list")
        listed = [] if reply is None else reply
        ids = (
            [each.get("id") if isinstance(each, dict) else each for each in listed]
            if isinstance(listed, list)
            else [""]
        )
        if not all(isinstance(each, str) and each for each in ids):
            raise self._nonsense("list", reply, "expected a list of ids")
        return [str(each) for each in ids]

    def start_stream(self, address: str, channel: int, port: int) -> str:
        """Have the time stamps of one channel of the instrument at ``address`` sent to ``port``; return the id."""
        command = f"start-stream --address {address} --channel {channel} --stream-port {port}"
        reply = self._command(command)
        if not isinstance(reply, dict) or not isinstance(reply.get("id"), str) or not reply["id"]:
            raise self._nonsense(command, reply, "expected an id")
        return str(reply["id"])

    def status(self, acquisition: str) -> StreamStatus:
        """Return how far an acquisition is."""
        command = f"status --id {acquisition}"
        return self._status(command, self._command(command))

    def stop(self, acquisition: str) -> StreamStatus:
        """End an acquisition and return its final status."""
        command = f"stop --id {acquisition}"
        reply = self._command(command)
        return self._status(command, reply.get("status") if isinstance(reply, dict) else None)

    def _status(self, command: str, reply: Any) -> StreamStatus:
        try:
            errors = reply.get("errors", reply.get("error")) or []
            texts = tuple(_description(each) for each in (errors if isinstance(errors, list) else [errors]))
            counts = reply["acquisitions_count"], reply["timestamps_count"]
            if not all(isinstance(count, int) and count >= 0 for count in counts):
                raise ValueError
            return StreamStatus(*counts, float(reply["inactivity"]), texts)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._nonsense(command, reply, "expected the status of an acquisition") from None

    def _command(self, command: str) -> Any:
        """Return the reply, parsed; an empty one as None."""
        try:
            text = self._requester.request(command, _REPLY_S)
        except TransportTimeout as error:
            raise TransportTimeout(
                f"no answer to {command!r} within {_REPLY_S:g} s",
                where=self._where,
                hint="start DataLinkTargetService on that computer; if it runs, it hangs: end it and start it again",
            ) from error
        try:
            reply = json.loads(text) if text.strip() else None
        except ValueError:
            raise self._nonsense(command, text, "expected JSON") from None
        if isinstance(reply, dict) and "error" in reply and "acquisitions_count" not in reply:
            raise InstrumentError(
                f"{command!r} failed: {_description(reply['error'])}",
                where=self._where,
                hint="is the instrument's address right as this computer sees it, and no other program recording?",
            )
        return reply

    def _nonsense(self, command: str, reply: object, why: str) -> ProtocolError:
        return ProtocolError(
            f"{why}: {command!r} was answered with {reply!r}",
            where=self._where,
            hint="is this port DataLinkTargetService's, in a version that knows start-stream?",
        )


def _description(error: Any) -> str:
    """Return the text of an error, which comes as an object with a description or as text."""
    return str(error.get("description", error) if isinstance(error, dict) else error)
