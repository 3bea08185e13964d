"""The interlocks of a testbed file against the drivers: is there such a reading, and can it be read at any time?"""

from collections.abc import Iterator

from ..testbed.errors import nearest
from ..testbed.problems import Problem
from ..testbed.testbed import Interlock, Node, Testbed
from .check_entry import Drivers
from .interfaces import Reading, Setting


def check_interlocks(testbed: Testbed, drivers: Drivers) -> Iterator[Problem]:
    """Check the ``interlocks:`` of all nodes."""
    for node, body in testbed.nodes.items():
        for name, rule in body.interlocks.items():
            yield from _check(node, name, rule, body, drivers)


def _check(node: str, name: str, rule: Interlock, body: Node, drivers: Drivers) -> Iterator[Problem]:
    instrument, _, value = rule.reading.partition(".")
    place = ("nodes", node, "interlocks", name)
    if instrument not in body.instruments:
        what = f"interlock {name}: there is no instrument '{instrument}' at {node}"
        yield Problem((*place, "reading"), what, nearest(instrument, body.instruments))
        return
    driver = drivers.get(f"{node}.{instrument}")
    if driver is None:
        return  # told where the instrument is
    readings = driver.readings()
    if value not in readings:
        what = f"interlock {name}: {node}.{instrument} has no reading '{value}'"
        yield Problem((*place, "reading"), what, nearest(value, readings))
        return
    wrong = _wrong_value(readings[value], rule)
    if wrong:
        yield Problem((*place, "closed"), f"interlock {name}: {value} {wrong}", "write the value it has when closed")
    busy = _shares_with_light(node, instrument, body, drivers)
    if busy:
        what = f"interlock {name}: {instrument} is driven together with {busy}, whose calls would hold up its reading"
        hint = "use an instrument with a port of its own; a laser's own interlock is guarded without being named here"
        yield Problem((*place, "reading"), what, hint)


def _wrong_value(reading: Reading, rule: Interlock) -> str:
    """Return why a reading can never be exactly ``closed``, "" if it can."""
    if reading.kind not in (bool, str, int):
        return "is a measured number, which is never exactly one value"
    if type(rule.closed) is not reading.kind:
        return f"is of kind {reading.kind.__name__}, so it is never {rule.closed!r}"
    if isinstance(reading, Setting) and reading.choices and rule.closed not in reading.choices:
        return f"is never {rule.closed!r}; it may be {', '.join(reading.choices)}"
    return ""


def _shares_with_light(node: str, instrument: str, body: Node, drivers: Drivers) -> str:
    """Return an emitter that is driven by the same process, "" if there is none."""
    together, before = {instrument}, set[str]()
    while together != before:
        before = set(together)
        for name, entry in body.instruments.items():
            same_port = any(entry.resource and entry.resource == body.instruments[each].resource for each in before)
            if same_port or before & {name, *entry.parts.values()}:
                together |= {name, *(part for part in entry.parts.values() if part in body.instruments)}
    emitters = (each for each in sorted(together) if f"{node}.{each}" in drivers)
    return next((each for each in emitters if drivers[f"{node}.{each}"].emits()), "")
