"""A value asked for by name: what a reading gives, and what is refused or told when it cannot be had."""

import socket
import threading

import pytest
from bellringer.orchestrator.agent.desk import Desk
from bellringer.testbed.clock import WallClock
from bellringer.testbed.errors import BellringerError, InstrumentError, TransportError
from bellringer.testbed.testbed import InstrumentEntry

PLATE = "alice.plate"
ANSWERS = {b"0in": b"0IN0E1140051720231701016800023000\r\n", b"0gp": b"0PO00004600\r\n"}


class Mount:
    """An ELL14 on TCP that knows two questions, and hangs up when it is asked for its velocity."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        entry = InstrumentEntry(
            driver="elliptec_ell14", resource=f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        )
        self.desk = Desk({PLATE: entry}, WallClock(), {})
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with self._listener.accept()[0] as connection:
            while question := connection.recv(100):
                if question not in ANSWERS:
                    return
                connection.sendall(ANSWERS[question])

    def close(self):
        if not self.desk.instruments[PLATE].is_open:
            socket.create_connection(self._listener.getsockname()).close()
        self.desk.instruments[PLATE].abandon()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def mount():
    mount = Mount()
    yield mount
    mount.close()


def test_a_value_is_the_same_whichever_way_it_is_asked_for(mount):
    mount.desk.do(PLATE, "open")
    assert mount.desk.get(PLATE, "angle") == mount.desk.do(PLATE, "get", ("angle",)) == 45.0


@pytest.mark.parametrize("name", ["stop", "_pulses", "angel", "clock", "__init__"])
def test_nothing_but_declared_settings_and_readings_can_be_had(mount, name):
    mount.desk.do(PLATE, "open")
    with pytest.raises(BellringerError, match=f"has no setting or reading '{name}'"):
        mount.desk.get(PLATE, name)


def test_an_instrument_that_is_not_open_or_not_there_is_refused(mount):
    with pytest.raises(InstrumentError, match="it is not open"):
        mount.desk.get(PLATE, "angle")
    with pytest.raises(BellringerError, match=r"there is no instrument 'alice\.plat'"):
        mount.desk.get("alice.plat", "angle")


def test_what_broke_the_connection_is_told_again_until_it_is_opened_anew(mount):
    mount.desk.do(PLATE, "open")
    with pytest.raises(TransportError, match="the far end closed it") as first:
        mount.desk.get(PLATE, "velocity")
    for ask in (lambda: mount.desk.get(PLATE, "angle"), lambda: mount.desk.do(PLATE, "get", ("angle",))):
        with pytest.raises(TransportError, match="the far end closed it") as again:
            ask()
        assert again.value is first.value
