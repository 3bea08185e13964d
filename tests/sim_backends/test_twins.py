"""What holds for all twins, and lab time moved by hand."""

import pytest
from bellringer.sim_backends.lab.byte_ports import _Stream
from bellringer.sim_backends.twins import TWINS
from bellringer.testbed.models import (
    AttemptCoreModel,
    DetectorModel,
    LaserModel,
    OvenModel,
    PulseStreamerModel,
    RotatorModel,
    TaggerModel,
)

MODELS = {
    "cobolt_06": LaserModel(kind="laser", wavelength="785 nm"),
    "tc200": OvenModel(kind="oven"),
    "elliptec_ell14": RotatorModel(kind="rotator"),
    "websq": DetectorModel(kind="snspd"),
    "id900": TaggerModel(kind="time_tagger"),
    "attempt_core": AttemptCoreModel(kind="attempt_core"),
    "pulse_streamer": PulseStreamerModel(kind="pulse_streamer"),
}


def test_twins_are_found_by_their_driver_s_name():
    assert {name: twin.driver for name, twin in TWINS.items()} == {name: name for name in MODELS}


@pytest.mark.parametrize("driver", sorted(MODELS))
def test_a_twin_registers_itself_and_tells_how_to_reach_it(lab, driver):
    twin = TWINS[driver](lab, "node.part", MODELS[driver])
    assert lab.twins == {"node.part": twin}
    assert twin.resource.partition("://")[0] in ("serial", "socket", "zmq", "http")
    assert all(isinstance(value, int | list) for value in twin.connection().values())
    assert twin.inspect()
    with pytest.raises(ValueError, match=r"node\.part has no fault 'flood'"):
        twin.own_fault("flood")


def test_advance_to_does_what_is_due_in_order_and_leaves_time_there(lab):
    seen = []
    lab.after(2.0, lambda: seen.append(("b", lab.now_ps)))
    lab.after(1.0, lambda: (seen.append(("a", lab.now_ps)), lab.after(0.5, lambda: seen.append(("c", lab.now_ps)))))
    lab.after(3.0, lambda: seen.append(("late", lab.now_ps)))
    lab.advance_to(2_500_000_000_000)
    assert seen == [("a", 10**12), ("c", 1_500_000_000_000), ("b", 2 * 10**12)]
    assert lab.now_ps == 2_500_000_000_000


class Wire(_Stream):
    def _write(self, data):
        self.pieces.append(data)

    def close(self):
        pass


def test_replies_come_in_pieces_and_those_of_a_long_connection_in_two_at_most(lab):
    """Seed 0: of the first 20 replies a third comes byte by byte."""
    wire, reply = Wire(lab.tcp_port("port", lambda data, client: None), "key"), b"34.25 W, and all is well\r\n"
    counts = []
    for _ in range(100):
        wire.pieces = []
        wire.send(reply)
        lab.advance_to(lab.now_ps)
        assert b"".join(wire.pieces) == reply
        counts.append(len(wire.pieces))
    assert set(counts[:20]) == {1, 2, len(reply)}
    assert set(counts[20:]) == {1, 2}
    assert wire.delivered == 100 * len(reply)


def test_a_lab_that_falls_behind_the_wall_says_so_once_in_a_while(lab, capsys):
    lab._wall_start -= 100.0
    done = []
    for when_ps in (10, 20):
        lab.at(when_ps, lambda: done.append(lab.now_ps))
    lab.step()
    lab.step()
    assert len(done) == 2
    assert capsys.readouterr().err.count("s behind the wall clock, and its instruments answer late") == 1
    lab.at(lab.now_ps, lambda: done.append(lab.now_ps))
    lab._said_behind_s = float("-inf")
    lab.step()
    assert len(done) == 3
    assert not capsys.readouterr().err
