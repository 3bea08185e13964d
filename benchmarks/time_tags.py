"""Speed of the work on time tags, one thread: ratios to plain C kernels for the same layout, and what has its own unit.

    python benchmarks/time_tags.py [--json] [--only counting] [--tags 10000000]

Each module of ``benchmarks/tags`` named in `PARTS` has `figures`, which returns them by name. The kernels of
``tags/kernels.c`` are built with ``gcc -O3 -march=native`` and run in this process; rounds of ours and theirs take
turns, time is that of the thread on the CPU, a figure is the median of the rounds' ratios, above 1 where ours is
faster.

10 M tags, 1 Mcps a channel, 10 % correlated, 300 ps FWHM jitter a detector: ``two_fold`` (2 channels, +-500 ps),
``all_pairs`` (28 pairs of 8 channels, +-1 ns), ``four_fold`` (4 channels, span 1 ns), ``histogram`` (+-100 ns at
100 ps), ``merge`` (8 channels into one stream). ``*_mtags_s`` is our speed in million tags a second. The
modules say what ``clock_*`` and ``store_*`` mean.
"""

import argparse
import importlib
import json

PARTS = {"counting": True, "clock_offset": False, "store": True}
"""Modules of ``tags``, and whether their figures are for a number of tags."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", choices=PARTS, help="one part only")
    parser.add_argument("--tags", type=int, default=10_000_000, help="tags in each recording")
    options = parser.parse_args()
    found: dict[str, float | None] = {}
    for part in PARTS:
        if options.only in (None, part):
            words = (options.tags,) if PARTS[part] else ()
            found |= importlib.import_module(f"tags.{part}").figures(*words)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:30} {value if value is None else f'{value:10.4g}'}")


if __name__ == "__main__":
    main()
