"""PicoQuant's files: the recorded ones give their ground truth exactly, and independent readers agree."""

import struct
from pathlib import Path

import numpy as np
import pytest
from bellringer.analysis.files import identify, read_recording, read_tags

DATA = Path(__file__).parents[1] / "data"
T2, T3 = DATA / "v30_t2.ptu", DATA / "v20.ht3"
SYNC_HZ, STEP_PS = 998_898, 16
EXPECTED = [(1, 113, 210336), (1, 653, 359200), (1, 1376, 466704), (1, 1540, 411424), (1, 1800, 493280),
            (1, 1982, 14224), (0, 2120, 270608), (1, 2133, 491056), (3, 2297, 123056)]  # fmt: skip
"""Channel, sync pulse, ps since it: the first lines of the expected output that comes with the recording."""


def header_set(raw: bytearray, name: str, value: int | float) -> None:
    """Change a value in a unified header: 32 bytes name, int32 index, uint32 type, 8 bytes value."""
    at = raw.index(name.encode() + b"\0")
    struct.pack_into("<d" if isinstance(value, float) else "<q", raw, at + 40, value)


def unified(records: np.ndarray, path: Path, t3: bool) -> Path:
    """Write records under the header of the recorded T2 file."""
    raw = bytearray(T2.read_bytes()[: T2.stat().st_size - 4 * 435_319])
    header_set(raw, "TTResult_NumberOfRecords", len(records))
    if t3:
        header_set(raw, "Measurement_Mode", 3)
        header_set(raw, "TTResultFormat_TTTRRecType", 0x01010304)
        header_set(raw, "TTResult_SyncRate", SYNC_HZ)
        header_set(raw, "MeasDesc_GlobalResolution", 1 / SYNC_HZ)
        header_set(raw, "MeasDesc_Resolution", STEP_PS * 1e-12)
    path.write_bytes(bytes(raw) + records.astype("<u4").tobytes())
    return path


def ht3_records() -> np.ndarray:
    return np.frombuffer(T3.read_bytes(), "<u4", offset=800)


def test_the_t2_recording_has_its_ground_truth():
    found = read_recording(T2)
    assert len(found.tags) == 305_565
    assert set(found.tags.channels.tolist()) == {0}
    assert int(found.tags.times_ps[0]) == 24_433_765
    assert 4.9999e12 < int(found.tags.times_ps[-1]) < 5e12
    assert found.about["header"]["TTResult_NumberOfRecords"] == 435_319
    assert (found.repairs, found.losses, len(found.tags.gaps)) == ((), (), 0)


def test_the_t3_recording_has_its_ground_truth():
    found = read_recording(T3)
    assert np.bincount(found.tags.channels).tolist() == [7102, 26_648, 3085, 7306]
    assert len(found.tags) == 44_141
    for time, channel, (expected, pulse, delay) in zip(found.tags.times_ps.tolist(), found.tags.channels, EXPECTED):
        assert channel == expected
        assert time == (pulse * 10**12 + SYNC_HZ // 2) // SYNC_HZ + delay
    assert (found.repairs, found.losses, found.about["sync_rate_hz"]) == ((), (), SYNC_HZ)


def test_three_readers_agree_on_the_t3_records(tmp_path):
    tttrlib = pytest.importorskip("tttrlib")
    ours = read_tags(T3)
    theirs = tttrlib.TTTR(str(T3), "HT3")
    assert np.array_equal(ours.channels, theirs.routing_channels)
    since = theirs.micro_times.astype(np.int64) * STEP_PS
    pulses = (theirs.macro_times * 10**12 + SYNC_HZ // 2) // SYNC_HZ  # uint64: the last is 1e19
    assert np.array_equal(ours.times_ps - since, pulses)
    ptu = read_recording(unified(ht3_records(), tmp_path / "t3.ptu", t3=True))
    assert np.array_equal(ours.times_ps, ptu.tags.times_ps)
    assert np.array_equal(ours.channels, ptu.tags.channels)
    assert ptu.about["mode"] == "T3"


def test_format_1_goes_to_tttrlib(tmp_path):
    pytest.importorskip("tttrlib")
    raw = bytearray(T3.read_bytes())
    raw[16:19] = b"1.0"
    # In format 1.0 an overflow record always stands for one: leave the stretch without double ones.
    records = ht3_records()
    double = (records >> 25 == 127) & (records & 1023 > 1)
    count = int(double.argmax()) if double.any() else len(records)
    (tmp_path / "a.ht3").write_bytes(bytes(raw[: 800 + 4 * count]))
    (tmp_path / "b.ht3").write_bytes(T3.read_bytes()[: 800 + 4 * count])
    old, new = read_tags(tmp_path / "a.ht3"), read_tags(tmp_path / "b.ht3")
    assert len(old) == len(new) > 10
    assert np.array_equal(old.channels, new.channels)
    assert int(np.abs(old.times_ps - new.times_ps).max()) <= 1


def test_events_of_the_sync_input_are_not_those_of_the_first(tmp_path):
    special = 1 << 31
    records = np.array([100 | special, 120, 130 | 1 << 25, special | 63 << 25 | 2, 7 | special, 9 | special | 2 << 25])
    found = read_recording(unified(records, tmp_path / "a.ptu", t3=False))
    assert found.tags.times_ps.tolist() == [100, 120, 130, 2 * 2**25 + 7]
    assert found.tags.channels.tolist() == [2, 0, 1, 2], "the instrument has 2 inputs: sync is the third"
    assert found.about["channels"] == {"2": "sync"}
    assert found.about["markers"] == 1


@pytest.mark.parametrize(("path", "size", "photons"), [(T2, 1_745_668, 305_565), (T3, 215_224, 44_141)])
def test_a_file_cut_off_says_how_many_records_are_missing(tmp_path, path, size, photons, recwarn):
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[: size - 10_001])
    found = read_recording(cut)
    assert found.losses == (f"2501 of {435_319 if path == T2 else 53_606} records are cut off",)
    assert photons - 2501 <= len(found.tags) < photons
    cut.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError, match=r"not a sound \.ptu file|header is cut off"):
        read_recording(cut)


def test_photons_of_one_pulse_out_of_order_are_put_right_and_counted(tmp_path):
    raw = bytearray(T3.read_bytes()[:800])
    records = np.array([5 | 900 << 10, 5 | 100 << 10 | 1 << 25, 6 | 3 << 10])
    struct.pack_into("<q", raw, 792, 3)
    (tmp_path / "a.ht3").write_bytes(bytes(raw) + records.astype("<u4").tobytes())
    found = read_recording(tmp_path / "a.ht3")
    assert found.tags.channels.tolist() == [1, 0, 0]
    assert found.repairs == (f"1 of 3 photons were put in order, by {800 * STEP_PS} ps at most",)
    records = np.array([500, 5])
    struct.pack_into("<q", raw, 792, 2)
    (tmp_path / "a.ht3").write_bytes(bytes(raw) + records.astype("<u4").tobytes())
    with pytest.raises(ValueError, match=r"time goes back by .* at photon 1"):
        read_recording(tmp_path / "a.ht3")


def test_a_t2_file_out_of_order_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="not ascending at index 1"):
        read_recording(unified(np.array([100, 50]), tmp_path / "a.ptu", t3=False))


def test_headers_that_make_no_sense_are_errors(tmp_path):
    for at, value, message in ((0x154, 2, "no T3 file"), (0x14C, 16, "no T3 file"), (776, 0, "makes no sense")):
        raw = bytearray(T3.read_bytes())
        struct.pack_into("<i", raw, at, value)
        (tmp_path / "a.ht3").write_bytes(raw)
        with pytest.raises(ValueError, match=message):
            read_recording(tmp_path / "a.ht3")
    raw = bytearray(T3.read_bytes())
    raw[16:19] = b"3.0"
    (tmp_path / "a.ht3").write_bytes(raw)
    with pytest.raises(ValueError, match=r"format 1\.0 or 2\.0"):
        read_recording(tmp_path / "a.ht3")


def test_content_decides_not_the_suffix(tmp_path):
    (tmp_path / "a.npz").write_bytes(T2.read_bytes())
    assert identify(tmp_path / "a.npz").name == "ptu"
