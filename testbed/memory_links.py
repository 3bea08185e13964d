"""The ways of a memory link: what lies between its memories, its station and its detectors, read from the wiring."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..physics.formulas import fibre_delay, fibre_transmission
from .errors import BellringerError
from .links import check_instrument
from .memory_models import HeraldingStationOptic, MemoryLink, SpinQubitModel
from .models import AttemptCoreModel, AttenuatorOptic, DetectorModel, FibreOptic
from .problems import Problem
from .testbed import Testbed
from .wiring import Wiring, part_of


@dataclass(frozen=True)
class Way:
    """From one memory to the splitter of the station, or to the next memory of a serial photon.

    Attributes:
        memory: where it begins, ``node.instrument``.
        port: input where it ends: ``node.optic.a``, or the next memory.
        length_m: length of fibre, m.
        delay_s: time of flight, s.
        transmission: share of the light that arrives.
    """

    memory: str
    port: str
    length_m: float
    delay_s: float
    transmission: float


@dataclass(frozen=True)
class Paths:
    """All ways of a memory link.

    Attributes:
        ways: from each memory, in the order of the link.
        splitter: the station's splitter, ``node.optic``.
        detectors: the detector channels behind its outputs 1 and 2, ``node.instrument.channel``.
    """

    ways: tuple[Way, Way]
    splitter: str
    detectors: tuple[str, str]


def find_paths(testbed: Testbed, wiring: Wiring, link: MemoryLink) -> Paths:
    """Return the ways of ``link``.

    Raises:
        BellringerError: a way leads nowhere, or both do not end at one station.
    """
    first, second = (_follow(testbed, wiring, memory) for memory in link.memories)
    splitter = part_of(second.port)
    if not isinstance(testbed.optics().get(splitter), HeraldingStationOptic):
        raise BellringerError(
            f"the light of {second.memory} ends at {second.port}, which is no heralding station",
            hint="wire it to the input a or b of an optic of 'kind: heralding_station'",
        )
    wanted = second.memory if link.scheme == "serial" else splitter
    if part_of(first.port) != wanted:
        raise BellringerError(
            f"the light of {first.memory} ends at {first.port}, not at {wanted}",
            hint="a serial photon goes from memory to memory; else both ways end at one station",
        )
    one, two = (_detector(testbed, wiring, f"{splitter}.{output}", link) for output in "12")
    return Paths((first, second), splitter, (one, two))


def check_memory_links(testbed: Testbed, wiring: Wiring | None) -> Iterator[Problem]:
    """Yield everything wrong with the memory links; ``wiring`` is None if it is wrong itself, then it is left alone."""
    instruments = testbed.instruments()
    for name, link in testbed.memory_links.items():
        keys = ("memory_links", name)
        faults = list(check_instrument(testbed, (*keys, "station"), link.station, AttemptCoreModel, "station core"))
        core = instruments[link.station].model if link.station in instruments else None
        if isinstance(core, AttemptCoreModel) and core.slots:
            hint = "write 'slots: 0' in its model, or name the station's core"
            faults.append(Problem((*keys, "station"), f"{link.station} has memory slots, so it is no station", hint))
        for index, memory in enumerate(link.memories):
            faults += check_instrument(testbed, (*keys, "memories", index), memory, SpinQubitModel, "memory")
        if len(set(link.memories)) < 2:
            faults.append(Problem((*keys, "memories"), "both ends are the same memory", "name two memories"))
        yield from faults
        if wiring is None or faults or any(instruments[memory].model is None for memory in link.memories):
            continue
        try:
            find_paths(testbed, wiring, link)
        except BellringerError as error:
            yield Problem((*keys, "memories"), error.what, error.hint)


def _follow(testbed: Testbed, wiring: Wiring, memory: str) -> Way:
    optics, port = testbed.optics(), memory
    length = delay = 0.0
    transmission = 1.0
    while (target := wiring.next(port)) is not None:
        part = optics.get(part_of(target))
        if isinstance(part, FibreOptic):
            length += part.length
            delay += fibre_delay(part.length, part.group_index)
            transmission *= fibre_transmission(part.length, part.loss) * 10 ** (-part.insertion_loss / 10)
        elif isinstance(part, AttenuatorOptic):
            transmission *= 10 ** (-part.loss / 10)
        else:
            return Way(memory, target, length, delay, transmission)
        port = target
    raise BellringerError(f"the light of {memory} ends at {port}", hint="wire it to a heralding station, by fibres")


def _detector(testbed: Testbed, wiring: Wiring, output: str, link: MemoryLink) -> str:
    """Return the detector channel behind an output of the splitter; its pulses must go to the link's station."""
    channel = wiring.next(output)
    entry = testbed.instruments().get(part_of(channel or ""))
    if channel is None or entry is None or not isinstance(entry.model, DetectorModel):
        found = f"goes to {channel}" if channel else "goes nowhere"
        raise BellringerError(f"{output} {found}, not to a detector", hint=f"wire it: {output} -> node.detectors.1")
    pulses = wiring.next(channel)
    if part_of(pulses or "") != link.station:
        found = f"go to {pulses}" if pulses else "go nowhere"
        raise BellringerError(f"the pulses of {channel} {found}, not to {link.station}", hint="wire them to its inputs")
    return channel
