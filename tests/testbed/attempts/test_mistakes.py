"""A wrong program does not exist: the refusal names the field, what is wrong, and what to do."""

import math
import re

import pytest
from bellringer.testbed.attempts import AttemptProgram, from_json, program
from bellringer.testbed.errors import ProgramError
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

NUMBERS = ("period_ps", "round_trip_ps", "shift", "memory_modes", "most_attempts", "most_ps", "max_age_ps")
PULSE = {"node": "alice", "channel": "excite", "begin_ps": 0, "length_ps": 10}
WINDOW = {"name": "w", "begin_ps": 100, "length_ps": 1000}
PSI = {"clicks": (("d0", "w"),), "label": "psi+"}
OWED = {"label": "psi+", "node": "alice", "operation": "I", "deadline_ps": 10}


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e999, 3.0, -0.0, True, "5", None, -1, 2**63, 2**70, [1], {}]
)
def test_row_08_and_10_what_is_no_whole_number_in_range_is_refused_by_name(small, field, value):
    with pytest.raises(ProgramError, match=rf"^{field}: "):
        program(**small(**{field: value}))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "3.0", "1e3", "true", '"5"', "null"])
def test_row_08_and_10_the_same_in_json(small, text):
    spoilt = re.sub(rb'"period_ps":\d+', b'"period_ps":' + text.encode(), program(**small()).canonical())
    with pytest.raises(ProgramError, match=r"period_ps|is no number of an attempt program"):
        from_json(spoilt)


def test_row_10_a_key_that_stands_twice_is_refused_at_any_depth(small):
    text = program(**small()).canonical()
    with pytest.raises(ProgramError, match="the key 'keep' stands there twice"):
        from_json(text.replace(b'"keep":', b'"keep":"measure","keep":'))
    with pytest.raises(ProgramError, match="the key 'name' stands there twice"):
        from_json(text.replace(b'"name":"w"', b'"name":"v","name":"w"'))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"perod_ps": 3}, r"^perod_ps: unknown key 'perod_ps'\n.*did you mean 'period_ps'\?"),
        ({"windows": ({**WINDOW, "lenght_ps": 3},)}, r"windows.0.lenght_ps: unknown key.*\n.*'length_ps'\?"),
        ({"scheme": "singleclick"}, r"scheme: 'singleclick' is no valid scheme\n.*did you mean 'single_click'"),
        ({"keep": "kept"}, r"keep: .*\n.*did you mean 'keep'\? valid: keep, measure"),
        ({"nodes": ("alice bob",)}, r"nodes.0: 'alice bob' is no name\n.*a letter"),
        ({"station": "x" * 64}, r"station: .* is no name"),
        ({"nodes": ()}, r"nodes: .*at least 1 item"),
        ({"version": 2}, r"version: 2 is no valid version\n.*valid: 1"),
    ],
)
def test_row_10_wrong_names_and_words_are_answered_with_the_nearest_right_ones(small, changes, said):
    with pytest.raises(ProgramError, match=said):
        program(**small(**changes))


def test_what_is_missing_is_listed_once_even_if_it_was_misspelt(small):
    fields = small()
    fields["statoin"] = fields.pop("station")
    with pytest.raises(ProgramError, match=r"^statoin: unknown key 'statoin'\n.*did you mean 'station'\?$"):
        program(**fields)
    with pytest.raises(ProgramError, match="2 errors in the attempt program:\nscheme: is missing"):
        program(**{key: value for key, value in small().items() if key not in ("scheme", "keep")})


@pytest.mark.parametrize("text", [b"", b"[]", b"7", b"\xff\xfe", b"{" * 100_000, b'{"a":', b" " * (1 << 20) + b"{}"])
def test_text_that_is_no_program_is_refused(text):
    with pytest.raises(ProgramError):
        from_json(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nodes": ("alice", "alice")}, "nodes: 'alice' stands there twice"),
        ({"detectors": ("d0", "d1", "d0")}, "detectors: 'd0' stands there twice"),
        ({"windows": (WINDOW, {**WINDOW, "begin_ps": 2000})}, "windows: 'w' stands there twice"),
        ({"pulses": ({**PULSE, "node": "bobb"},)}, r"pulses.0.node: 'bobb' is no node.*\n.*did you mean 'bob'"),
        ({"pulses": ({**PULSE, "begin_ps": 4_999_991},)}, "pulses.0: .* ends at 5000001 ps, after the period"),
        ({"pulses": (PULSE, {**PULSE, "begin_ps": 9})}, "two pulses of alice on excite overlap at 9 ps"),
        ({"windows": ({**WINDOW, "length_ps": 4_999_901},)}, "windows.0: window 'w' ends at 5000001 ps, after"),
        ({"windows": (WINDOW, {**WINDOW, "name": "v", "begin_ps": 1099})}, "windows 'w' and 'v' overlap at 1099 ps"),
        ({"detectors": tuple(f"d{n}" for n in range(63))}, "63 detectors in 1 windows are 63 click bits"),
        ({"heralds": ({**PSI, "clicks": (("d9", "w"),)},)}, "there is no detector 'd9'"),
        ({"heralds": ({**PSI, "clicks": (("d0", "x"),)},)}, "there is no window 'x'"),
        ({"heralds": ({**PSI, "clicks": (("d0", "w"), ("d0", "w"))},)}, r"heralds.0.clicks: .* stands there twice"),
        ({"heralds": (PSI, {**PSI, "label": "psi-"})}, r"the pattern .* is announced as psi\+ and psi-"),
        ({"feedforward": ({**OWED, "node": "eve"},)}, "feedforward.0.node: 'eve' is no node"),
        ({"feedforward": ({**OWED, "label": "phi+"},)}, r"feedforward.0.label: no herald announces phi\+"),
        ({"feedforward": ({**OWED, "deadline_ps": 10**10 + 1},)}, "later than the memory cut-off of 10000000000 ps"),
        ({"feedforward": (OWED, {**OWED, "operation": "X"})}, r"alice is told twice what to do for psi\+"),
        ({"round_trip_ps": 0}, "round_trip_ps: a keep program must say when"),
        ({"max_age_ps": 0, "feedforward": ()}, "max_age_ps: a keep program needs a memory cut-off"),
        ({"max_age_ps": 3_999_999, "feedforward": ()}, "max_age_ps: pairs are given up after"),
        ({"readout": ({"node": "bob", "bases": ("X",)},)}, "readout: a keep program measures nothing by itself"),
        ({"keep": "measure", "readout": ({"node": "eve", "bases": ("X",)},)}, "readout.0.node: 'eve' is no node"),
        ({"keep": "measure", "readout": ({"node": "bob", "bases": ("X",)},) * 2}, "readout: bob stands there twice"),
        ({"stop": {"kind": "count"}}, "stop.count: stop after 0 heralds"),
        ({"stop": {"kind": "first", "count": 2}}, "stop.count: 'first' takes no count"),
        ({"most_ps": 4_999_999}, "most_ps: 4999999 ps end before one attempt of 5000000 ps"),
    ],
)
def test_rules_between_fields(small, changes, said):
    with pytest.raises(ProgramError, match=said) as caught:
        program(**small(**changes))
    assert caught.value.hint


@settings(deadline=None)
@given(st.integers(1, 10**8), st.integers(1, 8), st.integers(1, 10**8))
def test_the_keep_rule_leaves_room_for_every_attempt_under_way(small, period, modes, trip):
    fields = small(
        period_ps=period, round_trip_ps=trip, memory_modes=modes, pulses=(), max_age_ps=10**10, most_ps=10**12
    )
    fields["windows"] = ({"name": "w", "begin_ps": 0, "length_ps": 1},)
    if trip <= period * modes:
        assert program(**fields).in_flight <= modes
    else:
        with pytest.raises(ProgramError, match=f"make period_ps at least {math.ceil(trip / modes)}"):
            program(**fields)


def test_the_keep_rule_is_none_for_qubits_that_are_measured_at_once(small):
    made = program(**small(keep="measure", round_trip_ps=10**9, max_age_ps=0))
    assert made.in_flight == 200


def test_row_23_a_label_without_its_feedforward_entry_is_refused(small):
    with pytest.raises(ProgramError, match="nothing is said about psi-, which a herald can announce"):
        program(**small(feedforward=small()["feedforward"][:1]))
    with pytest.raises(ProgramError, match="2 errors"):
        program(**small(feedforward=()))
    with pytest.raises(ProgramError, match="nothing is said about psi-"):  # begun, so it must be whole
        program(**small(keep="measure", feedforward=small()["feedforward"][:1]))
    assert program(**small(keep="measure", feedforward=())).feedforward == ()


def test_the_constructor_refuses_as_well(small):
    with pytest.raises(ValidationError, match="stands there twice"):
        AttemptProgram(**small(nodes=("alice", "alice")))
