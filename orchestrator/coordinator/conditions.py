"""What suspends memory links: the conditions that follow from a testbed file, and what is heard of them.

Nodes watch their clocks, interlocks and detectors and judge them; what latched a node dark, the e-stop and results that
contradict each other the coordinator knows itself. Nodes look before they arm and go dark by themselves, so a condition
is trusted until something is wrong, and a silent node arms nothing; only of a detector at a node that takes no part in
its link silence is bad.
"""

from collections.abc import Iterable, Iterator, Mapping

from ...testbed.testbed import Testbed
from ..heralding.conditions import clock_unlocked
from ..heralding.service.replies import Code
from ..heralding.service.suspenders import Condition
from ..heralding.watched import clock_of, detectors_of, interlocks_of
from ..wire.messages import Register, Renew
from ..wire.shown import fault_text
from .estop import Latch
from .nodes import LOST_AFTER_S, Node

ESTOP = "e-stop"
Look = tuple[str, str, int]
"""Name of a condition, what is wrong with it now ("" for nothing), and how often it tripped."""


def faults_of(node: str) -> str:
    """Return the name of the condition that nothing has latched a node dark."""
    return f"faults of {node}"


def results_of(station: str) -> str:
    """Return the name of the condition that no party of a station's batches contradicts itself."""
    return f"results of {station}"


class LinkConditions:
    """All conditions of the memory links of a testbed.

    Args:
        watched: whether nodes watch anything by themselves; in a dry run in lockstep they do not.

    Attributes:
        all: the conditions.
        links: what each is about, by its name.

    Raises:
        BellringerError: a link's wiring leads nowhere.
    """

    def __init__(self, testbed: Testbed, *, watched: bool) -> None:
        self._links = testbed.memory_links
        parties: dict[str, list[str]] = {}
        stations: dict[str, list[str]] = {}
        for name, link in self._links.items():
            stations.setdefault(link.station.partition(".")[0], []).append(name)
            for party in sorted({end.partition(".")[0] for end in (*link.memories, link.station)}):
                parties.setdefault(party, []).append(name)
        found: list[Condition] = []
        self._told_by: dict[str, str] = {}
        """By condition: the node that watches it."""
        for node, links in sorted(parties.items()):
            found.append(self._condition(clock_of(node), links))
            found.append(self._condition(faults_of(node), links, code=Code.INTERLOCK))
            if testbed.nodes[node].interlocks:
                found.append(self._condition(interlocks_of(node), links, code=Code.INTERLOCK))
                self._told_by[interlocks_of(node)] = node
        for detector in detectors_of(testbed):
            takes_part = all(link in parties.get(detector.node, ()) for link in detector.links)
            silent_s = LOST_AFTER_S if watched and not takes_part else float("inf")
            found.append(self._condition(detector.name, detector.links, silent_s=silent_s, spoils=True))
            self._told_by[detector.name] = detector.node
        found += [self._condition(results_of(station), links) for station, links in sorted(stations.items())]
        found.append(self._condition(ESTOP, self._links, code=Code.INTERLOCK))
        self.all, self.links = tuple(found), {each.name: list(each.links) for each in found}
        self._parties = frozenset(parties)

    def _condition(
        self,
        name: str,
        links: Iterable[str],
        code: Code = Code.NORES,
        silent_s: float = float("inf"),
        spoils: bool = False,
    ) -> Condition:
        names = tuple(links)
        hold_off_s = max(self._links[link].suspend.hold_off for link in names)
        return Condition(name, names, code, hold_off_s, silent_s, trusted=True, spoils=spoils)

    def told(self, message: Register | Renew, node: Node | None) -> Iterator[Look]:
        """Yield what a node's word says; ``node`` is what else is known of it."""
        if message.node in self._parties:
            if message.cores:
                why = clock_unlocked(all(core.locked for core in message.cores))
                yield clock_of(message.node), why, sum(core.unlocks for core in message.cores)
            yield faults_of(message.node), _latched(message.node, "" if node is None else node.fault), 0
        for each in message.watched:
            if self._told_by.get(each.name) == message.node:
                yield each.name, each.why, each.trips


def estop(latch: Latch) -> Look:
    """Return what the e-stop says."""
    return ESTOP, latch.why() if latch.latched else "", latch.number


def contradicted(stopped: Mapping[str, str]) -> Iterator[Look]:
    """Yield what is wrong with stations whose links were stopped; they stay so until the coordinator is restarted."""
    for station, why in stopped.items():
        yield results_of(station), f"{why}; both are kept: look at them, then restart the coordinator", 1


def _latched(node: str, fault: str) -> str:
    return f"{node} is latched dark: {fault_text(fault)}; when it is safe there: bellringer ack {node}" if fault else ""
