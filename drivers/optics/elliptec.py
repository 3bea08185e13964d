"""Thorlabs Elliptec ELL14 rotation mount, alone or with other Elliptec units on one USB serial port, 9600 8N1.

Packets are those of Thorlabs' "ELLx modules protocol manual" as open-source drivers (roesel/elliptec, QMI, pylablib)
use it; no unit was at hand.

Promised: a move returns when the unit has arrived and reports the wanted position. A move or a home is never sent
twice because its reply was lost. Not here: jogging, frequency search, address changes.
"""

import re
from collections import deque
from collections.abc import Mapping

from ...testbed.clock import Clock
from ...testbed.errors import IdentityError, InstrumentError, LimitError, ProtocolError, TransportTimeout
from ..interfaces import Identity, Instrument, Reading, Setting
from ..transports.resync import again
from .elliptec_packets import ElliptecPackets, status_text

MOVE_S = 20.0
"""Longest move: one turn at the slowest velocity, with a margin."""
HOME_S = 30.0
"""Homing takes up to about 10 s."""
ARRIVED_DEG = 0.1
_TYPE_ELL14 = 0x0E


class ElliptecEll14(Instrument):
    """An ELL14 rotation mount; capability ``Rotator``.

    Args:
        address: bus address of the unit, ``0`` to ``F``. Units that share a port are opened with the same resource.
    """

    verified = "driver-source"
    model_name = "Thorlabs ELL14"

    angle = Setting(
        lambda mount: mount._pulses() * 360.0 / mount._pulses_per_turn,
        lambda mount, value: mount._turn(value),
        unit="deg",
        limits=(-360.0, 720.0),
        doc="Position. Assigning turns to the angle modulo 360 and returns on arrival; a unit that was not homed since "
        "it was opened homes first. Reading gives the position as the unit counts it.",
    )
    velocity = Setting(
        lambda mount: mount._velocity(),
        lambda mount, value: mount._set_velocity(value),
        unit="%",
        kind=int,
        limits=(45, 100),
        doc="Velocity, per cent of the highest; below 45 % the motor may stall.",
    )
    homed = Reading(lambda mount: mount._homed, kind=bool, doc="Whether it was homed since it was opened; no I/O.")
    status = Reading(lambda mount: mount._status(), kind=str, doc="Status; asking clears a latched error.")

    def __init__(
        self,
        resource: str,
        *,
        address: str | int = "0",
        name: str = "",
        clock: Clock | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        serial_number: str = "",
    ) -> None:
        super().__init__(resource, name=name, clock=clock, limits=limits, serial_number=serial_number)
        self.address = str(address).upper()
        if not re.fullmatch("[0-9A-F]", self.address):
            raise LimitError(
                f"there is no bus address {address!r}", where=self.label, hint="write one hex digit, 0 to 9 or A to F"
            )
        self._packets = ElliptecPackets(self, self.address)
        self._homed = False
        self._pulses_per_turn = 143360

    # --- life -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._homed = False
        self._packets.open()

    def _disconnect(self) -> None:
        self._packets.close()

    def identify(self) -> Identity:
        """Ask ``in``: type, serial number, firmware, and pulses per turn, which are used from then on."""
        try:
            data = self._packets.query("in", "IN")
        except TransportTimeout as error:
            raise TransportTimeout(
                f"nobody answers at bus address {self.address}: {error.what}",
                where=error.where,
                hint="check the option `address`, the power supply of the bus and the cable",
            ) from error
        except ProtocolError as error:
            raise self._stranger(error.what) from error
        kind, serial, firmware = int(data[:2], 16), data[2:10], data[14:16]
        travel, pulses = int(data[18:22], 16), int(data[22:30], 16)
        if kind != _TYPE_ELL14:
            raise self._stranger(f"the unit at address {self.address} is an ELL{kind}, serial {serial}")
        if travel != 360 or pulses == 0:
            raise self._stranger(f"the unit reports a travel of {travel} degrees and {pulses} pulses per turn")
        self._pulses_per_turn = pulses
        return Identity("Thorlabs", "ELL14", serial, firmware)

    def safe_state(self) -> None:
        """Stop moving and verify that the unit is at rest; raises InstrumentError if its status does not say so."""
        with self.clock.shielded():
            self.stop()
            code = self._packets.status_at_rest()
        if code:
            raise self._packets.refused("st", code)

    # --- Rotator ----------------------------------------------------------------------------------------------

    def home(self) -> None:
        """Find the reference mark, clockwise; takes up to 10 s. Needed once after power-up, before the first move.

        Raises:
            InstrumentError: the unit failed, or its reply was lost; then home again.
        """
        self._homed = False
        self._packets.request("ho0", "PO", HOME_S, status_is_enough=True)
        self._homed = True

    def stop(self) -> None:
        """Stop moving at once."""
        again(self._packets.request, "st", "PO", status_is_enough=True)

    @property
    def unsolicited(self) -> deque[str]:
        """What came unasked, newest last: handset buttons (BO, BS), other units, late replies."""
        return self._packets.unsolicited

    def _turn(self, angle: float) -> None:
        if not self._homed:
            self.home()
        target = round(angle % 360.0 / 360.0 * self._pulses_per_turn) % self._pulses_per_turn
        data, lost = "", None
        try:
            data = self._packets.request(f"ma{target:08X}", "PO", MOVE_S, status_is_enough=True)
        except (TransportTimeout, ProtocolError) as error:
            lost = error
        except InstrumentError:
            self._homed = False
            raise
        if data and abs(self._off(_signed(data), target)) <= ARRIVED_DEG:
            return
        # The reply was lost, or is a late one of an older move: its position at rest tells whether it obeyed.
        code = self._packets.status_at_rest()
        if code:
            self._homed = False
            raise self._packets.refused(f"ma{target:08X}", code) from lost
        off = self._off(self._pulses(), target)
        if abs(off) > ARRIVED_DEG:
            raise self.error(
                f"stopped {off:+.3f} deg off the wanted {angle % 360.0:g} deg",
                "is the rotor blocked or turned by hand? home it, then turn again",
            ) from lost

    def _off(self, pulses: int, target: int) -> float:
        """Return by how much ``pulses`` is off ``target``, in degrees, the short way round."""
        return ((pulses - target) / self._pulses_per_turn * 360.0 + 180.0) % 360.0 - 180.0

    def _pulses(self) -> int:
        return _signed(self._packets.query("gp", "PO"))

    def _velocity(self) -> int:
        return int(self._packets.query("gv", "GV"), 16)

    def _set_velocity(self, per_cent: int) -> None:
        self._packets.request(f"sv{per_cent:02X}", "GS")

    def _status(self) -> str:
        return status_text(self._packets.status())

    def _stranger(self, why: str) -> IdentityError:
        return IdentityError(
            f"no ELL14 answers here: {why}",
            where=f"{self.label} at {self.resource}",
            hint="check the port and the option `address`; use a /dev/serial/by-id path",
        )


def _signed(digits: str) -> int:
    """Return eight hex digits as a two's complement number."""
    value = int(digits, 16)
    return value - 0x1_0000_0000 if value >= 0x8000_0000 else value
