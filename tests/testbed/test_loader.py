"""A testbed file is read whole, or refused with the file, line, column and the nearest valid name."""

from typing import Any

import pytest
from bellringer.testbed.loader import load


def test_values_come_in_si_units(lab: Any) -> None:
    testbed = load(lab.path).testbed
    fibre = testbed.optics()["alice.fibre"]
    assert (fibre.length, fibre.loss) == (5000.0, 0.0002)
    assert testbed.optics()["charlie.crystal"].brightness == 1e8
    assert testbed.instruments()["alice.tagger"].model.frequency_error == 4e-7
    assert testbed.links["alice-bob"].coincidence_window == 6e-10


def test_text_and_path_are_kept(lab: Any) -> None:
    loaded = load(str(lab.path))
    assert (loaded.text, loaded.path) == (lab.text, lab.path)


def test_settings_stay_text_until_a_driver_reads_them(lab: Any) -> None:
    assert load(lab.path).testbed.instruments()["charlie.pump"].settings == {"power": "10 mW"}


def test_every_value_has_its_place(lab: Any) -> None:
    loaded = load(lab.path)
    assert loaded.location("nodes", "alice", "optics", "fibre", "length") == lab.place("length:", after="fibre:")
    assert loaded.location("nodes", "charlie", "instruments", "pump", "settings", "power") == lab.place("power:")
    assert loaded.location("wiring", 2) == lab.place("alice.splitter.reflected ->")
    assert loaded.location() == f"{lab.path}:1:1"


def test_what_is_not_in_the_file_is_placed_at_the_block_that_should_hold_it(lab: Any) -> None:
    assert load(lab.path).location("nodes", "alice", "optics", "fibre", "loss") == lab.place("fibre:")


# Each row: what stands in the good file, what takes its place, the text at which the error is placed (and a text
# before it), words of the message, words of the hint.
FAULTS = {
    "misspelt key": ("length: ", "lenght: ", ("lenght",), "unknown key 'lenght'", "did you mean 'length'?"),
    "unknown top key": ("wiring:\n", "wires:\n", ("wires",), "unknown key 'wires'", "did you mean 'wiring'?"),
    "unknown instrument key": (
        "resource: zmq://192.0.2.22",
        "resurce: zmq://192.0.2.22",
        ("resurce",),
        "alice.tagger: unknown key",
        "'resource'",
    ),
    "far-off key": (
        "length: ",
        "xyzzy: 1\n        length: ",
        ("xyzzy",),
        "unknown key 'xyzzy'",
        "valid names: background, dispersion",
    ),
    "missing quantity": (
        '        length: "5 km"\n',
        "",
        ("fibre:",),
        "alice.fibre: 'length' is missing",
        'length: "10 km"',
    ),
    "missing text": (
        "        driver: fake_laser\n",
        "",
        ("pump:",),
        "charlie.pump: 'driver' is missing",
        "add 'driver: ...'",
    ),
    "missing name": ("name: test-lab\n", "", ("bellringer",), "'name' is missing", "add 'name: ...'"),
    "missing kind": (
        "        kind: fibre\n",
        "",
        ("fibre:",),
        "'kind' is missing",
        "attenuator, fibre, heralding_station, polarising_splitter, spdc_crystal",
    ),
    "missing choice": ("        polarisation: kept\n", "", ("fibre:",), "'polarisation' is missing", "kept, rotated"),
    "missing version": ("bellringer: 1\n", "", ("name",), "'bellringer' is missing", "bellringer: 1"),
    "number without unit": ('"5 km"', "5", ("length", "fibre:"), "length is 5: a number without a unit", 'write "5 m"'),
    "text without unit": (
        '"5 km"',
        '"0.5"',
        ("length", "fibre:"),
        "length is '0.5': a number without a unit",
        'write "0.5 m"',
    ),
    "unit of another kind": (
        '"5 km"',
        '"5 mW"',
        ("length", "fibre:"),
        "length is '5 mW': not a quantity in m",
        '"10 km"',
    ),
    "unknown unit": ('"5 km"', '"5 furlogns"', ("length", "fibre:"), "unknown unit 'furlogns'", '"10 km"'),
    "true for a quantity": ('"5 km"', "true", ("length", "fibre:"), "length is True, not a quantity", '"10 km"'),
    "list for a quantity": ('"5 km"', "[5]", ("length", "fibre:"), "length is [5], not a quantity", '"10 km"'),
    "nothing for a quantity": ('"5 km"', "", ("length", "fibre:"), "nothing stands after 'length:'", "remove the key"),
    "negative length": (
        '"5 km"',
        '"-5 km"',
        ("length", "fibre:"),
        "'-5 km', outside its range from 0 m up",
        "inside that range",
    ),
    "efficiency above one": (
        "efficiency: 0.8",
        "efficiency: 1.2",
        ("efficiency",),
        "efficiency is 1.2, outside 0 to 1",
        "inside",
    ),
    "true for a plain number": (
        "efficiency: 0.8",
        "efficiency: true",
        ("efficiency",),
        "efficiency is True",
        "plain number",
    ),
    "not a number": ("efficiency: 0.8", "efficiency: .nan", ("efficiency",), "efficiency is", "plain number"),
    "a temperature for a difference": (
        '"4 K"',
        '"4 degC"',
        ("temperature_acceptance",),
        "difference in K",
        'write "4 K"',
    ),
    "true for a count": (
        "channels: 2\n",
        "channels: true\n",
        ("channels: true",),
        "channels is True, not a whole number",
        "whole number",
    ),
    "text for a count": (
        "channels: 2\n",
        'channels: "2"\n',
        ("channels: ",),
        "channels is '2', not a whole number",
        "whole number",
    ),
    "count of zero": ("channels: 2\n", "channels: 0\n", ("channels: 0",), "greater than or equal to 1", "correct"),
    "whole number for text": (
        'serial_number: "0042"',
        "serial_number: 42",
        ("serial_number",),
        "does not take as text",
        'quotes: "42"',
    ),
    "yes for text": ("name: test-lab", "name: yes", ("name",), "does not take as text", 'put it in quotes: "yes"'),
    "number for a label": ("{1: H,", "{1: 5,", ("1: 5",), "does not take as text", 'quotes: "5"'),
    "input number in quotes": ("{1: H,", '{"1": H,', ('"1": H',), "'1' is no input number", "without quotes"),
    "unknown optic kind": (
        "kind: fibre",
        "kind: fiber",
        ("kind: fiber",),
        "'fiber' is no valid kind",
        "did you mean 'fibre'? valid: attenuator, fibre",
    ),
    "unknown instrument kind": (
        "kind: snspd\n",
        "kind: spad\n",
        ("kind: spad",),
        "'spad' is no valid kind",
        "attempt_core, laser, oven, pulse_streamer, rotator, snspd, spin_qubit, time_tagger",
    ),
    "unknown choice": (
        "polarisation: kept",
        "polarisation: keep",
        ("polarisation",),
        "'keep' is no valid polarisation",
        "did you mean 'kept'? valid: kept, rotated",
    ),
    "future version": (
        "bellringer: 1\n",
        "bellringer: 2\n",
        ("bellringer",),
        "version 2 of the testbed file format",
        "'bellringer: 1'",
    ),
    "true as version": ("bellringer: 1\n", "bellringer: true\n", ("bellringer",), "not a whole number", "whole number"),
    "duplicate node": (
        "  bob:\n",
        "  alice:\n",
        ("alice:", "optics:\n      fibre"),
        "'alice' appears twice",
        "the first is in line 37",
    ),
    "duplicate key": (
        '        length: "5 km"\n',
        '        length: "5 km"\n        length: "6 km"\n',
        ('length: "6 km"',),
        "'length' appears twice",
        "keep one",
    ),
    "dot in a name": (
        "  alice-bob:",
        "  alice.bob:",
        ("alice.bob",),
        "'alice.bob' is no valid name",
        "letters, digits",
    ),
    "number as a name": (
        "      plate:\n        driver: fake_mount\n        resource: serial:///dev/ttyUSB3",
        "      7:\n        driver: fake_mount\n        resource: serial:///dev/ttyUSB3",
        ("7:\n",),
        "'7' is no valid name",
        "letter first",
    ),
    "text for a block": (
        "{kind: polarising_splitter}\n  bob",
        "none\n  bob",
        ("splitter: none",),
        "splitter is 'none', not a block",
        "name: value",
    ),
    "list for a block": ("links:\n", "links: []\nname2:\n", ("links",), "links is a list, not a block", "name: value"),
    "one end only": (
        "      bob: {plate: bob.plate, tagger: bob.tagger, transmitted: 1, reflected: 2}\n",
        "",
        ("ends:",),
        "ends has 1 entries, at least 2 wanted",
        "two nodes",
    ),
    "true for a limit": ('{max: "50 mW"}', "{max: true}", ("max",), "the limit is True", '"50 mW"'),
    "third limit": ('{max: "50 mW"}', '{maxi: "50 mW"}', ("maxi",), "unknown key 'maxi'", "did you mean 'max'?"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_placed_and_hinted(lab: Any, name: str) -> None:
    old, new, needle, what, hint = FAULTS[name]
    if lab.text.count(old) != 1:  # a word of several instruments: Alice's is meant
        head, tail = lab.text.split("  alice:\n", 1)
        lab.write(head + "  alice:\n" + tail.replace(old, new, 1))
    else:
        lab.change(old, new)
    error = lab.refusal()
    assert what in error.what
    assert hint in (error.hint or error.what)
    assert error.where == lab.place(*needle)


def test_all_faults_are_reported_at_once_in_the_order_of_the_file(lab: Any) -> None:
    lab.change('"5 km"', "5")
    lab.change('"785 nm"', '"785 kg"')
    lab.change("coincidence_window: ", "coincidence_windw: ")
    error = lab.refusal()
    head, *lines = error.what.splitlines()
    assert head == "3 errors in the testbed file:"
    assert [line.split(": ")[0] for line in lines] == [
        lab.place("wavelength:"),
        lab.place("length:", after="fibre:"),
        lab.place("coincidence_windw"),
    ]
    assert "(did you mean 'coincidence_window'?)" in lines[2]
    assert error.where == lab.place("wavelength:")


def test_a_duplicate_and_a_wrong_value_are_reported_together(lab: Any) -> None:
    lab.change("name: test-lab\n", "name: test-lab\nname: again\n")
    lab.change('"5 km"', "5")
    assert lab.refusal().what.startswith("2 errors")
