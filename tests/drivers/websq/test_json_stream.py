"""The decoder of a WebSQ's objects, on any split of the stream and after any garbage."""

import json
from typing import Any

import pytest
from bellringer.drivers.detectors.json_stream import JsonStream
from hypothesis import given
from hypothesis import strategies as st

_TEXT = st.text(alphabet='{}"\\[]:, \x17\nµabc01', max_size=8)
_OBJECTS = st.lists(
    st.dictionaries(
        _TEXT,
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**6), 10**6) | _TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
            max_leaves=5,
        ),
        max_size=3,
    ),
    max_size=6,
)
_SEPARATORS = st.sampled_from([b"", b"\x17", b" \r\n", b"\x17\x17\t"])


@given(_OBJECTS, st.data())
def test_any_split_of_a_stream_decodes_to_the_same_objects(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b"".join(
        json.dumps(each, ensure_ascii=data.draw(st.booleans())).encode() + data.draw(_SEPARATORS) for each in objects
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    decoder = JsonStream()
    decoded = [each for start, end in zip([0, *cuts], [*cuts, len(stream)]) for each in decoder.feed(stream[start:end])]
    assert decoded == objects
    assert decoder.garbage == b""


@given(st.lists(st.sampled_from(list(b'{}"\\\x17:1 \xff')), max_size=30).map(bytes), st.integers(0, 30))
def test_after_any_garbage_and_a_separator_the_next_object_is_found(garbage: bytes, cut: int) -> None:
    decoder = JsonStream()
    stream = garbage + b'\x17{"a": 1}\x17'
    assert (decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]))[-1] == {"a": 1}


@pytest.mark.parametrize(
    ("stream", "objects", "garbage"),
    [
        (b'\x00~#{"a": 1}', [{"a": 1}], b"\x00~#"),
        (b'{"a": \x17{"b": 2}\x17', [{"b": 2}], b'{"a": \x17'),
        (b'{"a": "x\x17{"b": 2}\x17', [{"b": 2}], b'{"a": "x\x17'),
        (b'{"a": NaN}{"b": 2}', [{"b": 2}], b'{"a": NaN}'),
        (b'{"a": "\xff"}{"b": 2}', [{"b": 2}], b'{"a": "\xff"}'),
        (b'{"a" 1}{"b": 2}', [{"b": 2}], b'{"a" 1}'),
    ],
)
def test_garbage_is_kept_and_costs_no_other_object(stream: bytes, objects: list[Any], garbage: bytes) -> None:
    decoder = JsonStream()
    assert decoder.feed(stream) == objects
    assert decoder.take_garbage() == garbage
    assert decoder.garbage == b""
