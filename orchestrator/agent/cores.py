"""The real-time cores of one node: which one a batch is for, what was seen of each, and who its peers are.

A node may have several, one a link; its machine runs one batch at a time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ...testbed.attempts import AttemptProgram
from ...testbed.errors import BellringerError
from ...testbed.memory_models import MemoryLink
from ..wire.messages import Core, Refusal, Reply
from ..wire.nonces import elapsed_s
from .children import Answer, Child
from .core_orders import Look, Progress

LOOK_S = 0.25
"""How often a core's clock is looked at."""
NEVER_S = float("-inf")
"""When a core was looked at whose driver process has only told where it is."""
KNOWN_S = 2.0
"""For how long what was seen of it counts: a look may have to wait for a call."""
AT_ONCE = 2
"""Batches that it may be ordered at a time: one runs, the next one waits at the coordinator."""

Peers = tuple[tuple[str, str, str], ...]
"""Node, endpoint and public key of each."""
Seen = tuple[int, float, bool, int, str, str]
"""As ``Progress.seen``."""


class Cores:
    """Those with which ``node`` takes part in ``links``.

    Args:
        children: the node's driver processes by instrument.
        lab_time: lab time is a simulated lab's in lockstep: cores are looked at when asked to, and what was seen counts
            until then.
    """

    def __init__(
        self, node: str, links: Mapping[str, MemoryLink], children: Mapping[str, Child], lab_time: bool
    ) -> None:
        self._node, self._links, self._lab_time = node, links, lab_time
        self.children = {name: children[name] for name in cores_of(links, node)}
        self._seen: dict[str, Seen] = {}
        self._traits: dict[str, tuple[tuple[str, ...], int]] = {}
        self.traffic: dict[str, Mapping[str, int]] = {}
        """By core: what went over its ways of corrections."""
        self._unlocks = Counter[str]()
        self._over: dict[str, int] = {}
        """Core -> the newest batch that was over here before it was seen."""
        self._asked: dict[str, int] = {}
        """Core -> the newest batch that was over here when it was last asked for a look."""
        self._looking: set[str] = set()
        self._look_s = 0.0
        self._lanes: Mapping[str, Sequence[str]] = {}

    def core_for(self, program: AttemptProgram) -> str:
        """Return the full name of the core that runs a program here.

        Raises:
            BellringerError: no link of this node is like that.
        """
        for link in self._links.values():
            if _is_for(link, program):
                ends = (link.station, *link.memories)
                return next(end for end in ends if end.partition(".")[0] == self._node)
        raise BellringerError(
            f"no memory link of '{self._node}' has {' and '.join(program.nodes)} and station {program.station}",
            where=self._node,
            hint="was the agent started with another text of the testbed?",
        )

    def peers(self, core: str, program: AttemptProgram | None = None) -> Peers:
        """Return the other ends of a core's links, or of the one a program is for, as far as it is known where."""
        found: dict[str, tuple[str, str, str]] = {}
        for link in self._links.values():
            ends = (*link.memories, link.station)
            if core not in ends or (program is not None and not _is_for(link, program)):
                continue
            for other in link.memories if core == link.station else [link.station]:
                if other in self._lanes:
                    node = other.partition(".")[0]
                    found[node] = (node, self._lanes[other][0], self._lanes[other][1])
        return tuple(found[node] for node in sorted(found))

    def hear_of_lanes(self, lanes: Mapping[str, Sequence[str]]) -> None:
        """Take in where cores take corrections: endpoint and public key by core."""
        self._lanes = lanes

    @property
    def connected(self) -> bool:
        """Return whether every core was seen, and it is known where all other ends of its links are."""
        mine = [link for link in self._links.values() if self.children.keys() & {*link.memories, link.station}]
        wanted = {end for link in mine for end in (*link.memories, link.station)}
        return self._seen.keys() == self.children.keys() and wanted <= self._lanes.keys()

    def look(self, now_s: float, over: int, *, idle: bool) -> None:
        """Look at the cores if it is time, or a batch has ended: others may be waiting for its room.

        Args:
            now_s: now.
            over: the newest batch that is over here, with all before it.
            idle: whether none is under way.
        """
        due = now_s >= self._look_s
        if due:
            self._look_s = now_s + LOOK_S
        for name, child in self.children.items():
            if (due or (idle and self._asked.get(name) != over)) and name not in self._looking and not child.darkening:
                self.look_at(name, lambda message: None, over)

    def look_at(self, name: str, then: Answer, over: int, ticket: str = "") -> None:
        """Look at one core and call ``then`` with the answer; ``over`` as in ``look``, ``ticket`` in lockstep."""

        def answered(message: Reply | Refusal) -> None:
            self._looking.discard(name)
            then(message)

        self._looking.add(name)
        self._asked[name] = over
        self.children[name].submit(
            Look(0, name, self.peers(name), ticket), answered, lambda progress: self.note(name, progress, over)
        )

    def note(self, name: str, progress: Progress, over: int) -> None:
        """Take in what was seen of a core, if anything was, when batches up to ``over`` were over for certain."""
        if progress.seen is not None:
            self._over[name] = over
            self._unlocks[name] += name in self._seen and self._seen[name][2] and not progress.seen[2]
            self._seen[name], self._traits[name] = progress.seen, progress.traits
            self.traffic[name] = progress.traffic

    def room(self, name: str) -> tuple[int, int]:
        """Return how many qubits a core had room for when it was last looked at, and ``over`` as in ``note``."""
        return (self._seen[name][3], self._over[name]) if name in self._seen else (0, 0)

    @property
    def offset_ps(self) -> int:
        """Return the difference of hardware time and ``elapsed_s``, ps, as always the same core has it; 0 for none."""
        return self._seen[min(self._seen)][0] if self._seen else 0

    @property
    def locked(self) -> bool:
        """Return whether all cores' clocks are known to be locked; in lockstep, of those that were looked at."""
        known = [seen for seen in self._seen.values() if seen[1] > NEVER_S or not self._lab_time]
        complete = bool(known) if self._lab_time else self._seen.keys() == self.children.keys()
        return complete and all(seen[2] and self._lately(seen) for seen in known)

    def described(self, now_ps: int, calibration: str) -> tuple[Core, ...]:
        """Return what the coordinator must know of those that are ready."""
        return tuple(
            Core(
                *(name, now_ps, seen[4], seen[5], calibration, seen[3], AT_ONCE, seen[2], self._unlocks[name]),
                *self._traits[name],
                self._over[name],
            )
            for name, seen in self._seen.items()
            if self._lately(seen)
        )

    def _lately(self, seen: Seen) -> bool:
        return self._lab_time or elapsed_s() - seen[1] < KNOWN_S


def cores_of(links: Mapping[str, MemoryLink], node: str) -> tuple[str, ...]:
    """Return the full names of the cores with which a node takes part in memory links."""
    found = (end for link in links.values() for end in (*link.memories, link.station))
    return tuple(dict.fromkeys(end for end in found if end.partition(".")[0] == node))


def _is_for(link: MemoryLink, program: AttemptProgram) -> bool:
    nodes = {name.partition(".")[0] for name in link.memories}
    return link.station.partition(".")[0] == program.station and nodes == set(program.nodes)
