"""What a process does that was forked to be another: takes a name of its own, and never returns to what called it."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


def live(run: Callable[[], object]) -> NoReturn:
    """Be ``run``, and end with the status that it returns (None: 0), or exits with; other errors are shown, and 1.

    Nothing of the process that was forked is tidied up here: what is on its stack is still its own.
    """
    status: object = 1
    try:
        status = run()
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 1)


def go_by(name: str) -> None:
    """Take a name for ``ps -o comm``: the command line stays that of the process that was forked."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)  # the system keeps 15 characters
