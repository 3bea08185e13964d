"""Whose turn it is: first come, first served, with priorities that grow with waiting, over shared resources.

A turn is a reservation of all that a request needs, held over as many batches as it takes. Whoever comes first in the
order has what it needs as soon as those behind it have ended the batches they have under way (a second or two); then
they start no other. So nothing that can run waits for anything behind it in the order for longer than that, and since
the order of two requests never changes, and newer ones end up behind, nothing waits for ever.

What cannot run for another reason (its link is suspended, say) holds nothing back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from .resources import Ledger, Want

AGEING_S = 60.0
"""Waiting so long (s) counts as much as one level of priority: level 0 is overtaken for 9 minutes at most."""


def rank(priority: int, submitted_s: float, number: int) -> tuple[float, int]:
    """Return the place in the order, lowest first: by ``priority`` + waited / ``AGEING_S``, then as they came.

    The difference of two priorities grown with waiting does not depend on the time, so the rank never changes.
    """
    return submitted_s / AGEING_S - priority, number


@dataclass(frozen=True)
class Wanter:
    """Somebody in the order.

    Attributes:
        able: whether it could run now if it had what it needs.
        busy: whether it has something under way, so that what it holds cannot be taken.
    """

    name: str
    wants: tuple[Want, ...]
    able: bool
    busy: bool


@dataclass
class Turns:
    """What ``take_turns`` did.

    Attributes:
        granted: who got a reservation now, and from when on all of it is settled (s).
        giving_way: who holds one and must begin nothing more.
    """

    granted: dict[str, float] = field(default_factory=dict)
    giving_way: set[str] = field(default_factory=set)


def take_turns(ledger: Ledger, order: Sequence[Wanter], now_s: float) -> Turns:
    """Give back and reserve in the ledger what the order asks for; holders that are not in it must be busy."""
    turns = Turns()
    claimed: set[str] = set()
    _give_way(ledger, order, turns)
    for each in order:
        if ledger.holds(each.name) and not each.busy and (not each.able or each.name in turns.giving_way):
            ledger.release(each.name)
    for index, each in enumerate(order):
        if not each.able or ledger.holds(each.name) or not claimed.isdisjoint(_names(each.wants)):
            continue
        settled_s = ledger.reserve(each.name, each.wants, now_s)
        if settled_s is not None:
            turns.granted[each.name] = settled_s
        elif not ledger.lacking(each.wants, but=_behind(ledger, order, index)):
            claimed |= _names(each.wants)  # it only waits for batches that end soon: let nobody in between
    turns.giving_way = {name for name in turns.giving_way if ledger.holds(name) and name not in turns.granted}
    return turns


def _give_way(ledger: Ledger, order: Sequence[Wanter], turns: Turns) -> None:
    """Find the holders that stand in the way of somebody before them who could run without them."""
    for index, each in enumerate(order):
        if not each.able or ledger.holds(each.name):
            continue
        behind = _behind(ledger, order, index)
        lacking = ledger.lacking(each.wants)
        if lacking and not ledger.lacking(each.wants, but=behind):
            wants = {other.name: _names(other.wants) for other in order}
            turns.giving_way |= {name for name in behind if not wants[name].isdisjoint(lacking)}


def _behind(ledger: Ledger, order: Sequence[Wanter], index: int) -> Collection[str]:
    return [other.name for other in order[index + 1 :] if ledger.holds(other.name)]


def _names(wants: Sequence[Want]) -> set[str]:
    return {want.name for want in wants}
