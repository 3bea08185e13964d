"""What entries of a testbed file say about each other: links and their ends, crystals, instruments on one port.

Names, kinds and wiring only. Whether the source of a link can act as a pair source is for ``drivers.check``.
"""

from collections.abc import Iterator
from typing import Any

from .errors import nearest
from .models import CrystalOptic, LaserModel, OvenModel, RotatorModel, TaggerModel
from .problems import Key, Problem
from .testbed import InstrumentEntry, LinkEnd, Testbed
from .wiring import Wiring

_SPEED_OF_LIGHT = 299_792_458.0


def check_links(testbed: Testbed, wiring: Wiring | None) -> list[Problem]:
    """Return everything wrong between entries; ``wiring`` is None if it is wrong itself, then it is not looked at."""
    problems = [*_shared_resources(testbed), *_crystals(testbed)]
    for name, link in testbed.links.items():
        problems += check_instrument(testbed, ("links", name, "source"), link.source)
        for node, end in link.ends.items():
            problems += _end(testbed, wiring, ("links", name, "ends", node), end)
    return problems


def _end(testbed: Testbed, wiring: Wiring | None, keys: tuple[Key, ...], end: LinkEnd) -> Iterator[Problem]:
    node = str(keys[-1])
    if node not in testbed.nodes:
        yield Problem(keys, f"there is no node '{node}'", nearest(node, testbed.nodes))
    yield from check_instrument(testbed, (*keys, "plate"), end.plate, RotatorModel, "rotator")
    tagger_faults = list(check_instrument(testbed, (*keys, "tagger"), end.tagger, TaggerModel, "time tagger"))
    yield from tagger_faults
    if end.transmitted == end.reflected:
        what = f"input {end.reflected} of {end.tagger} cannot be both transmitted and reflected"
        yield Problem((*keys, "reflected"), what, "name the inputs of the two detectors behind the splitter")
    elif wiring is not None and not tagger_faults:
        yield from _input(wiring, (*keys, "transmitted"), f"{end.tagger}.{end.transmitted}")
        yield from _input(wiring, (*keys, "reflected"), f"{end.tagger}.{end.reflected}")


def _input(wiring: Wiring, keys: tuple[Key, ...], port: str) -> Iterator[Problem]:
    """Check that a tagger input is wired, and from the right side of the splitter if light comes from one."""
    side = str(keys[-1])
    other = {"transmitted": "reflected", "reflected": "transmitted"}[side]
    route = wiring.route_to(port)
    if not route:
        tagger = port.rpartition(".")[0]
        wired = sorted(target for path in wiring.paths for target in path if target.startswith(f"{tagger}."))
        yield Problem(keys, f"nothing is wired to {port}", "wired inputs: " + (", ".join(wired) or "none"))
    elif any(source.endswith(f".{other}") for source in route):
        what = f"{port} is wired to the splitter's {other} output, not to the {side} one"
        yield Problem(keys, what, "correct this input number or the wiring")


def _crystals(testbed: Testbed) -> Iterator[Problem]:
    for name, crystal in testbed.optics().items():
        if isinstance(crystal, CrystalOptic):
            node, part = name.split(".")
            yield from _crystal(testbed, ("nodes", node, "optics", part), crystal)


def _crystal(testbed: Testbed, keys: tuple[Key, ...], crystal: CrystalOptic) -> Iterator[Problem]:
    """Check what a crystal refers to, and that a pump photon has the energy of a pair.

    1/pump = 1/signal + 1/idler (vacuum wavelengths), to within the filter bandwidth.
    """
    yield from check_instrument(testbed, (*keys, "oven"), crystal.oven, OvenModel, "oven")
    yield from check_instrument(testbed, (*keys, "pump_plate"), crystal.pump_plate, RotatorModel, "rotator")
    pump_faults = list(check_instrument(testbed, (*keys, "pump"), crystal.pump, LaserModel, "laser"))
    yield from pump_faults
    pump = None if pump_faults else testbed.instruments()[crystal.pump].model
    if not isinstance(pump, LaserModel):
        return
    idler = 1 / pump.wavelength - 1 / crystal.signal_wavelength  # 1/m
    mismatch_hz = _SPEED_OF_LIGHT * abs(idler - 1 / crystal.idler_wavelength)
    if mismatch_hz > crystal.filter_bandwidth:
        what = (
            f"energy is not conserved: signal and idler together miss the pump's {pump.wavelength * 1e9:.6g} nm "
            f"by {mismatch_hz / 1e9:.0f} GHz, more than the filter bandwidth"
        )
        right = (
            f'the idler of this signal is "{1e9 / idler:.7g} nm"'
            if idler > 0
            else "the signal must be longer than the pump"
        )
        yield Problem((*keys, "idler_wavelength"), what, right)


def _shared_resources(testbed: Testbed) -> Iterator[Problem]:
    """Check that no two instruments have the same resource and bus address; each is told of the other."""
    seen: dict[tuple[str, str], list[str]] = {}
    for name, entry in testbed.instruments().items():
        if entry.resource:
            seen.setdefault((entry.resource, str(entry.options.get("address", ""))), []).append(name)
    for (resource, address), names in seen.items():
        for name in names if len(names) > 1 else ():
            others = " and ".join(other for other in names if other != name)
            at = f"{resource}, address {address}," if address else resource
            hint = "correct one of them; instruments on one bus need different 'options: {address: ...}'"
            node, part = name.split(".")
            yield Problem(("nodes", node, "instruments", part, "resource"), f"{name} is at {at} like {others}", hint)


def check_instrument(
    testbed: Testbed, keys: tuple[Key, ...], name: str, model: type[Any] = object, noun: str = ""
) -> Iterator[Problem]:
    """Check that ``name`` is an instrument and, if the file says what it physically is, of the right kind."""
    instruments: dict[str, InstrumentEntry] = testbed.instruments()
    fitting = [other for other, entry in instruments.items() if isinstance(entry.model, model)]
    if name not in instruments:
        yield Problem(keys, f"there is no instrument '{name}'", nearest(name, fitting or instruments))
    elif instruments[name].model is not None and not isinstance(instruments[name].model, model):
        yield Problem(keys, f"{name} is no {noun}", nearest(name, fitting))
