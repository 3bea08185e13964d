"""What the fields of an attempt program say about each other. Every rule names its field and what to do.

The keep rule: a node that keeps its qubit must not overwrite it before it knows the outcome, so at most
``memory_modes`` attempts may be under way within ``round_trip_ps``; with one memory the period is at least the round
trip. The table rule: whatever the station can announce, each keeping node knows what it owes, be it nothing (``I``).
"""

from collections.abc import Hashable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..errors import ProgramError
from ..problems import Problem, choose

if TYPE_CHECKING:
    from .program import AttemptProgram

MOST_CLICK_BITS = 62
"""Detectors times windows; a pattern is a bit mask in a signed 64-bit integer."""


def problems(program: "AttemptProgram") -> Iterator[Problem]:
    """Yield everything that is wrong with a program whose fields are right one by one."""
    yield from _names(program)
    yield from _times(program)
    yield from _heralds(program)
    yield from _feedforward(program)
    yield from _keeping(program)
    yield from _readout(program)
    yield from _ends(program)


def first_error(program: "AttemptProgram") -> ProgramError | None:
    """Return the problems of a program as one error, or None."""
    found = list(problems(program))
    return error_of(found) if found else None


def error_of(found: list[Problem]) -> ProgramError:
    """Return problems as one error: one a line; the hint is the first one's."""
    lines = [": ".join([*filter(None, [".".join(map(str, each.keys))]), each.what]) for each in found]
    if len(found) > 1:
        advised = [f"{line} ({each.hint})" if each.hint else line for line, each in zip(lines, found)]
        lines = [f"{len(found)} errors in the attempt program:", *advised]
    return ProgramError("\n".join(lines), hint=found[0].hint)


def _names(program: "AttemptProgram") -> Iterator[Problem]:
    for field, names in (
        ("nodes", program.nodes),
        ("detectors", program.detectors),
        ("windows", tuple(window.name for window in program.windows)),
    ):
        for name in _doubled(names):
            yield Problem((field,), f"'{name}' stands there twice", "give each its own name")
    for index, pulse in enumerate(program.pulses):
        if pulse.node not in program.nodes:
            what = f"'{pulse.node}' is no node of this program"
            yield Problem(("pulses", index, "node"), what, choose(pulse.node, program.nodes))
    bits = len(program.detectors) * len(program.windows)
    if bits > MOST_CLICK_BITS:
        what = f"{len(program.detectors)} detectors in {len(program.windows)} windows are {bits} click bits"
        yield Problem(("detectors",), what, f"at most {MOST_CLICK_BITS}; use fewer windows")


def _times(program: "AttemptProgram") -> Iterator[Problem]:
    period = program.period_ps
    for index, pulse in enumerate(program.pulses):
        end = pulse.begin_ps + pulse.length_ps
        if end > period:
            what = f"the pulse on {pulse.channel} ends at {end} ps, after the period of {period} ps"
            yield Problem(("pulses", index), what, "shorten it, begin earlier, or make period_ps longer")
    for before, after in pairwise(sorted(program.pulses, key=lambda each: (each.node, each.channel, each.begin_ps))):
        same = (before.node, before.channel) == (after.node, after.channel)
        if same and after.begin_ps < before.begin_ps + before.length_ps:
            what = f"two pulses of {before.node} on {before.channel} overlap at {after.begin_ps} ps"
            yield Problem(("pulses",), what, "merge them, or begin the second later")
    for index, window in enumerate(program.windows):
        end = window.begin_ps + window.length_ps
        if end > period:
            what = f"window '{window.name}' ends at {end} ps, after the period of {period} ps"
            yield Problem(("windows", index), what, "shorten it, or move the pulses so that it fits one period")
    for earlier, later in pairwise(sorted(program.windows, key=lambda each: each.begin_ps)):
        if later.begin_ps < earlier.begin_ps + earlier.length_ps:
            what = f"windows '{earlier.name}' and '{later.name}' overlap at {later.begin_ps} ps"
            yield Problem(("windows",), what, "a click must belong to one window: shorten one of them")


def _heralds(program: "AttemptProgram") -> Iterator[Problem]:
    windows = [window.name for window in program.windows]
    for index, herald in enumerate(program.heralds):
        for detector, window in herald.clicks:
            if detector not in program.detectors:
                hint = choose(detector, program.detectors)
                yield Problem(("heralds", index, "clicks"), f"there is no detector '{detector}'", hint)
            if window not in windows:
                hint = choose(window, windows)
                yield Problem(("heralds", index, "clicks"), f"there is no window '{window}'", hint)
        for click in _doubled(herald.clicks):
            what = f"the click {click} stands there twice"
            yield Problem(("heralds", index, "clicks"), what, "a pattern has each detector once a window")
    for clicks in _doubled(tuple(herald.clicks for herald in program.heralds)):
        labels = [herald.label for herald in program.heralds if herald.clicks == clicks]
        what = f"the pattern {clicks} is announced as {' and '.join(labels)}"
        yield Problem(("heralds",), what, "one pattern has one label: remove the others")


def _feedforward(program: "AttemptProgram") -> Iterator[Problem]:
    announced = {herald.label for herald in program.heralds}
    for index, each in enumerate(program.feedforward):
        if each.node not in program.nodes:
            what = f"'{each.node}' is no node of this program"
            yield Problem(("feedforward", index, "node"), what, choose(each.node, program.nodes))
        if each.label not in announced:
            what = f"no herald announces {each.label}"
            yield Problem(("feedforward", index, "label"), what, choose(each.label, sorted(announced)))
        if program.max_age_ps and each.deadline_ps > program.max_age_ps:
            what = f"{each.deadline_ps} ps is later than the memory cut-off of {program.max_age_ps} ps"
            yield Problem(("feedforward", index, "deadline_ps"), what, "make it at most max_age_ps")
    for name, node in _doubled(tuple((each.label, each.node) for each in program.feedforward)):
        what = f"{node} is told twice what to do for {name}"
        yield Problem(("feedforward",), what, "one node does one operation a label: combine them")
    if program.feedforward or program.keep == "keep":
        for name in sorted(announced - {each.label for each in program.feedforward}):
            what = f"nothing is said about {name}, which a herald can announce"
            yield Problem(("feedforward",), what, "add its correction; operation 'I' says that none is owed")


def _keeping(program: "AttemptProgram") -> Iterator[Problem]:
    if program.keep == "measure":
        return
    if not program.round_trip_ps:
        hint = "state photon-out + decision + herald-back; the builders compute it"
        yield Problem(("round_trip_ps",), "a keep program must say when a node knows the outcome", hint)
    if program.in_flight > program.memory_modes:
        what = (
            f"{program.in_flight} attempts are under way before the first outcome is known "
            f"({program.round_trip_ps} ps), but there is room for {program.memory_modes}"
        )
        least = -(-program.round_trip_ps // program.memory_modes)
        yield Problem(("period_ps",), what, f"make period_ps at least {least}, or use more memory modes")
    if not program.max_age_ps:
        hint = "state the age (ps) beyond which a pair is of no use"
        yield Problem(("max_age_ps",), "a keep program needs a memory cut-off", hint)
    elif program.max_age_ps < program.round_trip_ps:
        age, trip = (f"{ps * 1e-6:.6g} us" for ps in (program.max_age_ps, program.round_trip_ps))
        what = f"pairs are given up after {age}, but a node knows the outcome only after {trip}"
        yield Problem(("max_age_ps",), what, "no pair could ever be delivered: raise it")


def _readout(program: "AttemptProgram") -> Iterator[Problem]:
    if program.readout and program.keep == "keep":
        yield Problem(("readout",), "a keep program measures nothing by itself", "leave it out, or measure at once")
    for index, each in enumerate(program.readout):
        if each.node not in program.nodes:
            what = f"'{each.node}' is no node of this program"
            yield Problem(("readout", index, "node"), what, choose(each.node, program.nodes))
    for node in _doubled(tuple(each.node for each in program.readout)):
        yield Problem(("readout",), f"{node} stands there twice", "put its bases into one entry")


def _ends(program: "AttemptProgram") -> Iterator[Problem]:
    kind, count = program.stop.kind, program.stop.count
    if kind == "count" and count == 0:
        yield Problem(("stop", "count"), "stop after 0 heralds", "write how many, 1 or more")
    if kind != "count" and count:
        yield Problem(("stop", "count"), f"'{kind}' takes no count, but {count} is given", "leave it out")
    if program.most_ps < program.period_ps:
        what = f"{program.most_ps} ps end before one attempt of {program.period_ps} ps"
        yield Problem(("most_ps",), what, "make it at least period_ps")


def _doubled(items: tuple[Hashable, ...]) -> list[Any]:
    """Return what stands more than once in ``items``, in order of its second appearance."""
    seen: set[Hashable] = set()
    found: list[Any] = []
    for item in items:
        if item in seen and item not in found:
            found.append(item)
        seen.add(item)
    return found
