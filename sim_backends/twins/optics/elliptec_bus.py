"""The serial bus of Elliptec mounts: cuts the bytes into packets and hands each to the mount it addresses.

Packets have no terminator, so their length follows from the command; ``\\r`` and ``\\n`` between them are skipped,
and a packet that is not finished in time is given up.
"""

import string
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...lab.lab import Event

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Lab

    Handler = Callable[[str, str, Client], None]

_DATA_LENGTH = {"ma": 8, "mr": 8, "ho": 1, "sj": 8, "so": 8, "sv": 2, "ca": 1, "is": 2}
_GIVE_UP_S = 2.0
_ADDRESSES = "0123456789ABCDEF"
_LETTERS = frozenset(string.ascii_lowercase)
_COMMAND_CHARACTERS = frozenset(string.ascii_lowercase + string.digits)


class ElliptecBus:
    """One serial port with up to sixteen mounts."""

    def __init__(self, lab: "Lab", name: str) -> None:
        self._lab, self._name = lab, name
        self._mounts: dict[str, Handler] = {}
        self._buffer = ""
        self._deadline: Event | None = None
        self.port = lab.serial_port(name, self._on_bytes)

    def attach(self, address: str, handler: "Handler") -> None:
        """Call ``handler(command, data, client)`` for every packet to ``address``.

        Raises:
            ValueError: no such address, or one that is taken.
        """
        if address not in _ADDRESSES or len(address) != 1 or self.taken(address):
            raise ValueError(f"{self._name}: '{address}' is not a free bus address; use one of 0-9, A-F for each mount")
        self._mounts[address] = handler

    def taken(self, address: str) -> bool:
        return address in self._mounts

    def move(self, old: str, new: str) -> None:
        """Give a mount another address."""
        self._mounts[new] = self._mounts.pop(old)

    def _on_bytes(self, data: bytes, client: "Client") -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._buffer += data.decode("latin-1")
        while self._take_packet(client):
            pass
        if self._buffer:
            self._deadline = self._lab.after(_GIVE_UP_S, lambda: self._give_up(client), owner=self._name)

    def _take_packet(self, client: "Client") -> bool:
        """Take one packet (or one stray character) off the buffer; return whether there was one."""
        if not self._buffer:
            return False
        address, command = self._buffer[0], self._buffer[1:3]
        if address not in _ADDRESSES or (command and command[0] not in _LETTERS):
            self._buffer = self._buffer[1:]
            return True
        if len(command) < 2:
            return False
        if command[1] not in _COMMAND_CHARACTERS:
            command = ""
        length = 3 + _DATA_LENGTH.get(command, 0)
        if len(self._buffer) < length:
            return False
        data, self._buffer = self._buffer[3:length], self._buffer[length:]
        self._hand_over(address, command, data, client)
        return True

    def _hand_over(self, address: str, command: str, data: str, client: "Client") -> None:
        """Nobody answers for an address where no mount is."""
        if address in self._mounts:
            self._mounts[address](command, data, client)

    def _give_up(self, client: "Client") -> None:
        begun, self._buffer, self._deadline = self._buffer, "", None
        if len(begun) >= 3:
            self._hand_over(begun[0], "time-out", "", client)
