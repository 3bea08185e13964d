"""``--set`` lays values over the file's; they are checked like the file's and placed at the option itself."""

from typing import Any

import pytest
from bellringer.testbed.loader import load


def test_a_setting_is_replaced(lab: Any) -> None:
    loaded = load(lab.path, {"charlie.pump.power": "20 mW"})
    assert loaded.testbed.instruments()["charlie.pump"].settings == {"power": "20 mW"}
    assert loaded.overrides == {"charlie.pump.power": "20 mW"}


def test_a_setting_that_the_file_does_not_have_is_added(lab: Any) -> None:
    loaded = load(lab.path, {"alice.plate.angle": "22.5 deg"})
    assert loaded.testbed.instruments()["alice.plate"].settings == {"angle": "22.5 deg"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "alice.detectors.model.efficiency",
            "0.5",
            lambda t: t.instruments()["alice.detectors"].model.efficiency == 0.5,
        ),
        ("alice.detectors.model.channels", "3", lambda t: t.instruments()["alice.detectors"].model.channels == 3),
        (
            "charlie.pump.limits.power.max",
            "30 mW",
            lambda t: t.instruments()["charlie.pump"].limits["power"].max == "30 mW",
        ),
        (
            "charlie.pump.options.max_power",
            "60 mW",
            lambda t: t.instruments()["charlie.pump"].options == {"max_power": "60 mW"},
        ),
        (
            "charlie.oven.rest.temperature",
            "45 degC",
            lambda t: t.instruments()["charlie.oven"].rest == {"temperature": "45 degC"},
        ),
        ("alice.tagger.serial_number", "17", lambda t: t.instruments()["alice.tagger"].serial_number == "17"),
        ("alice.tagger.resource", "zmq://h:1", lambda t: t.instruments()["alice.tagger"].resource == "zmq://h:1"),
        ("alice.fibre.length", "20 km", lambda t: t.optics()["alice.fibre"].length == 20e3),
        ("links.alice-bob.coincidence_window", "1 ns", lambda t: t.links["alice-bob"].coincidence_window == 1e-9),
        (
            "links.alice-bob.ends.bob.plate",
            "alice.plate",
            lambda t: t.links["alice-bob"].ends["bob"].plate == "alice.plate",
        ),
    ],
)
def test_paths_lead_to_what_they_name(lab: Any, path: str, value: str, expected: Any) -> None:
    assert not expected(load(lab.path).testbed)
    assert expected(load(lab.path, {path: value}).testbed)


@pytest.mark.parametrize(
    ("path", "value", "what", "hint"),
    [
        ("charlie.pmup.power", "1 mW", "no instrument or optic 'charlie.pmup'", "did you mean 'pump'?"),
        ("alice.fiber.length", "1 km", "no instrument or optic 'alice.fiber'", "did you mean 'fibre'?"),
        ("chalie.pump.power", "1 mW", "no node 'chalie'", "did you mean 'charlie'?"),
        ("link.alice-bob.coincidence_window", "1 ns", "no node 'link'", "did you mean 'links'?"),
        ("links.alicebob.coincidence_window", "1 ns", "no link 'alicebob'", "did you mean 'alice-bob'?"),
        (
            "links.alice-bob.coincidence_windw",
            "1 ns",
            "unknown key 'coincidence_windw'",
            "did you mean 'coincidence_window'?",
        ),
        ("alice.fibre.lenght", "1 km", "unknown key 'lenght'", "did you mean 'length'?"),
        ("alice.detectors.model.eficiency", "1", "unknown key 'eficiency'", "did you mean 'efficiency'?"),
        ("alice.detectors.modl.efficiency", "1", "no block 'modl'", "did you mean 'model'?"),
        ("charlie.pump.limits.power.mx", "1 mW", "unknown key 'mx'", "did you mean 'max'?"),
        ("alice.fibre.length", "20", "a number without a unit", 'write "20 m"'),
        ("alice.fibre.length.x", "1", "'length' is a value", "node.optic.field"),
        ("alice.fibre.polarisation", "lost", "'lost' is no valid polarisation", "kept, rotated"),
        ("alice.detectors.model.channels", "two", "not a whole number", "whole number"),
        ("links.alice-bob.coincidence_window", "600", "a number without a unit", 'write "600 s"'),
        ("links.alice-bob.ends.bob.reflected", "4", "nothing is wired to bob.tagger.4", "bob.tagger.1, bob.tagger.2"),
        ("power", "1 mW", "'power' is no path", "node.instrument.setting"),
        ("charlie.pump", "1 mW", "'charlie.pump' is no path", "node.instrument.setting"),
        ("charlie..power", "1 mW", "'charlie..power' is no path", "node.instrument.setting"),
    ],
)
def test_a_bad_path_or_value_is_refused_at_the_option(lab: Any, path: str, value: str, what: str, hint: str) -> None:
    error = lab.refusal({path: value})
    assert what in error.what
    assert hint in error.hint
    assert error.where == f"--set {path}={value}"


def test_an_overridden_value_is_placed_at_its_option_and_others_in_the_file(lab: Any) -> None:
    loaded = load(lab.path, {"alice.fibre.length": "20 km"})
    assert loaded.location("nodes", "alice", "optics", "fibre", "length") == "--set alice.fibre.length=20 km"
    assert loaded.location("nodes", "alice", "optics", "fibre", "kind") == lab.place("kind: fibre")


def test_a_bad_file_under_an_override_is_still_placed_in_the_file(lab: Any) -> None:
    lab.change('"785 nm"', '"785 kg"')
    assert lab.refusal({"alice.fibre.length": "20 km"}).where == lab.place("wavelength")


def test_an_override_into_a_broken_block_says_so_instead_of_crashing(lab: Any) -> None:
    lab.write("bellringer: 1\nname: x\nnodes: []\n")
    assert "no node 'charlie'" in lab.refusal({"charlie.pump.power": "1 mW"}).what
