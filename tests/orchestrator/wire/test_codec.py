"""Codec: what goes in comes out, arrays without copies; whatever else comes in is a WireError and nothing else."""

import dataclasses
import math
import sys
import typing
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from bellringer.drivers.interfaces import ClockMap, Identity, Recording
from bellringer.orchestrator.wire import COMMANDS, Decoder, Limits, WireError, encode
from bellringer.orchestrator.wire.codec import peek
from bellringer.orchestrator.wire.messages import Answer, Call, Event, Hello, Refusal, Reply, Request, Set, Status
from hypothesis import HealthCheck, example, given, settings

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
pack, Ext = msgspec.msgpack.encode, msgspec.msgpack.Ext
ANYTHING = Request | Reply | Refusal | Event


def there_and_back(value, *arrays):
    frames = [bytes(frame) for frame in encode(Reply(7, value), *arrays)]
    message, beside = Decoder(Answer).decode(frames)
    assert message.id == 7
    return message.value, beside


def same(one, two) -> bool:
    """Compare with NaN equal to itself, and type by type."""
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return isinstance(two, list) and len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and (one == two or (one != one and two != two))


# --- there and back -----------------------------------------------------------------------------------------------


def test_every_kind_of_message_comes_back_equal():
    examples = {
        "tuple[str, ...]": ("a", "b"),
        "tuple[int, ...]": (3, 4),
        "tuple[int, int]": (1, 2),
        "str": "text",
        "int": 3,
        "float": 0.5,
    }
    kinds = typing.get_args(ANYTHING)
    assert len(kinds) >= 17
    for kind in kinds:
        fields = {}
        for field in msgspec.structs.fields(kind):
            name = field.type.__name__ if isinstance(field.type, type) and not typing.get_args(field.type) else ""
            value = examples.get(name or str(field.type))
            if value is not None:
                fields[field.name] = value
            elif field.type == dict[str, Any]:
                fields[field.name] = {"pairs": 3}
            elif field.required:
                fields[field.name] = 0.25
        message = kind(**fields)
        assert Decoder(ANYTHING).decode(encode(message)) == (message, [])


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=("Cs",)))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1), inner, max_size=4)
    ),
    max_leaves=20,
)


@patient
@given(plain)
@example(math.nan)
@example([-0.0, math.inf, -math.inf])
@example({1: 2.5, "rate": None})
def test_plain_values_come_back_the_same_nan_and_infinity_too(value):
    try:
        back, _ = there_and_back(value)
    except WireError as error:
        if "deep" not in error.what:  # hypothesis may nest deeper than the limit
            raise
        return
    assert same(value, back)


def test_numpy_numbers_arrive_as_python_ones_and_tuples_as_lists():
    back, _ = there_and_back(
        {"a": np.float64(0.1), "b": np.int32(-3), "c": np.bool_(True), np.int64(4): (1, np.uint8(2))}
    )
    assert same(back, {"a": 0.1, "b": -3, "c": True, 4: [1, 2]})


def test_a_typed_field_takes_a_numpy_number():
    frames = encode(Set(1, "alice.plate", "angle", np.float64(22.5), 5))
    assert Decoder(Request).decode(frames)[0] == Set(1, "alice.plate", "angle", 22.5, 5)


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (0, 2)])
def test_arrays_come_back_bit_by_bit_inside_values_and_beside_them(dtype, shape):
    array = np.array(np.arange(math.prod(shape)).reshape(shape) * 3 % 7, dtype)
    back, beside = there_and_back({"list": [array]}, array)
    for other in (back["list"][0], beside[0]):
        assert other.dtype == array.dtype
        assert other.shape == array.shape
        assert other.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4).T,
        np.arange(20)[::3],
        np.arange(20)[::-1],
        np.arange(5, dtype=">i8"),
        np.array([1.5, np.nan, np.inf], ">f4"),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
)
def test_arrays_in_any_memory_layout_arrive_with_the_same_values(array):
    _, (back,) = there_and_back(None, array)
    np.testing.assert_array_equal(back, array)


def test_arrays_are_copied_neither_when_sent_nor_when_received():
    array = np.arange(1000)
    header, frame = encode(Reply(1), array)
    assert np.shares_memory(np.frombuffer(frame, np.int64), array)
    buffer = bytearray(frame)
    _, (back,) = Decoder(Answer).decode([header, buffer])
    assert np.shares_memory(back, np.frombuffer(buffer, np.int64))
    assert not back.flags.writeable


def test_an_array_at_an_odd_address_arrives_aligned():
    header, frame = encode(Reply(1), np.arange(10))
    odd = memoryview(b"x" + bytes(frame))[1:]
    _, (back,) = Decoder(Answer).decode([header, odd])
    assert back.flags.aligned
    assert back.tolist() == list(range(10))


def recording(n: int = 4) -> Recording:
    clock_map = ClockMap(12, np.float64(1e-9), 5, 0.0, "PPS", True)
    return Recording(np.arange(n), np.ones(n, np.uint8), np.int64(99), clock_map, np.array([[1, 2]]))


def test_a_recording_comes_back_whole():
    identity = Identity("Thorlabs", "TC200", "M00123")
    back, _ = there_and_back([recording(), {"who": identity}])
    assert back[1] == {"who": identity}
    assert isinstance(back[0], Recording)
    assert back[0].clock_map == recording().clock_map
    assert back[0].duration_ps == 99
    for field in ("times_ps", "channels", "gaps_ps"):
        np.testing.assert_array_equal(getattr(back[0], field), getattr(recording(), field))


# --- what cannot be sent ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Stranger:
    field: int = 1


def nested(levels: int):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


endless: list = []
endless.append(endless)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        1j,
        np.array([object()]),
        np.array(["text"]),
        np.array(["2026-01-01"], "M8[D]"),
        np.zeros(2, [("a", "i4")]),
        np.ma.masked_array([1, 2], [True, False]),
        np.longdouble(1),
        2**70,
        [-(2**63) - 1],
        "\ud800",
        {1.5: 1},
        {(1, 2): 1},
        Stranger(),
        Stranger,
        nested(50),
        endless,
        dataclasses.replace(recording(), duration_ps=2**70),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_a_wire_error_at_the_sender(value):
    with pytest.raises(WireError):
        encode(Reply(1, value))


def test_limits_hold_for_the_sender_too():
    small = Limits(header_bytes=200, frames=2, array_bytes=100)
    with pytest.raises(WireError, match="bytes of header"):
        encode(Reply(1, "x" * 200), limits=small)
    with pytest.raises(WireError, match="3 frames"):
        encode(Reply(1), np.zeros(1), np.zeros(1), limits=small)
    with pytest.raises(WireError, match="bytes of arrays"):
        encode(Reply(1), np.zeros(100), limits=small)


# --- what must not come in ----------------------------------------------------------------------------------------


def header(value=None, arrays=(), beside=0, **more) -> bytes:
    return pack({"message": {"kind": "reply", "id": 1, "value": value, **more}, "arrays": arrays, "beside": beside})


def bomb(levels: int) -> bytes:
    return b"\x82\xa7message\x83\xa4kind\xa5reply\xa2id\x01\xa5value" + b"\x91" * levels + b"\xc0\xa6beside\x00"


def inside(*fields) -> Ext:
    return Ext(2, pack(fields))


GOOD_MAP = {"offset_ps": 1, "rate": 0.0, "uncertainty_ps": 1, "rate_uncertainty": 0.0, "source": "PPS", "locked": True}
GOOD_RECORDING = {
    "times_ps": Ext(1, pack(0)),
    "channels": Ext(1, pack(1)),
    "duration_ps": 1,
    "clock_map": inside("ClockMap", GOOD_MAP),
    "gaps_ps": Ext(1, pack(0)),
}
TWO_ARRAYS = [("<i8", (1,)), ("|u1", (1,))]
MALFORMED = {
    "no frames": [],
    "an empty frame": [b""],
    "empty frames": [b"", b"", b""],
    "random bytes": [bytes(range(7, 200))],
    "text": [b"GET / HTTP/1.1\r\n\r\n"],
    "no map": [pack([1, 2])],
    "an extra frame": [header(), b"extra"],
    "a missing frame": [header(arrays=[("<i8", (1,))], beside=1)],
    "trailing bytes": [header() + b"\x00"],
    "cut short": [header()[:-3]],
    "unknown field in the header": [pack({"message": {"kind": "status", "id": 1}, "more": 1})],
    "unknown field in the message": [header(colour="red")],
    "unknown kind": [pack({"message": {"kind": "format_disk", "id": 1}})],
    "no kind": [pack({"message": {"id": 1}})],
    "no id": [pack({"message": {"kind": "status"}})],
    "id of a wrong type": [pack({"message": {"kind": "status", "id": "1"}})],
    "invalid UTF-8 as kind": [pack({"message": {"id": 1, "kind": "XXXX"}}).replace(b"XXXX", b"\xff\xfe\xfd\xfc")],
    "invalid UTF-8 as value": [header("XXXX").replace(b"XXXX", b"\xff\xfe\xfd\xfc")],
    "depth 40": [header(nested(40))],
    "depth 900": [bomb(900)],
    "depth 100 000": [bomb(100_000)],
    "nothing but depth": [b"\x91" * 100_000],
    "depth in maps": [header({"a": {"b": nested(12)}, "c": [nested(15)]})],
    "list of 4 billion": [bomb(0)[:-9] + b"\xdd\xff\xff\xff\xff"],
    "text of 4 billion": [bomb(0)[:-9] + b"\xdb\xff\xff\xff\xff"],
    "wrong length": [header(arrays=[("<i8", (2,))], beside=1), b"x" * 15],
    "dtype of objects": [header(arrays=[("|O", (1,))], beside=1), b"x" * 8],
    "dtype of nonsense": [header(arrays=[("spam", (1,))], beside=1), b"x" * 8],
    "dtype with fields": [header(arrays=[("<i4,|O", (1,))], beside=1), b"x" * 12],
    "big-endian dtype": [header(arrays=[(">i8", (1,))], beside=1), b"x" * 8],
    "negative shape": [header(arrays=[("<i8", (-1, -1))], beside=1), b"x" * 8],
    "shape beyond memory": [header(arrays=[("<i8", (2**62, 2**62))], beside=1), b""],
    "empty shape beyond memory": [header(arrays=[("|u1", (0, 2**63))], beside=1), b""],
    "shape of 100 dimensions": [header(arrays=[("|u1", (1,) * 100)], beside=1), b"x"],
    "truth values that are none": [header(arrays=[("|b1", (2,))], beside=1), b"\x01\x07"],
    "an array that belongs nowhere": [header(arrays=[("|u1", (1,))]), b"x"],
    "too many beside": [header(arrays=[("|u1", (1,))], beside=2), b"x"],
    "beside below zero": [header(arrays=[("|u1", (1,))], beside=-1), b"x"],
    "an array that did not come": [header(Ext(1, pack(0)))],
    "an array of a negative index": [header(Ext(1, pack(-1)), [("|u1", (1,))]), b"x"],
    "an array of no index": [header(Ext(1, b""), [("|u1", (1,))]), b"x"],
    "an array as a key": [header({}, [("|u1", (1,))]).replace(b"\x80", b"\x81\xd4\x01\x00\xc0"), b"x"],
    "unknown extension": [header(Ext(77, b"x"))],
    "a time stamp": [header(Ext(-1, b"\x00\x00\x00\x01"))],
    "a tuple as key": [b"\x81\xa7message\x83\xa4kind\xa5reply\xa2id\x01\xa5value\x81\x91\x01\x02"],
    "a map as key": [b"\x81\xa7message\x83\xa4kind\xa5reply\xa2id\x01\xa5value\x81\x81\x01\x02\x03"],
    "unknown dataclass": [header(inside("Popen", {"args": "x"}))],
    "dataclass without fields": [header(inside("ClockMap", {}))],
    "dataclass with one field more": [header(inside("ClockMap", {**GOOD_MAP, "x": 1}))],
    "dataclass with a wrong type": [header(inside("ClockMap", {**GOOD_MAP, "locked": 1}))],
    "dataclass with a map for an array": [
        header(inside("Recording", {**GOOD_RECORDING, "times_ps": {}}), TWO_ARRAYS), b"x" * 8, b"x"
    ],
    "dataclass with an array of a wrong dtype": [
        header(inside("Recording", {**GOOD_RECORDING, "times_ps": Ext(1, pack(1))}), TWO_ARRAYS), b"x" * 8, b"x"
    ],
    "dataclass that is nonsense": [header(Ext(2, b"\xc1"))],
}  # fmt: skip


@pytest.mark.parametrize("frames", MALFORMED.values(), ids=MALFORMED)
def test_malformed_frames_are_a_wire_error(frames):
    with pytest.raises(WireError):
        Decoder(ANYTHING).decode(frames)


def test_dataclasses_inside_dataclasses_are_no_way_round_the_depth_limit():
    value = inside("ClockMap", GOOD_MAP)
    for _ in range(40):
        value = inside("ClockMap", {**GOOD_MAP, "source": value})
    with pytest.raises(WireError, match="nested"):
        Decoder(Answer).decode([header(value)])


def test_the_good_twin_of_the_malformed_ones_is_accepted():
    """Otherwise the table above could pass for a reason of no interest."""
    message, (array,) = Decoder(Answer).decode([header(inside("ClockMap", GOOD_MAP), [("<i8", (2,))], 1), b"x" * 16])
    assert message.value == ClockMap(**GOOD_MAP)
    assert array.shape == (2,)
    frames = [header(inside("Recording", GOOD_RECORDING), TWO_ARRAYS), b"x" * 8, b"x"]
    assert Decoder(Answer).decode(frames)[0].value.times_ps.shape == (1,)
    assert Decoder(Answer).decode([header(nested(13))])[0].value == nested(13)


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        ([b"x" * (COMMANDS.header_bytes + 1)], "bytes of header"),
        ([header(), *[b""] * COMMANDS.frames], "frames"),
        ([header(arrays=[("|u1", (2 << 20,))], beside=1), bytes(2 << 20)], "bytes of arrays"),
    ],
)
def test_receivers_limits_are_checked_before_anything_else(frames, what):
    with pytest.raises(WireError, match=what):
        Decoder(Answer, COMMANDS).decode(frames)


def only_a_wire_error(frames) -> None:
    depth = sys.getrecursionlimit()
    try:
        message, arrays = Decoder(ANYTHING).decode(frames)
    except WireError:
        pass
    else:
        again, _ = Decoder(ANYTHING).decode([bytes(frame) for frame in encode(message, *arrays)])
        assert type(again) is type(message)
    assert sys.getrecursionlimit() == depth
    kind, number, version = peek(frames)
    assert isinstance(kind, str)
    assert isinstance(number, int)
    assert len(version) == 2


@patient
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames_are_a_wire_error_and_nothing_else(frames):
    only_a_wire_error(frames)


valid = st.sampled_from(
    [
        [bytes(frame) for frame in encode(message, *arrays)]
        for message, *arrays in (
            (Hello(1, name="bob"),),
            (Status(2),),
            (Set(3, "alice.pump", "power", 0.001, 99),),
            (Call(4, "alice.tagger", "record", 99, (1.0, [1, 2]), {"start_ps": None, "mask": np.arange(3)}),),
            (Reply(5, {"recording": recording(), "rates": {1: 2.0}}),),
            (Event(6, "tags", "alice", 3, {"channels": [1, 2]}), np.arange(5), np.zeros((2, 2))),
            (Refusal(7, "LimitError", "too much", "here", "less"),),
        )
    ]
)


@patient
@given(valid, st.data())
def test_mutated_messages_are_understood_or_a_wire_error(frames, data):
    frames = [bytearray(frame) for frame in frames]
    for _ in range(data.draw(st.integers(1, 4))):
        frame = data.draw(st.sampled_from(frames))
        kind = data.draw(st.sampled_from(("change", "insert", "cut", "double")))
        at = data.draw(st.integers(0, max(len(frame) - 1, 0)))
        if kind == "change" and frame:
            frame[at] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            frame[at:at] = data.draw(st.binary(min_size=1, max_size=6))
        elif kind == "cut":
            del frame[at : at + data.draw(st.integers(1, 8))]
        else:
            frames.append(frame)
    only_a_wire_error([bytes(frame) for frame in frames])


extensions = st.builds(Ext, st.integers(-128, 127), st.binary(max_size=8))
known = st.builds(
    lambda name, fields: Ext(2, pack((name, fields))),
    st.sampled_from(("Recording", "ClockMap", "Identity", "dict")),
    st.dictionaries(
        st.sampled_from((*GOOD_MAP, "times_ps", "maker")), st.integers(0, 2**63) | st.text(max_size=3), max_size=6
    ),
)
references = st.builds(lambda index: Ext(1, pack(index)), st.integers(-2, 4))
anything = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=4) | extensions | known | references,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


@patient
@given(
    anything,
    st.lists(
        st.tuples(st.sampled_from(("<i8", "|O", "|u1", "")), st.lists(st.integers(-1, 2**63), max_size=3)), max_size=3
    ),
    st.integers(-1, 4),
    st.lists(st.binary(max_size=16), max_size=3),
)
def test_well_formed_nonsense_is_understood_or_a_wire_error(value, slots, beside, rest):
    only_a_wire_error([header(value, slots, beside), *rest])
