"""What entries say about each other: links, crystals, and instruments on one port."""

from typing import Any

import pytest
from bellringer.testbed.loader import load

ALICE = "alice: {plate: alice.plate, tagger: alice.tagger, transmitted: 1, reflected: 2}"

# Each row: what stands in the good file, what takes its place, the text at which the error is placed, message, hint.
FAULTS = {
    "unknown source": (
        "source: charlie.source",
        "source: charlie.sorce",
        "source: charlie.sorce",
        "no instrument 'charlie.sorce'",
        "did you mean 'charlie.source'?",
    ),
    "unknown end": (ALICE, ALICE.replace("alice:", "alicia:"), "alicia:", "no node 'alicia'", "did you mean 'alice'?"),
    "unknown plate": (
        ALICE,
        ALICE.replace("alice.plate", "alice.plat"),
        "plate: alice.plat,",
        "no instrument 'alice.plat'",
        "did you mean 'alice.plate'?",
    ),
    "tagger as plate": (
        ALICE,
        ALICE.replace("alice.plate", "alice.tagger"),
        "plate: alice.tagger",
        "alice.tagger is no rotator",
        "alice.plate",
    ),
    "unknown tagger": (
        ALICE,
        ALICE.replace("alice.tagger", "alice.taggr"),
        "tagger: alice.taggr,",
        "no instrument 'alice.taggr'",
        "did you mean 'alice.tagger'?",
    ),
    "plate as tagger": (
        ALICE,
        ALICE.replace("alice.tagger", "alice.plate"),
        "tagger: alice.plate",
        "alice.plate is no time tagger",
        "alice.tagger",
    ),
    "input not wired": (
        ALICE,
        ALICE.replace("transmitted: 1", "transmitted: 3"),
        "transmitted: 3",
        "nothing is wired to alice.tagger.3",
        "alice.tagger.1, alice.tagger.2",
    ),
    "one input for both": (
        ALICE,
        ALICE.replace("reflected: 2", "reflected: 1"),
        "reflected: 1",
        "both transmitted and reflected",
        "two detectors",
    ),
    "wrong crystal pump": (
        "pump: charlie.pump\n",
        "pump: charlie.pmp\n",
        "pump: charlie.pmp",
        "no instrument 'charlie.pmp'",
        "did you mean 'charlie.pump'?",
    ),
    "oven as pump": (
        "pump: charlie.pump\n",
        "pump: charlie.oven\n",
        "pump: charlie.oven",
        "charlie.oven is no laser",
        "charlie.pump",
    ),
    "pump as oven": (
        "oven: charlie.oven\n",
        "oven: charlie.pump\n",
        "oven: charlie.pump",
        "charlie.pump is no oven",
        "charlie.oven",
    ),
    "pump as plate": (
        "pump_plate: charlie.pump_plate",
        "pump_plate: charlie.pump",
        "pump_plate: charlie.pump",
        "charlie.pump is no rotator",
        "charlie.pump_plate",
    ),
    "energy not conserved": (
        '"1575.03 nm"',
        '"1580 nm"',
        "idler_wavelength",
        "energy is not conserved",
        '"1575.032 nm"',
    ),
    "signal shorter than the pump": (
        '"1565 nm"',
        '"700 nm"',
        "idler_wavelength",
        "energy is not conserved",
        "longer than the pump",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_placed_and_hinted(lab: Any, name: str) -> None:
    old, new, needle, what, hint = FAULTS[name]
    lab.change(old, new)
    error = lab.refusal()
    assert what in error.what
    assert hint in error.hint
    assert error.where == lab.place(needle)


def test_swapped_inputs_are_noticed_from_the_wiring(lab: Any) -> None:
    lab.change(ALICE, ALICE.replace("transmitted: 1, reflected: 2", "transmitted: 2, reflected: 1"))
    error = lab.refusal()
    assert error.what.startswith("2 errors")
    assert "alice.tagger.2 is wired to the splitter's reflected output, not to the transmitted one" in error.what
    assert error.where == lab.place("transmitted: 2")


def test_two_instruments_at_one_resource_are_each_told_of_the_other(lab: Any) -> None:
    lab.change("ttyUSB4", "ttyUSB3")
    error = lab.refusal()
    lines = error.what.splitlines()[1:]
    assert [line.split(": ")[0] for line in lines] == [
        lab.place("resource: serial:///dev/ttyUSB3"),
        lab.place("resource: serial:///dev/ttyUSB3", after="  bob:"),
    ]
    assert "alice.plate is at serial:///dev/ttyUSB3 like bob.plate" in lines[0]
    assert "bob.plate is at serial:///dev/ttyUSB3 like alice.plate" in lines[1]
    assert "address" in error.hint


def test_one_resource_with_different_addresses_is_a_bus(lab: Any) -> None:
    lab.change("resource: serial:///dev/ttyUSB4", 'resource: serial:///dev/ttyUSB3\n        options: {address: "1"}')
    lab.change(
        "resource: serial:///dev/ttyUSB3\n        model",
        'resource: serial:///dev/ttyUSB3\n        options: {address: "2"}\n        model',
    )
    assert load(lab.path).testbed.instruments()["bob.plate"].options == {"address": "1"}


def test_one_resource_with_the_same_address_is_refused(lab: Any) -> None:
    lab.change("resource: serial:///dev/ttyUSB4", 'resource: serial:///dev/ttyUSB1\n        options: {address: "0"}')
    assert "serial:///dev/ttyUSB1, address 0, like" in lab.refusal().what


def test_a_mismatch_inside_the_filters_is_no_fault(lab: Any) -> None:
    lab.change('"1575.03 nm"', '"1575.5 nm"')
    assert load(lab.path).testbed.optics()["charlie.crystal"].idler_wavelength == pytest.approx(1575.5e-9)


def test_links_are_judged_although_the_wiring_is_wrong(lab: Any) -> None:
    lab.change("source: charlie.source", "source: charlie.sorce")
    lab.change("charlie.crystal.idler", "charlie.crystal.idle")
    error = lab.refusal()
    assert "'charlie.sorce'" in error.what
    assert "'idle'" in error.what
