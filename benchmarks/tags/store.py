"""Tag files: speed of writing and reading, bytes a tag; 8 channels of 1 Mcps each, blocks of 131 072 tags (16 ms).

``store_write_mtags`` and ``store_read_mtags`` are million tags a second of this thread's CPU time, fsync once a second
and at the end, reading whole from the page cache; ``*_wall_mtags`` by the clock on the wall. ``store_write_over_raw``
and ``store_read_over_raw`` compare with writing and reading the same arrays as they are, 9 bytes a tag.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bellringer.analysis import Tags
from bellringer.analysis.tagfile import TagFileReader, TagFileWriter

BLOCK, ROUNDS, RATE, CHANNELS = 1 << 17, 7, 8e6, 8


def figures(tags: int) -> dict[str, float]:
    """Return ``store_write_mtags``, ``store_read_mtags``, ``store_bytes_per_tag`` and what they are compared with."""
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(1e12 / RATE, tags).astype(np.int64))
    whole = Tags(times, rng.integers(0, CHANNELS, tags).astype(np.uint8))
    starts = range(0, tags, BLOCK)
    blocks = [Tags(whole.times_ps[low : low + BLOCK], whole.channels[low : low + BLOCK]) for low in starts]
    taken: dict[str, list[tuple[float, float]]] = {"write": [], "read": [], "raw_write": [], "raw_read": []}
    with tempfile.TemporaryDirectory() as folder:
        ours, raw = Path(folder, "a.tags"), Path(folder, "a.raw")
        work: dict[str, Callable[[], object]] = {
            "write": lambda: _write(ours, blocks),
            "read": lambda: _read(ours),
            "raw_write": lambda: _write_raw(raw, whole),
            "raw_read": lambda: _read_raw(raw, tags),
        }
        for number in range(ROUNDS + 1):
            for name, each in work.items():
                both = _taken(each)
                if number:  # the first round loads and compiles
                    taken[name].append(both)
        found = _read(ours)
        assert np.array_equal(found.times_ps, whole.times_ps)
        assert np.array_equal(found.channels, whole.channels)
        size = ours.stat().st_size
    speed = {
        name: [tags * 1e-6 / statistics.median(times) for times in zip(*values, strict=True)]
        for name, values in taken.items()
    }
    ratios = {
        name: statistics.median(
            raw[0] / ours[0] for ours, raw in zip(taken[name], taken[f"raw_{name}"], strict=True)
        )
        for name in ("write", "read")
    }  # fmt: skip
    return {
        "store_write_mtags": speed["write"][0],
        "store_read_mtags": speed["read"][0],
        "store_bytes_per_tag": size / tags,
        "store_write_wall_mtags": speed["write"][1],
        "store_read_wall_mtags": speed["read"][1],
        "store_write_over_raw": ratios["write"],
        "store_read_over_raw": ratios["read"],
    }


def _taken(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that ``work`` takes: of this thread's CPU, and on the wall."""
    cpu, wall = time.thread_time(), time.perf_counter()
    work()
    return time.thread_time() - cpu, time.perf_counter() - wall


def _write(path: Path, blocks: list[Tags]) -> None:
    path.unlink(missing_ok=True)
    with TagFileWriter(path, fsync="second") as writer:
        for block in blocks:
            writer.append(block)


def _read(path: Path) -> Tags:
    with TagFileReader(path) as reader:
        return reader.read()


def _write_raw(path: Path, tags: Tags) -> None:
    with open(path, "wb", buffering=0) as file:
        for array in (tags.times_ps, tags.channels):
            raw = memoryview(array).cast("B")
            while raw:
                raw = raw[file.write(raw) :]
        os.fsync(file.fileno())


def _read_raw(path: Path, tags: int) -> int:
    with open(path, "rb") as file:
        return len(np.fromfile(file, np.int64, tags)) + len(np.fromfile(file, np.uint8, tags))
