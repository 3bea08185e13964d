"""The simulated lab as a process of its own, in lockstep with whoever started it, or with the wall.

    python -m bellringer.sim_backends.lab.process FILE --seed N [--clock ipc://...] [--set PATH=VALUE ...]

Without ``--clock`` it is in step with the wall, and its ovens are warm already. Prints one JSON line with the resources
of all instruments, then runs until its standard input ends. If the lab cannot be built, the line says why
(``{"error": {"what", "where", "hint"}}``) and the exit code is 1.
"""

import argparse
import json
import os
import sys
from typing import Any

from ...testbed.errors import BellringerError
from ...testbed.loader import load
from .build import build_lab, endpoints
from .lab import Lab


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", default="")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    overrides = dict(word.split("=", 1) for word in arguments.overrides)
    try:
        testbed = load(
            arguments.file, {path.strip(): value.strip().strip('"') for path, value in overrides.items()}
        ).testbed
        in_step_with_the_wall = not arguments.clock  # nobody wants to wait minutes for a simulated oven
        lab = build_lab(testbed, arguments.seed, arguments.clock, at_rest=in_step_with_the_wall)
    except BellringerError as error:
        _tell({"error": {"what": error.what, "where": error.where, "hint": error.hint}})
        sys.exit(1)
    lab.watch(sys.stdin, lambda: _stop_at_end(lab))
    _tell({"instruments": endpoints(lab)})
    lab.run()


def _tell(parent: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(parent) + "\n")
    sys.stdout.flush()


def _stop_at_end(lab: Lab) -> bool:
    if not os.read(sys.stdin.fileno(), 4096):
        lab.stop()
    return True


if __name__ == "__main__":
    main()
