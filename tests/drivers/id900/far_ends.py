"""The far ends of an ID900: Time Controller, DataLinkTargetService and its four streams, scripted.

They are ZeroMQ sockets in no thread: the clock serves them whenever the driver waits, and time moves only when nobody
has anything left to do.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq
from bellringer.drivers.time_taggers.id900 import Id900
from bellringer.testbed.clock import Line, WallClock

MS = 1_000_000_000
WIDTH, PERIOD = 500_000_000_000, 500_000_040_000
LOST = None


def packed(*times_ps: int) -> bytes:
    return b"".join(each.to_bytes(8, "little") for each in times_ps)


class Far:
    """One scripted socket. A ROUTER answers REQ clients by ``answer(text)``; a PAIR only sends."""

    def __init__(self, context: zmq.Context[Any], kind: int, answer: Callable[[str], str | None] = str) -> None:
        self.context, self.kind, self.answer = context, kind, answer
        self.socket = self.new_socket()
        # Below the ports that connections use, so that a port given up can be bound again.
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1", min_port=20000, max_port=32000)
        self.got: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.output: deque[list[bytes]] = deque()
        self.unanswered: deque[list[bytes]] = deque()

    def new_socket(self) -> Any:
        socket = self.context.socket(self.kind)
        socket.linger = 0
        return socket

    def bind_again(self) -> None:
        """Start afresh on the same port: a PAIR socket serves one client in its life."""
        self.socket.close()
        self.socket = self.new_socket()
        for _ in range(500):
            try:
                self.socket.bind(f"tcp://127.0.0.1:{self.port}")
                return
            except zmq.ZMQError:  # the socket before it is still being closed in the background
                self.socket.poll(10)
        raise AssertionError(f"port {self.port} is taken")

    def opened(self, key: str) -> None:
        self.got[key] = self.sent[key] = 0

    def take_in(self) -> None:
        if not self.socket.poll(10):
            return
        *envelope, text = self.socket.recv_multipart()
        reply = self.answer(text.decode())
        self.got[f"zmq:{self.port}:{envelope[0].decode()}"] += 1
        if reply is None:
            self.unanswered.append(envelope)
        else:
            self.output.append([*envelope, reply.encode()])

    def answer_late(self, text: str) -> None:
        self.socket.send_multipart([*self.unanswered.popleft(), text.encode()])

    def put_out(self, key: str) -> None:
        try:
            self.socket.send_multipart(self.output[0], zmq.NOBLOCK)
        except zmq.Again:  # a stream whose client is still connecting
            self.socket.poll(10, zmq.POLLOUT)
            return
        self.output.popleft()
        self.sent[key] += 1


class Rack:
    """A Time Controller and the host's DataLinkTargetService, written from the protocol sheet.

    ``log`` is every message in order. ``replies`` overrides single answers: text, a list of texts used up one by one,
    or ``LOST``. ``messages`` is what each input's stream sends when REC:PLAY comes.
    """

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.log: list[str] = []
        self.replies: dict[str, Any] = {
            "*IDN?": "IDQ,ID900,2104012,1.30.2",
            "REC:STAG?": "IDLE",
            "DEVI:SYNC?": "INTERNAL",
        }
        self.tagger = Far(self.context, zmq.ROUTER, self.text)
        self.datalink = Far(self.context, zmq.ROUTER, self.command)
        self.streams = {n: Far(self.context, zmq.PAIR) for n in (1, 2, 3, 4)}
        self.messages: dict[int, list[bytes]] = {}
        self.left_over: list[str] = []
        self.errors: dict[int, list[Any]] = {}
        self.counted_more = 0
        self.on_play: Callable[[], None] = lambda: None

    def text(self, message: str) -> str | None:
        self.log.append(message)
        if message == "REC:PLAY":
            for n, messages in self.messages.items():
                self.streams[n].output.extend([each] for each in messages)
            self.on_play()
        reply = self.replies.get(message, "0" if message.endswith("?") else "")
        return reply.pop(0) if isinstance(reply, list) else reply

    def command(self, message: str) -> str | None:
        self.log.append(message)
        if message in self.replies:
            reply = self.replies[message]
            return reply.pop(0) if isinstance(reply, list) else reply
        verb, *words = message.split()
        if verb == "list":
            return json.dumps(self.left_over)
        if verb == "start-stream":
            channel = int(words[words.index("--channel") + 1])
            self.streams[channel].bind_again()
            return json.dumps({"id": f"127.0.0.1:{5555 + channel}"})
        return json.dumps({"status": self.status(words[1])} if verb == "stop" else self.status(words[1]))

    def status(self, acquisition: str) -> dict[str, Any]:
        channel = int(acquisition.rpartition(":")[2]) - 5555
        messages = self.messages.get(channel, [])
        return {
            "acquisitions_count": len(messages),
            "timestamps_count": sum(map(len, messages)) // 8 + self.counted_more,
            "inactivity": 0.5,
            "errors": self.errors.get(channel, []),
        }

    def far(self, key: str) -> Far:
        port = int(key.split(":")[1])
        return next(each for each in (self.tagger, self.datalink, *self.streams.values()) if each.port == port)

    def close(self) -> None:
        for each in (self.tagger, self.datalink, *self.streams.values()):
            each.socket.close()
        self.context.term()


class RackClock(WallClock):
    """Time moves by sleeping, by waiting for what does not come, and by ``reply_s`` with every reply."""

    def __init__(self, rack: Rack) -> None:
        super().__init__(uncertainty_ps=3 * MS)
        self.rack, self.elapsed_ps, self.reply_s = rack, 0, 0.0

    def now_ps(self) -> int:
        return 10**15 + self.elapsed_ps

    def monotonic_s(self) -> float:
        return self.elapsed_ps / 1e12

    def sleep(self, seconds: float) -> None:
        self.check_aborted()
        self.elapsed_ps += round(seconds * 1e12)

    def opened(self, line: Line) -> None:
        self.rack.far(line.key).opened(line.key)

    def wait_readable(self, line: Line, timeout_s: float) -> bool:
        far = self.rack.far(line.key)
        while not line.has_input(0.01 if far.sent[line.key] > line.received else 0.0):
            if far.got[line.key] < line.sent:
                far.take_in()
            elif far.output:
                far.put_out(line.key)
                self.elapsed_ps += round(self.reply_s * 1e12)
            elif far.sent[line.key] == line.received:
                self.elapsed_ps += round(timeout_s * 1e12)
                return False
        return True


def unopened(rack: Rack, **options: Any) -> Id900:
    return Id900(
        f"zmq://127.0.0.1:{rack.tagger.port}",
        name="alice.tagger",
        clock=RackClock(rack),
        dlt_port=rack.datalink.port,
        dlt_host="127.0.0.1",
        stream_ports=[far.port for far in rack.streams.values()],
        **options,
    )


def start_stream(rack: Rack, channel: int) -> str:
    port = rack.streams[channel].port
    return f"start-stream --address 127.0.0.1 --channel {channel} --stream-port {port}"
