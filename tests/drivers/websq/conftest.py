"""``eos``, the far end of a WebSQ, and ``unit``, its driver, open."""

import types
from collections.abc import Iterator

import pytest
from bellringer.drivers.detectors.websq import WebSq

from .far_end import Eos, opened_at


@pytest.fixture
def eos(monkeypatch: pytest.MonkeyPatch) -> Iterator[Eos]:
    # pyserial waits 0.3 s of wall time whenever a socket is closed
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time", types.SimpleNamespace(sleep=lambda seconds: None))
    peer = Eos()
    yield peer
    peer.close()


@pytest.fixture
def unit(eos: Eos) -> Iterator[WebSq]:
    opened = opened_at(eos)
    eos.requests.clear()
    yield opened
    eos.on_request = eos.behave
    opened.close()
