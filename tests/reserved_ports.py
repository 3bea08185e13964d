"""``reserve_ports``: TCP ports whose numbers are known before the service that listens there is started."""

import random
import socket
import weakref

NUMBERS = range(10_000, 20_000)
"""Neither the system, nor ZeroMQ, nor a test that asks them for any free port, is given one of these."""


def reserve_ports(count: int, owner: object) -> list[int]:
    """Return numbers of free TCP ports of loopback, which this function gives to nobody else while ``owner`` lives.

    They are bound without listening, so that a connection is refused; who listens on one by number, and may reuse
    addresses as ZeroMQ and Python's servers do, gets it.
    """
    chance, found = random.SystemRandom(), []
    while len(found) < count:
        reservation, number = socket.socket(), chance.choice(NUMBERS)
        try:
            reservation.bind(("127.0.0.1", number))
        except OSError:  # taken
            reservation.close()
            continue
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        weakref.finalize(owner, reservation.close)
        found.append(number)
    return found
