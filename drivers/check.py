"""What only drivers know of a testbed file: their settings, limits, options, parts. Checked without any I/O.

``check`` makes every driver object (making one touches nothing) and asks it; it promises that the settings of the
file would not be refused for their names, units or limits. Whether an instrument is there, it does not ask.
"""

from collections.abc import Iterator

from ..testbed.errors import BellringerError
from ..testbed.loader import LoadedTestbed
from ..testbed.problems import Key, Problem, refuse
from ..testbed.testbed import Testbed
from . import registry
from .check_entry import Drivers, able, check_form, check_values, keys_of, make, problem_of
from .check_interlocks import check_interlocks
from .interfaces import Instrument, PairSource, Rotator, TimeTagger
from .resolve import resolve_limits, resolve_settings

__all__ = ["check", "resolve_limits", "resolve_settings"]


def check(loaded: LoadedTestbed) -> None:
    """Return if the drivers accept what the testbed file says of their instruments.

    Raises:
        TestbedFileError: they do not; lists everything found, with file, line and column.
    """
    testbed = loaded.testbed
    drivers, problems = _drivers(testbed)
    made: dict[str, Instrument] = {}
    for name, entry in sorted(testbed.instruments().items(), key=lambda item: bool(item[1].parts)):
        if name in drivers:
            found = list(check_form(testbed, name, entry, drivers))
            if not found:
                found = list(make(name, entry, drivers[name], made))
            problems += [*found, *check_values(name, entry, drivers[name], made.get(name))]
    problems += [*_same_address(testbed, drivers), *_links(testbed, drivers), *check_interlocks(testbed, drivers)]
    refuse(problems, loaded.location)


def _drivers(testbed: Testbed) -> tuple[dict[str, type[Instrument]], list[Problem]]:
    drivers, problems = {}, []
    for name, entry in testbed.instruments().items():
        try:
            drivers[name] = registry.driver_class(entry.driver)
        except BellringerError as error:
            problems.append(problem_of(keys_of(name, "driver"), error))
        except ImportError as error:
            what = f"driver '{entry.driver}' cannot be imported: {error}"
            problems.append(Problem(keys_of(name, "driver"), what, "install what it needs"))
    return drivers, problems


def _links(testbed: Testbed, drivers: Drivers) -> Iterator[Problem]:
    """Check that the instruments a link names can do what it needs of them."""
    for name, link in testbed.links.items():
        wanted: list[tuple[tuple[Key, ...], str, type]] = [(("links", name, "source"), link.source, PairSource)]
        for node, end in link.ends.items():
            keys: tuple[Key, ...] = ("links", name, "ends", node)
            wanted += [((*keys, "plate"), end.plate, Rotator), ((*keys, "tagger"), end.tagger, TimeTagger)]
        for place, instrument, capability in wanted:
            if instrument in drivers:
                yield from able(place, instrument, drivers[instrument], capability)


def _same_address(testbed: Testbed, drivers: Drivers) -> Iterator[Problem]:
    """Check that instruments on one bus differ in address, where one of them leaves it at the driver's default."""
    seen: dict[tuple[str, str], str] = {}
    for name, entry in testbed.instruments().items():
        option = registry.options_of(drivers[name]).get("address") if name in drivers else None
        if option is None or not entry.resource:
            continue
        address = str(entry.options.get("address", option.default)).upper()
        first = seen.setdefault((entry.resource, address), name)
        if first != name:
            what = f"{name} has the same address {address} on {entry.resource} as {first}"
            yield Problem(keys_of(name, "resource"), what, "give each its own 'options: {address: ...}'")
