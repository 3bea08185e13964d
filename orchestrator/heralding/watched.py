"""What agents watch on behalf of memory links, by the names under which the coordinator suspends links.

Both sides read the same testbed file, so both know the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ...testbed.memory_links import find_paths
from ...testbed.memory_models import MemoryLink
from ...testbed.models import DetectorModel
from ...testbed.testbed import Testbed
from ...testbed.wiring import Wiring, part_of
from .conditions import DetectorLimits


def clock_of(node: str) -> str:
    """Return the name of the condition that a node's clock is locked."""
    return f"clock of {node}"


def interlocks_of(node: str) -> str:
    """Return the name of the condition that a node's interlocks are closed."""
    return f"interlocks of {node}"


@dataclass(frozen=True)
class WatchedDetector:
    """A detector channel that feeds the stations of some links.

    Attributes:
        port: ``node.instrument.channel``.
        links: which.
        limits: what it does when it is well, by the model and the strictest of the links.
    """

    port: str
    links: tuple[str, ...]
    limits: DetectorLimits

    @property
    def name(self) -> str:
        """Return the name of the condition that it is fit."""
        return f"detector {self.port}"

    @property
    def node(self) -> str:
        """Return whose it is."""
        return self.port.partition(".")[0]

    @property
    def instrument(self) -> str:
        """Return whose channel it is, ``node.instrument``."""
        return part_of(self.port)

    @property
    def channel(self) -> int:
        """Return its number at the instrument, from 1."""
        return int(self.port.rpartition(".")[2])


def detectors_of(testbed: Testbed) -> tuple[WatchedDetector, ...]:
    """Return the detectors that feed the stations of all memory links, found through the wiring.

    Raises:
        BellringerError: a link's wiring leads nowhere.
    """
    wiring, links = Wiring(testbed), testbed.memory_links
    feeding: dict[str, list[str]] = {}
    for name, link in links.items():
        for port in find_paths(testbed, wiring, link).detectors:
            feeding.setdefault(port, []).append(name)
    found = []
    for port, names in sorted(feeding.items()):
        model = testbed.instruments()[part_of(port)].model
        assert isinstance(model, DetectorModel)  # else the path would have led nowhere
        found.append(WatchedDetector(port, tuple(names), _limits(model, names, links)))
    return tuple(found)


def _limits(model: DetectorModel, names: list[str], links: Mapping[str, MemoryLink]) -> DetectorLimits:
    strict = [links[name].suspend for name in names]
    lost, dark = min(each.lost_clicks for each in strict), min(each.dark_counts for each in strict)
    return DetectorLimits(model.dark_rate, model.dead_time, lost, dark)
