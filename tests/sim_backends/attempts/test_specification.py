"""docs/attempt-protocol.md is what the reference core does: its digits, its example, its commands and codes."""

import hashlib
import re
from pathlib import Path

import pytest
from bellringer.drivers.timing.attempt_line import HINTS
from bellringer.sim_backends.twins.timing.attempt_commands import Commands
from bellringer.testbed.attempts import from_json

PAGE = Path(__file__).parents[3] / "docs" / "attempt-protocol.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


def section(page, heading):
    return re.split(rf"^## {heading}$", page, flags=re.MULTILINE)[1].split("\n## ")[0]


def test_all_check_digits_of_the_page_are_right(page):
    found = re.findall(r'^(?:\w+ )?(?:[<>]{2} |bytes.*")([^\n"]*)\*([0-9A-F]{2})', page, re.MULTILINE)
    assert len(found) > 25
    for text, digits in found:
        check = 0
        for byte in text.encode():
            check ^= byte
        assert f"{check:02X}" == digits, text


def test_the_body_of_the_page_has_the_digest_and_length_that_it_tells(page):
    body = re.search(r"```json\n(.*)\n```", page)[1].encode()
    assert f"{len(body)} bytes" in page
    assert f"SHA-256 `{hashlib.sha256(body).hexdigest()}`" in page
    assert from_json(body).canonical() == body


def test_the_example_is_what_the_reference_core_says_byte_for_byte(page, bench, lab, wire, talk):
    program = re.search(r"```json\n(.*)\n```", page)[1].encode()
    link = bench([(1202, 1)], lead="50 ms")
    station = talk(link.charlie)
    lines, came = {}, {}
    for line in section(page, "Examples").split("```")[1].strip().splitlines():
        if line.startswith("-- at "):
            lab.advance_to(int(line.removeprefix("-- at ")))
            continue
        name, way, text = line.split(" ", 2)
        if name not in lines:
            lines[name] = wire("tcp", link.alice.main_port)
            lab.run_for(1e-4)
            greeting = lines[name].receive()
            came[name] = [greeting] if name == "control" else []
        came[name] += lines[name].receive().splitlines(keepends=True)
        if way == ">>":
            assert came[name] == [], "the page leaves nothing out"
            text, *body = text.split(" and ")
            lines[name].send(text.encode() + b"\n" + (program if body else b""))
            lab.run_for(1e-3)
            if " COMMIT " in text:
                station.load(from_json(program))
                station.ask(f"ARM 7 3 2000000000000 {hashlib.sha256(program).hexdigest()}")
                station.ask("COMMIT 7")
        else:
            assert came[name].pop(0) == text.encode() + b"\n"
    assert set(lines) == {"control", "records", "feedforward"}


def test_the_commands_of_the_page_are_those_of_the_core(page):
    told = set(re.findall(r"^\| `([A-Z]+)", section(page, "Commands on the control connection"), re.MULTILINE))
    assert told == {*Commands.words(), "OPEN"}


def test_the_codes_of_the_page_are_those_the_driver_knows_and_the_core_says(page):
    told = set(re.findall(r"^\| `(\w+)`", section(page, "Codes"), re.MULTILINE))
    folder = Path(PAGE.parents[1] / "sim_backends" / "twins" / "timing")
    said = set(re.findall(r'Refusal\("(\w+)"|ERR (\w+) ', "".join(p.read_text() for p in folder.glob("attempt_*.py"))))
    assert told == {first or second for first, second in said} | {"garbage"}
    assert told == set(HINTS)
