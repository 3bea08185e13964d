"""A tag file read by the page alone (docs/time-tags.md): plain offsets and another CRC-32C, none of our code."""

import json
import struct

import blosc2
import numpy as np
import pytest
from bellringer.analysis import Tags
from bellringer.analysis.tagfile import ClockState, TagFileWriter


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit: reflected polynomial 0x82F63B78, start and final inversion (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def number(raw: bytes, at: int, size: int, signed: bool = False) -> int:
    return int.from_bytes(raw[at : at + size], "little", signed=signed)


def read_by_the_page(raw: bytes) -> tuple[dict, list[dict]]:
    """Return (metadata, blocks), the end mark last."""
    assert raw[:8] == bytes.fromhex("8B 42 52 54 41 47 53 0A")
    assert (number(raw, 12, 2), number(raw, 14, 2)) == (1, 0)
    at = 32 + number(raw, 24, 8)
    assert number(raw, 8, 4) == crc32c(raw[12:at])
    metadata, name, blocks = json.loads(raw[32:at]), raw[16:24], []
    while at < len(raw):
        head, payload = raw[at : at + 96], raw[at + 96 : at + 96 + number(raw, at + 76, 4)]
        assert head[:8] == bytes.fromhex("8B 42 52 54 41 47 42 0A")
        assert number(head, 8, 4) == crc32c(head[12:])
        assert number(head, 12, 4) == crc32c(payload)
        assert head[16:24] == name
        channels, gaps, words = number(head, 88, 2), number(head, 80, 4), number(head, 84, 4)
        table, end_of_gaps = payload[:channels], channels + 32 * gaps
        block = {
            "number": number(head, 24, 8), "before": number(head, 32, 8), "kind": head[94],
            "first": number(head, 40, 8, True), "last": number(head, 48, 8, True),
            "gap_first": number(head, 56, 8, True), "gap_last": number(head, 64, 8, True),
            "gaps": [struct.unpack("<qqqB7x", payload[k : k + 32]) for k in range(channels, end_of_gaps, 32)],
            "state": payload[end_of_gaps : end_of_gaps + number(head, 90, 2)], "times": [], "channels": [],
            "word": head[92], "bits": head[93],
        }  # fmt: skip
        if words:
            chunk = blosc2.decompress2(payload[len(payload) - words :])
            values = np.frombuffer(chunk, f"<u{head[92]}").tolist()
            assert len(values) == number(head, 72, 4)
            block["times"] = (block["first"] + np.cumsum([v >> head[93] for v in values])).tolist()
            block["channels"] = [table[v & (1 << head[93]) - 1] for v in values]
        blocks.append(block)
        at += 96 + len(payload)
    return metadata, blocks


def test_the_check_value_of_the_checksum():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("channels", "bits"), [([7], 0), ([0, 255], 1), ([0, 1, 2], 2), (range(15), 4), (range(256), 8)]
)
@pytest.mark.parametrize(("step", "word"), [(1000, 4), (2**33, 8)])
def test_the_page_suffices_to_read_a_file(tmp_path, channels, bits, step, word):
    rng = np.random.default_rng(6)
    numbers = np.concatenate([np.array(list(channels)), rng.choice(np.array(list(channels)), 40)])
    times = np.cumsum(rng.integers(step // 2, step, len(numbers))) - 10**6
    first = Tags(times, numbers, [[times[0] - 5, times[0] - 2], [times[3], times[4]]])
    with TagFileWriter(tmp_path / "a.tags", {"tagger": "µ"}, fsync="never") as writer:
        writer.append(first, ClockState("10 MHz in", True), ["overflow", "lost lock"], [12, None])
        writer.append(Tags([times[-1]], [next(iter(channels))]))
    metadata, (one, two, end) = read_by_the_page((tmp_path / "a.tags").read_bytes())
    assert metadata == {"tagger": "µ"}
    assert (one["times"], one["channels"]) == (times.tolist(), numbers.tolist())
    assert (one["number"], one["before"], one["kind"], one["word"], one["bits"]) == (0, 0, 0, word, bits)
    assert (one["first"], one["last"]) == (times[0], times[-1])
    assert one["gaps"] == [(times[0] - 5, times[0] - 2, 12, 1), (times[3], times[4], -1, 3)]
    assert (one["gap_first"], one["gap_last"]) == (times[0] - 5, times[4])
    assert json.loads(one["state"]) == {"source": "10 MHz in", "locked": True}
    assert (two["times"], two["before"], two["state"]) == ([times[-1]], len(numbers), b"")
    assert (two["word"], two["bits"]) == (4, bits), "a long step costs the block it is in only"
    assert (end["number"], end["before"], end["kind"], end["times"]) == (2, len(numbers) + 1, 1, [])
