"""The example testbed is right by itself, for its drivers, and in its physics."""

from pathlib import Path
from typing import Any

import pytest
from bellringer.drivers.check import check
from bellringer.testbed.loader import load
from bellringer.testbed.memory_prediction import predict_memory_link
from bellringer.testbed.units import parse
from bellringer.testbed.wiring import Wiring

EXAMPLE = Path(__file__).parents[2] / "examples" / "bell_three_node.yaml"


@pytest.fixture(scope="module")
def testbed() -> Any:
    return load(EXAMPLE).testbed


def test_it_loads_and_its_drivers_accept_it() -> None:
    check(load(EXAMPLE))


def test_it_names_every_built_in_driver(testbed: Any) -> None:
    assert {entry.driver for entry in testbed.instruments().values()} == {
        "cobolt_06", "elliptec_ell14", "tc200", "pair_source", "websq", "id900",
    }  # fmt: skip


def test_a_pump_photon_has_the_energy_of_a_pair(testbed: Any) -> None:
    crystal, pump = testbed.optics()["charlie.source_crystal"], testbed.instruments()["charlie.pump"].model
    mismatch = 1 / crystal.signal_wavelength + 1 / crystal.idler_wavelength - 1 / pump.wavelength  # 1/m
    assert abs(299_792_458 * mismatch) < 1e9, "in Hz; the filters are 100 GHz wide"


@pytest.mark.parametrize("power_mw", [10, 20])
def test_dead_time_loses_less_than_one_per_cent_of_coincidences(testbed: Any, power_mw: int) -> None:
    """(S_A + S_B - C) tau of one detector pair, for the Bell state, where each detector sees half of its arm."""
    pairs = testbed.optics()["charlie.source_crystal"].brightness * power_mw * 1e-3
    efficiency = {}
    for node in ("alice", "bob"):
        fibre, detectors = testbed.optics()[f"{node}.fibre"], testbed.instruments()[f"{node}.detectors"].model
        loss = fibre.length * fibre.loss + fibre.insertion_loss
        efficiency[node] = 10 ** (-loss / 10) * detectors.efficiency
    singles = [pairs * efficiency[node] / 2 + detectors.dark_rate for node in ("alice", "bob")]
    matched = pairs * efficiency["alice"] * efficiency["bob"] / 2
    factor = (sum(singles) - matched) * detectors.dead_time
    assert factor == pytest.approx({10: 0.0043, 20: 0.0086}[power_mw], rel=0.02)
    assert factor < 0.01


def test_the_pump_makes_one_and_a_half_million_pairs_per_second(testbed: Any) -> None:
    power = parse(testbed.instruments()["charlie.pump"].settings["power"], "W")
    assert testbed.optics()["charlie.source_crystal"].brightness * power == pytest.approx(1.5e6)


def test_the_detectors_are_biased_on_their_plateau(testbed: Any) -> None:
    for name in ("alice.detectors", "bob.detectors"):
        entry = testbed.instruments()[name]
        assert entry.model.plateau_current < parse(entry.settings["bias_current"], "A") < entry.model.switching_current


def test_every_end_of_a_link_sees_light_from_the_crystal() -> None:
    loaded = load(EXAMPLE)
    for end in loaded.testbed.links["alice-bob"].ends.values():
        for number in (end.transmitted, end.reflected):
            assert loaded.wiring.route_to(f"{end.tagger}.{number}")[0].startswith("charlie.source_crystal.")


@pytest.mark.parametrize("name", ["memory_two_node", "memory_three_node"])
def test_memory_testbeds_are_right_for_their_drivers_and_their_links_deliver(name: str) -> None:
    """At least a pair in some seconds, and well above 1/2, or the file is no example of anything."""
    found = load(EXAMPLE.parent / f"{name}.yaml")
    check(found)
    for link in found.testbed.memory_links:
        predicted = predict_memory_link(found.testbed, Wiring(found.testbed), link)
        assert predicted.rate_hz > 0.3
        assert 0.8 < predicted.mean_fidelity < 0.95
