"""The reference core against the bytes of attempt/1: lines, programs, what it refuses."""

import hashlib

import pytest

S = 10**12


# --- lines -------------------------------------------------------------------------------------------------------


def test_check_digits_of_the_specification(three, talk):
    assert talk(three.alice).raw(b"1 STATUS*05\n")[0].startswith("1 OK state=EMPTY")
    talk(three.alice, "feedforward", "").send(b"APPLY 7 1202 31 Z 8000000000000*22\n")
    three.lab.run_for(1e-3)
    assert three.alice.records(1, 9) == ["A 1 7 1202 31 Z 3220000000 unknown batch"]


def test_the_greeting_says_who_it_is_and_what_it_can(three, talk):
    node, station = talk(three.alice).greeting, talk(three.charlie).greeting
    assert node.startswith("attempt/1 name=alice role=node boot=")
    assert " traits=absolute_start,herald_in_loop,branching,feedforward_in " in node
    assert " slots=1 " in node
    assert " traits=absolute_start,herald_in_loop,records_heralds " in station
    assert " slots=0 " in station


def test_a_node_without_a_line_does_not_claim_to_hear_heralds(bench, talk):
    greeting = talk(bench(lines={"alice": 1000}).bob).greeting
    assert " traits=absolute_start,feedforward_in " in greeting


@pytest.mark.parametrize(
    "spoilt", [b"1 STATUS*07\n", b"1 STATUS\n", b"*\n", b"\n", b"\x00\xff*FF\n", b"1 STATUS*05 \n", b"x" * 2000 + b"\n"]
)
def test_row_13_garbage_is_counted_and_answered_and_the_next_line_is_understood(three, talk, spoilt):
    line = talk(three.alice)
    assert {text[:14] for text in line.raw(spoilt)} == {"0 ERR garbage "}
    found = line.status()
    assert (found["state"], found["outputs"]) == ("EMPTY", "off")
    assert int(found["garbage"]) >= 1


def test_a_carriage_return_before_the_end_is_ignored_and_any_cut_is_understood(three, talk, lab):
    line = talk(three.alice)
    for piece in (b"9 ST", b"ATUS", b"*0", b"D\r", b"\n"):
        line.send(piece)
        lab.run_for(0.01)
    assert line.said()[0].startswith("9 OK state=EMPTY")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("FROB", "command"),
        ("ARM 1 1", "command"),
        ("ARM x 1 1 " + "0" * 64, "command"),
        ("ARM 1 1 9223372036854775808 " + "0" * 64, "command"),
        ("ARM -1 1 1 " + "0" * 64, "command"),
        ("COMMIT", "command"),
        ("COMMIT 7", "state"),
        ("REPORT 7", "state"),
        ("LOAD 12 0", "command"),
        ("LOAD " + "0" * 64 + " 0", "command"),
        ("OPEN control 1000", "role"),
        ("OPERATE 0 Q", "command"),
        ("OPERATE 0 X", "slot"),
        ("MEASURE 5 Z", "slot"),
        ("MEASURE 0 A", "command"),
        ("RESET 9", "slot"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(three, talk, command, code):
    line = talk(three.alice)
    assert line.ask(command)[0].split(" ")[1:3] == ["ERR", code]


def test_one_connection_has_control(three, talk):
    talk(three.alice)
    other = talk(three.alice, "")
    assert other.raw("1 STATUS") == ["1 ERR role OPEN control first"]
    assert other.raw("2 OPEN control 1000") == ["2 ERR role somebody else has control"]
    assert other.raw("3 OPEN control 99")[0].startswith("3 ERR command a lease is 100 to")


# --- programs ----------------------------------------------------------------------------------------------------


def test_a_program_is_kept_by_the_hash_of_its_bytes(three, talk):
    line, program = talk(three.alice), three.program()
    assert line.load(program) == f"OK program={program.digest}"
    assert line.load(program) == f"OK program={program.digest}"
    assert line.status()["state"] == "LOADED"


def test_row_23_a_body_with_another_hash_is_refused_and_a_program_that_is_not_loaded_cannot_be_armed(three, talk):
    line, program = talk(three.alice), three.program()
    body = program.canonical()
    spoilt = body.replace(b"5000000", b"5000001")
    said = line.ask(f"LOAD {program.digest} {len(body)}", spoilt)[0]
    assert said.split(" ")[1:] == ["ERR", "hash", "the", "body", "has", hashlib.sha256(spoilt).hexdigest()]
    assert line.ask(f"ARM 7 1 {S} {program.digest}")[0].endswith("ERR hash no such program is loaded")


def test_row_23_a_body_whose_table_misses_a_pattern_s_feedforward_is_refused(three, talk):
    line = talk(three.alice)
    body = (
        three.program()
        .canonical()
        .replace(b',{"deadline_ps":1000000000,"label":"psi-","node":"alice","operation":"Z"}', b"")
    )
    said = line.ask(f"LOAD {hashlib.sha256(body).hexdigest()} {len(body)}", body)[0]
    assert "ERR program feedforward: nothing is said about psi-" in said


@pytest.mark.parametrize(
    ("changes", "model", "said"),
    [
        ({"nodes": ("carol", "bob"), "pulses": (), "keep": "measure", "feedforward": ()}, {}, "this is alice"),
        ({}, {"resolution": "3 ns"}, "period or pulses are no multiples of 3000 ps"),
        ({"memory_modes": 2}, {}, "memory_modes is 2, slots 1"),
    ],
)
def test_a_program_that_cannot_run_here_is_refused(bench, talk, changes, model, said):
    three = bench(**model)
    assert said in talk(three.alice).load(three.program(**changes))


def test_a_body_that_is_not_canonical_is_refused(three, talk):
    line = talk(three.alice)
    body = three.program().canonical() + b" "
    said = line.ask(f"LOAD {hashlib.sha256(body).hexdigest()} {len(body)}", body)[0]
    assert said.endswith("ERR program the body is not in canonical form")


def test_half_a_body_is_given_up_after_a_second_and_the_next_line_is_understood(three, talk, lab):
    line, body = talk(three.alice), three.program().canonical()
    assert line.ask(f"LOAD {three.program().digest} {len(body)}", body[:100]) == []
    lab.run_for(1.0)
    assert line.said() == ["2 ERR garbage the body did not come whole"]
    assert line.status()["state"] == "EMPTY"


def test_a_body_too_long_is_refused_and_the_connection_ends(three, talk, lab):
    line = talk(three.alice)
    line.ask(f"LOAD {'0' * 64} {2**30}")
    assert three.alice.control is None
