"""Messages between an agent and its driver processes, over a pipe that ends when either of them does."""

from multiprocessing.connection import Connection
from typing import Any

from ..wire.codec import Decoder, encode
from ..wire.messages import Message


class Dark(Message, tag="dark", frozen=True):
    """To a driver process: interrupt what you do and make every instrument, or one, dark, now.

    Attributes:
        instrument: which one; "" for all.
        reason: for the log and for the call that is interrupted.
        reopen: open instruments that are not open first; at the start, and for a fresh process after a crash.
        ticket: in a dry run, the participant under which it was registered, if it was.
    """

    reason: str
    instrument: str = ""
    reopen: bool = False
    ticket: str = ""


class Epoch(Message, tag="epoch", frozen=True):
    """To a driver process: count hardware time from this TAI second; a run brings its own."""

    tai_s: int


class Ping(Message, tag="ping", frozen=True):
    """To a driver process: are you there? Answered at once, also while a call is running."""


class Pong(Message, tag="pong", frozen=True):
    """From a driver process: I am."""


class Darkened(Message, tag="darkened", frozen=True):
    """From a driver process: how making dark went; ``failures`` are the instruments not confirmed dark."""

    failures: tuple[str, ...] = ()


def send(connection: Connection, message: Message) -> None:
    """Send one message; raises OSError or BrokenPipeError if the other side has gone."""
    header, *arrays = encode(message)
    connection.send_bytes(len(arrays).to_bytes(2, "little") + header)  # mostly there is nothing but the header
    for array in arrays:
        connection.send_bytes(array)


def receive(connection: Connection, decoder: Decoder) -> Any:
    """Return the next message; raises EOFError if the other side has gone."""
    first = memoryview(connection.recv_bytes())
    count = int.from_bytes(first[:2], "little")
    return decoder.decode([first[2:], *(connection.recv_bytes() for _ in range(count))])[0]
