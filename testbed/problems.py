"""Everything wrong with a testbed file, collected, so that one reading of the messages is enough to correct it.

A ``Problem`` names its place by keys (``nodes, alice, optics, fibre, length``), never by line; who knows the file turns
the keys into ``file:line:column`` when the error is raised.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .errors import TestbedFileError, nearest

Key = str | int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (keys from the top of the file), what, and what to do next."""

    keys: tuple[Key, ...]
    what: str
    hint: str = ""


def refuse(problems: Iterable[Problem], locate: Callable[..., str]) -> None:
    """Raise all ``problems`` as one error, in the order of the file; return if there are none.

    Args:
        problems: what was found.
        locate: from keys to ``file:line:column``, as ``LoadedTestbed.location``.

    Raises:
        TestbedFileError: one problem a line; ``where`` and ``hint`` are the first one's.
    """
    found = sorted(
        {(locate(*problem.keys), problem.what, problem.hint): None for problem in problems}, key=_in_file_order
    )
    if not found:
        return
    where, what, hint = found[0]
    if len(found) > 1:
        lines = [f"{place}: {text}" + (f" ({advice})" if advice else "") for place, text, advice in found]
        what = "\n".join([f"{len(found)} errors in the testbed file:", *lines])
    raise TestbedFileError(what, where=where, hint=hint)


def choose(name: object, valid: Iterable[str]) -> str:
    """Return a hint for a short list of choices: the nearest one, if any is near, and always the whole list."""
    names = list(valid)
    listed = "valid: " + ", ".join(names)
    guess = nearest(str(name), names)
    return f"{guess} {listed}" if guess.startswith("did you mean") else listed


def label(keys: Iterable[Key]) -> str:
    """Return keys as people say them: ``nodes, alice, instruments, plate, model`` is ``alice.plate.model``."""
    parts = [str(key) for key in keys]
    if parts[:1] == ["nodes"]:
        parts = [part for index, part in enumerate(parts) if index not in (0, 2)]
    return ".".join(parts)


def _in_file_order(found: tuple[str, str, str]) -> tuple[bool, int, int]:
    place = re.search(r":(\d+):(\d+)$", found[0])
    return (False, int(place[1]), int(place[2])) if place else (True, 0, 0)
