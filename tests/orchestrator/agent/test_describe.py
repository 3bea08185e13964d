"""What an agent tells of an instrument: all that a client needs, in values that travel, without asking it anything."""

import inspect
from pathlib import Path

import pytest
from bellringer.orchestrator.agent.desk import Desk
from bellringer.orchestrator.wire.codec import Decoder, encode
from bellringer.orchestrator.wire.messages import Reply
from bellringer.testbed.clock import WallClock
from bellringer.testbed.loader import load

EXAMPLE = Path(__file__).parents[3] / "examples" / "bell_three_node.yaml"
ENTRIES = load(EXAMPLE).testbed.instruments()


@pytest.fixture(scope="module")
def desk():
    return Desk(ENTRIES, WallClock(), {})


def by_name(rows):
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_instrument_of_the_example_is_described_before_it_is_opened(desk, name):
    body = desk.do(name, "describe")
    driver = type(desk.find(name))
    assert not desk.find(name).is_open
    assert (body["instrument"], body["driver"], body["model"]) == (name, ENTRIES[name].driver, driver.model_name)
    assert set(by_name(body["settings"])) == set(driver.settings())
    assert set(by_name(body["readings"])) == driver.readings().keys() - driver.settings().keys()
    assert {"open", "close", "abandon", "readings", "snapshot"}.isdisjoint(by_name(body["methods"]))
    message, _ = Decoder(Reply).decode([bytes(frame) for frame in encode(Reply(1, body))])
    assert message.value == body, "it travels as it is"


def test_limits_are_the_narrowest_and_say_whose_they_are(desk):
    power = by_name(desk.do("charlie.pump", "describe")["settings"])["power"]
    assert (power["limits"], power["limited_by"], power["unit"]) == ([0.0, 0.05], "limit of the testbed file", "W")
    angle = by_name(desk.do("alice.plate", "describe")["settings"])["angle"]
    assert (angle["limits"], angle["limited_by"]) == ([-360.0, 720.0], "limit of the hardware")


def test_methods_come_with_signature_and_docs_of_the_driver(desk):
    record = by_name(desk.do("alice.tagger", "describe")["methods"])["record"]
    assert record["signature"] == (
        "(duration_s: float, channels: list[int], start_ps: int | None = None) -> Recording"
    ), "without the modules of the types"
    assert record["doc"] == inspect.getdoc(type(desk.find("alice.tagger")).record)


def test_a_composed_instrument_names_its_parts_and_what_it_can_do(desk):
    body = desk.do("charlie.source", "describe")
    assert body["parts"] == {"pump": "charlie.pump", "pump_plate": "charlie.pump_plate", "oven": "charlie.oven"}
    assert body["capabilities"] == ["PairSource"]
