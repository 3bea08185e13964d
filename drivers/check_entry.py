"""One instrument of a testbed file against its driver: resource, options, parts, settings, limits, rest state."""

import inspect
from collections.abc import Iterator, Mapping

from ..testbed.errors import BellringerError, nearest
from ..testbed.problems import Key, Problem
from ..testbed.testbed import InstrumentEntry, Limits, Testbed
from ..testbed.units import text
from . import registry
from .interfaces import Instrument, Setting
from .resolve import declared, limit, resolve_limits
from .resources import check_resource

Drivers = Mapping[str, type[Instrument]]


def check_form(testbed: Testbed, name: str, entry: InstrumentEntry, drivers: Drivers) -> Iterator[Problem]:
    """Check resource, options and parts: what the driver object is made from."""
    driver = drivers[name]
    if driver.composed and entry.resource:
        what = f"{name} is composed of its parts and has no port"
        yield Problem(keys_of(name, "resource"), what, "remove 'resource:'")
    elif not driver.composed and not entry.resource:
        yield Problem(
            keys_of(name, "resource"), f"{name} has no 'resource:'", "say where it is: resource: ASRL/dev/...::INSTR"
        )
    elif entry.resource:
        try:
            check_resource(entry.resource)
        except BellringerError as error:
            yield problem_of(keys_of(name, "resource"), error)
    options = {key: value for key, value in registry.options_of(driver).items() if key != "parts"}
    for option in (option for option in entry.options if option not in options):
        what = f"'{option}' is no option of {entry.driver}"
        yield Problem(keys_of(name, "options", option), what, nearest(option, options))
    for option, parameter in options.items():
        if parameter.default is inspect.Parameter.empty and option not in entry.options:
            yield Problem(
                keys_of(name, "options"),
                f"{entry.driver} needs the option '{option}'",
                f"add 'options: {{{option}: ...}}'",
            )
    yield from _parts(testbed, name, entry, drivers)


def _parts(testbed: Testbed, name: str, entry: InstrumentEntry, drivers: Drivers) -> Iterator[Problem]:
    driver, node = drivers[name], name.split(".")[0]
    for role in (role for role in driver.roles if role not in entry.parts):
        yield Problem(keys_of(name, "parts"), f"{name} lacks its part '{role}'", f"parts: {', '.join(driver.roles)}")
    for role, part in entry.parts.items():
        keys, full = keys_of(name, "parts", role), f"{node}.{part}"
        if role not in driver.roles:
            hint = nearest(role, driver.roles) if driver.roles else "remove 'parts:'"
            yield Problem(keys, f"{entry.driver} has no part '{role}'", hint)
        elif part not in testbed.nodes[node].instruments:
            others = testbed.nodes[node].instruments.keys() - {name.split(".")[1]}
            yield Problem(keys, f"there is no instrument '{part}' at {node}", nearest(part, others))
        elif testbed.nodes[node].instruments[part].parts:
            yield Problem(keys, f"{full} is composed itself", "a part must be an instrument with a port")
        elif full in drivers:
            yield from able(keys, full, drivers[full], driver.roles[role])


def make(name: str, entry: InstrumentEntry, driver: type[Instrument], made: dict[str, Instrument]) -> Iterator[Problem]:
    """Make the driver object and keep it in ``made``, unless a part of it could not be made."""
    options, node = dict(entry.options), name.split(".")[0]
    try:
        limits = resolve_limits(entry, driver)
        if entry.parts:
            options["parts"] = {role: made[f"{node}.{part}"] for role, part in entry.parts.items()}
    except (BellringerError, KeyError):
        return  # told where it belongs: the limit, or the part
    if any(low > high for low, high in limits.values()):
        return  # the same: every setting would be outside
    try:
        made[name] = driver(entry.resource, name=name, limits=limits, serial_number=entry.serial_number, **options)
    except BellringerError as error:
        yield problem_of(keys_of(name, "options" if entry.options else "resource"), error)
    except (TypeError, ValueError) as error:
        yield Problem(
            keys_of(name, "options"), f"{entry.driver} does not take these options: {error}", "correct their values"
        )


def check_values(
    name: str, entry: InstrumentEntry, driver: type[Instrument], made: Instrument | None
) -> Iterator[Problem]:
    """Check limits, settings and rest state against the declarations, and the object's own limits if it was made."""
    for setting, limits in entry.limits.items():
        try:
            _check_limit(declared(driver, setting), limits, made)
        except BellringerError as error:
            yield problem_of(keys_of(name, "limits", setting), error)
    for block in ("settings", "rest"):
        for setting, value in getattr(entry, block).items():
            try:
                known = declared(driver, setting)
                number = known.from_text(value, setting, made)
                if made is not None:
                    known.check(made, number)
                if block == "rest" and known.emits:
                    what = f"{setting} emits, and rest is dark"
                    raise BellringerError(what, hint="remove it here; under settings it is written when a run begins")
            except BellringerError as error:
                yield problem_of(keys_of(name, block, setting), error)


def _check_limit(setting: Setting, limits: Limits, made: Instrument | None) -> None:
    """Check that a limit is a range and narrows the hardware's."""
    low, high = limit(setting, limits)
    if low > high:
        what = f"no value of {setting.name} lies between {text(low, setting.unit)} and {text(high, setting.unit)}"
        raise BellringerError(what, hint="min must not be above max")
    unit = made.device_limits.get(setting.name) if made is not None else None
    for who, hardware in (("hardware", setting.limits), ("unit", unit)):
        if hardware is None:
            continue
        if (limits.min is not None and low < hardware[0]) or (limits.max is not None and high > hardware[1]):
            allowed = f"{hardware[0]:.12g} to {text(hardware[1], setting.unit)}"
            what = f"the limit of {setting.name} is wider than the {who}'s, {allowed}"
            raise BellringerError(what, hint="a testbed file can only narrow limits; remove it or choose one inside")


def able(keys: tuple[Key, ...], name: str, driver: type[Instrument], capability: type) -> Iterator[Problem]:
    """Check on the class that an instrument has a capability; asking an object would ask the instrument."""
    members = {*vars(capability), *inspect.get_annotations(capability)}
    lacking = sorted(member for member in members if not member.startswith("_") and not hasattr(driver, member))
    if lacking:
        what = f"{name} ({driver.model_name}) is no {capability.__name__}: it has no {', '.join(lacking)}"
        yield Problem(keys, what, f"name a {capability.__name__} here")


def keys_of(name: str, *inside: Key) -> tuple[Key, ...]:
    """Return the place of an instrument, or of something inside its entry, in the file."""
    node, instrument = name.split(".")
    return ("nodes", node, "instruments", instrument, *inside)


def problem_of(keys: tuple[Key, ...], error: BellringerError) -> Problem:
    """Return what a driver said about the instrument's entry at ``keys``."""
    return Problem(keys, f"{keys[1]}.{keys[3]}: {error.what}", error.hint)
