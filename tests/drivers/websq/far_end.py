"""The far end of a WebSQ, scripted, in no thread: the clock serves it whenever the driver waits.

Time moves only when both sides have nothing left to do. So silence costs no wall time and never depends on how fast
the machine is.
"""

import json
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from bellringer.drivers.detectors.websq import WebSq
from bellringer.testbed.clock import Line, WallClock

ASK = b'{"request": "labelProps", "value": "None"}'
PIECE = 7


class Connection:
    def __init__(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or pieces are joined on the way
        self.socket = accepted
        self.got = self.sent = 0
        self.input = b""
        self.output: deque[bytes] = deque()

    def say(self, data: bytes) -> None:
        """Deliver in small pieces, so that no object or line comes whole."""
        self.output.extend(data[i : i + PIECE] for i in range(0, len(data), PIECE))


class Eos:
    """The far end, written from the protocol sheet: control port, counts port, and one connection each."""

    def __init__(self) -> None:
        self.control, self.counts = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        self.connections: dict[str, Connection] = {}
        self.requests: list[bytes] = []
        self.labels: dict[str, dict[str, Any]] = {
            "iv_scan_history": {"value": [], "bounds": None, "unit": ""},
            "NumberOfDetectors": {"value": 4, "bounds": [1, 8], "unit": ""},
            "BiasCurrent": {"value": [0.0, 0.0, 0.0, 0.0], "bounds": [-90.9, 90.9], "unit": "µA"},
            "TriggerLevel": {"value": [50, 50, 50, 50], "bounds": [-500, 500], "unit": "mV"},
            "InptMeasurementPeriod": {"value": 200, "bounds": [10, 10000], "unit": "ms"},
            "DetectorEnable": {"value": False, "bounds": [], "unit": ""},
            "ErrorLog": {"value": "an error of last week", "bounds": [], "unit": ""},
        }
        self.counts_text = b""
        self.end = b"\x17"
        self.on_request: Callable[[dict[str, Any], Connection], None] = self.behave

    def resource(self, form: str = "socket://127.0.0.1:{}") -> str:
        return form.format(self.control.getsockname()[1])

    @property
    def counts_port(self) -> int:
        return int(self.counts.getsockname()[1])

    def behave(self, request: dict[str, Any], client: Connection) -> None:
        if request.get("request") == "labelProps":
            for label, properties in self.labels.items():
                self.broadcast(label, properties)
        elif "command" in request:
            self.labels[request["label"]]["value"] = request["value"]
            self.broadcast(request["label"], request["value"])

    def broadcast(self, label: str, value: Any) -> None:
        text = json.dumps({"label": label, "value": value}, ensure_ascii=False).encode() + self.end
        for client in self.connections.values():
            if client.socket.getsockname()[1] == self.control.getsockname()[1]:
                client.say(text)

    def connection(self, key: str) -> Connection:
        _, server, _ = key.split(":")
        while key not in self.connections:
            listener = self.control if int(server) == self.control.getsockname()[1] else self.counts
            accepted, address = listener.accept()
            self.connections[f"tcp:{server}:{address[1]}"] = Connection(accepted)
            if listener is self.counts:
                self.connections[f"tcp:{server}:{address[1]}"].say(self.counts_text)
        return self.connections[key]

    def take_in(self, client: Connection) -> None:
        if not select.select([client.socket], [], [], 0.01)[0]:
            return
        data = client.socket.recv(65536)
        client.got += len(data)
        client.input += data
        while client.input:
            request, end = json.JSONDecoder().raw_decode(client.input.decode())
            self.requests.append(client.input[:end])
            client.input = client.input[end:]
            self.on_request(request, client)

    def close(self) -> None:
        for each in [self.control, self.counts, *(client.socket for client in self.connections.values())]:
            each.close()


class EosClock(WallClock):
    """Time moves only when the driver waits and ``eos`` has nothing to say."""

    def __init__(self, eos: Eos) -> None:
        super().__init__()
        self.eos, self.elapsed_s = eos, 0.0

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.elapsed_s += seconds

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        client = self.eos.connection(line.key)
        while not line.has_input(0.0):
            if client.got < line.sent:
                self.eos.take_in(client)
            elif client.output:
                piece = client.output.popleft()
                client.socket.sendall(piece)
                client.sent += len(piece)
            elif client.sent == line.received:
                self.elapsed_s += timeout_s
                return False
        return True


def opened_at(eos: Eos, form: str = "socket://127.0.0.1:{}", **options: Any) -> WebSq:
    return WebSq(
        eos.resource(form), name="alice.snspd", clock=EosClock(eos), counts_port=eos.counts_port, **options
    ).open()
