"""What feeds what: the ``wiring:`` lines of a testbed file as a directed graph of ports.

A port is text: ``alice.fibre`` for a part with one way through, ``alice.splitter`` for a splitter's input and
``alice.splitter.transmitted`` for one of its outputs, ``alice.detectors.1`` for a numbered channel, in and out.
Wiring says where light and pulses go, not how much of them arrives.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import nearest
from .memory_models import HeraldingStationOptic
from .models import AttemptCoreModel, CrystalOptic, DetectorModel, LaserModel, OvenModel, SplitterOptic, TaggerModel
from .problems import Problem, choose, refuse
from .testbed import InstrumentEntry, Testbed

_TAGGER_INPUTS = range(1, 5)
_STATION_INPUTS = range(1, 9)


class Wiring:
    """The graph of a testbed whose wiring is right.

    Attributes:
        paths: the lines of the file, each a tuple of ports.

    Raises:
        TestbedFileError: the wiring is wrong; lines are named by their number, as the file is not known here.
    """

    def __init__(self, testbed: Testbed) -> None:
        self.paths: tuple[tuple[str, ...], ...] = tuple(_split(line) for line in testbed.wiring)
        refuse(_Reader(testbed).problems(), lambda *keys: ".".join(str(key) for key in keys))
        pairs = [pair for path in self.paths for pair in itertools.pairwise(path)]
        self._next = dict(pairs)
        self._upstream = {target: source for source, target in pairs}

    def next(self, port: str) -> str | None:
        """Return the input that the output ``port`` feeds, or None if nothing is connected there."""
        return self._next.get(port)

    def upstream(self, port: str) -> str | None:
        """Return the output that feeds the input ``port``, or None if nothing is connected there."""
        return self._upstream.get(port)

    def route_to(self, port: str) -> tuple[str, ...]:
        """Return all outputs on the way to the input ``port``, the farthest (a crystal's output, say) first."""
        route: list[str] = []
        while (source := self.upstream(port)) is not None:
            route.insert(0, source)
            port = source if source in self._upstream else part_of(source)
        return tuple(route)


def read_wiring(testbed: Testbed) -> tuple[Wiring | None, list[Problem]]:
    """Return the graph, or None and everything that is wrong with the ``wiring:`` lines."""
    problems = _Reader(testbed).problems()
    return (None if problems else Wiring(testbed)), problems


def part_of(port: str) -> str:
    """Return ``node.part`` of a port."""
    return ".".join(port.split(".")[:2])


@dataclass(frozen=True)
class _Ports:
    """What a kind of part has: input and output port names ("" for its only one), and what goes in and out."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    takes: str = "light"
    gives: str = "light"


def _ports(part: Any) -> _Ports | None:
    """Return the ports of an optic or instrument; None if the file does not say what the instrument is."""
    model = part.model if isinstance(part, InstrumentEntry) else part
    match model:
        case CrystalOptic():
            return _Ports((), ("signal", "idler"))
        case SplitterOptic():
            return _Ports(("",), ("transmitted", "reflected"))
        case DetectorModel():
            channels = tuple(str(number) for number in range(1, model.channels + 1))
            return _Ports(channels, channels, gives="pulses")
        case TaggerModel():
            inputs = tuple(str(number) for number in sorted({*_TAGGER_INPUTS, *part.channels}))
            return _Ports(inputs, (), takes="pulses")
        case HeraldingStationOptic():
            return _Ports(("a", "b"), ("1", "2"))
        case AttemptCoreModel(slots=0):
            return _Ports(tuple(str(number) for number in _STATION_INPUTS), (), takes="pulses")
        case LaserModel():
            return _Ports((), ("",))
        case OvenModel():
            return _Ports((), ())
        case None:
            return None
    return _Ports(("",), ("",))  # fibre, attenuator, wave plate, memory: light goes through


class _Reader:
    """Finds everything wrong with the wiring of one testbed."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.parts: dict[str, Any] = {**testbed.instruments(), **testbed.optics()}

    def problems(self) -> list[Problem]:
        found = list(self._ambiguous_names())
        feeds: dict[str, tuple[int, str]] = {}
        fed_by: dict[str, tuple[int, str]] = {}
        edges: dict[str, str] = {}
        for number, line in enumerate(self.testbed.wiring):
            path, faults = _split(line), list(self._line(line))
            for what, hint in faults:
                found.append(Problem(("wiring", number), what, hint))
            if faults:
                continue
            for source, target in itertools.pairwise(path):
                if edges.get(target) == source:
                    twice = f"{source} -> {target} is wired twice"
                    found.append(Problem(("wiring", number), twice, "write each connection once"))
                    continue
                clashes = [*_claim(feeds, "feeds", source, target, number)]
                clashes += _claim(fed_by, "is fed by", target, source, number)
                found += clashes
                if not clashes:
                    loops = list(self._loop({**edges, target: source}, target, number))
                    found += loops
                    edges |= {} if loops else {target: source}
        return found

    def _ambiguous_names(self) -> Iterator[Problem]:
        for node, body in self.testbed.nodes.items():
            for name in body.instruments.keys() & body.optics.keys():
                keys = ("nodes", node, "optics", name)
                yield Problem(keys, f"{node}.{name} is both an instrument and an optic", "rename one of them")

    def _line(self, line: str) -> Iterator[tuple[str, str]]:
        """Yield (what, hint) for everything wrong with one line by itself."""
        path = _split(line)
        if len(path) < 2:
            yield f"'{line}' connects nothing", "write 'node.part -> node.part', with '->' between the ports"
            return
        faults = [fault for i, port in enumerate(path) for fault in self._port(port, i > 0, i < len(path) - 1)]
        yield from faults
        if faults:
            return
        for source, target in itertools.pairwise(path):
            giver, taker = _ports(self.parts[part_of(source)]), _ports(self.parts[part_of(target)])
            if giver and taker and giver.gives != taker.takes:
                hint = "light goes to a detector first, its pulses to a time tagger"
                yield f"{source} gives {giver.gives}, but {target} takes {taker.takes}", hint

    def _port(self, port: str, as_input: bool, as_output: bool) -> Iterator[tuple[str, str]]:
        words = port.split(".")
        if len(words) not in (2, 3) or not all(words):
            yield f"'{port}' is no port", "write node.part or node.part.port"
            return
        part, name = part_of(port), words[2] if len(words) == 3 else ""
        if part not in self.parts:
            yield f"there is no part '{part}'", nearest(part, self.parts)
            return
        ports = _ports(self.parts[part])
        if ports is None:
            return
        if as_input and name not in ports.inputs:
            yield _no_such_port(part, name, "input", ports.inputs, ports.outputs)
        elif as_output and name not in ports.outputs:
            yield _no_such_port(part, name, "output", ports.outputs, ports.inputs)

    def _loop(self, edges: dict[str, str], start: str, number: int) -> Iterator[Problem]:
        seen = [start]
        while (source := edges.get(seen[-1])) is not None:
            port = source if source in edges else part_of(source)
            if port in seen:
                way = " <- ".join([*seen, port])
                yield Problem(
                    ("wiring", number), f"the wiring runs in a circle: {way}", "correct one of these connections"
                )
                return
            seen.append(port)


def _split(line: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s*->\s*", line.strip()))


def _no_such_port(part: str, name: str, kind: str, valid: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, str]:
    """Return (what, hint); ``kind`` is ``input`` or ``output``, ``others`` are the ports of the other side."""
    if not valid:
        listed = ", ".join(f"{part}.{port}" if port else part for port in others)
        side = "outputs" if kind == "input" else "inputs"
        return f"{part} has no {kind}", f"its {side}: {listed}" if listed else "nothing is connected to it"
    names = [f"{part}.{port}" if port else part for port in valid]
    if not name:
        return f"{part} stands without the name of its {kind}", f"write one of: {', '.join(names)}"
    hint = choose(f"{part}.{name}", names)
    if name in others and kind == "input":
        hint = f"end the line at {names[0]} and begin another with {part}.{name}"
    return f"{part} has no {kind} '{name}'", hint


def _claim(used: dict[str, tuple[int, str]], verb: str, port: str, other: str, number: int) -> Iterator[Problem]:
    """Note that a port is used on one side; yield a problem if it was already."""
    line, before = used.setdefault(port, (number, other))
    if (line, before) != (number, other):
        what = f"{port} {verb} {other}, but already {verb} {before} (item {line + 1} of the wiring)"
        yield Problem(("wiring", number), what, "only a splitter has several outputs; correct one of the two lines")
