"""What links share (memories, lasers, switch paths, detectors, tagger channels, fibres), reserved all or none.

A reservation takes everything at once or nothing, so nobody holds one thing while waiting for another. Whoever carries
a reservation out step by step does it in the order of ``in_order``, the same for everybody: no circle of waiting can
close (Havender, IBM Systems Journal 7, 74, 1968). No I/O; times are seconds on the service's clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ....testbed.errors import BellringerError, nearest


@dataclass(frozen=True)
class Resource:
    """Something that only so many can use at once, and all with the same setting.

    Attributes:
        capacity: how much there is.
        settle_s: how long it takes to settle after its setting changed.
    """

    name: str
    capacity: int = 1
    settle_s: float = 0.0


@dataclass(frozen=True)
class Want:
    """So much of a resource, set so: a switch path, a laser's power; "" if it makes no difference."""

    name: str
    amount: int = 1
    setting: str = ""


def in_order(wants: Iterable[Want]) -> tuple[Want, ...]:
    """Return wants in the one order in which everybody takes them: by name."""
    return tuple(sorted(wants, key=lambda want: want.name))


class Ledger:
    """Who holds what.

    Args:
        resources: all there are; names are unique.

    Raises:
        BellringerError: a name twice, or no capacity.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources: dict[str, Resource] = {}
        for each in resources:
            if each.name in self._resources or each.capacity < 1 or not each.settle_s >= 0:
                raise BellringerError(
                    f"resource '{each.name}' stands there twice, or has no capacity", hint="each needs its own name"
                )
            self._resources[each.name] = each
        self._held: dict[str, tuple[Want, ...]] = {}
        self._settings: dict[str, str] = {}
        self._settled_s: dict[str, float] = {}

    def check(self, wants: Iterable[Want]) -> None:
        """Refuse what could never be had.

        Raises:
            BellringerError: a resource that does not exist or is too small, or is wanted twice.
        """
        names: set[str] = set()
        for want in wants:
            resource = self._resources.get(want.name)
            if resource is None:
                raise BellringerError(f"there is no resource '{want.name}'", hint=nearest(want.name, self._resources))
            if not 1 <= want.amount <= resource.capacity or want.name in names:
                hint = f"it has {resource.capacity}; name it once"
                raise BellringerError(f"{want.amount} of '{want.name}' can never be had", hint=hint)
            names.add(want.name)

    def holders(self) -> tuple[str, ...]:
        """Return who holds something."""
        return tuple(self._held)

    def holds(self, owner: str) -> bool:
        """Return whether ``owner`` has a reservation."""
        return owner in self._held

    def lacking(self, wants: Iterable[Want], but: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the names of what is not free for ``wants``, as if nothing were held by those in ``but``."""
        others = [held for owner, held in self._held.items() if owner not in set(but)]
        found = []
        for want in wants:
            same = [each for held in others for each in held if each.name == want.name]
            used = sum(each.amount for each in same)
            full = used + want.amount > self._resources[want.name].capacity
            if full or any(each.setting != want.setting for each in same):
                found.append(want.name)
        return tuple(found)

    def reserve(self, owner: str, wants: Iterable[Want], now_s: float) -> float | None:
        """Give ``owner`` all of it and return from when on it is settled; None, and nothing given, if not all is free.

        Raises:
            BellringerError: ``owner`` holds something already, or it could never be had.
        """
        ordered = in_order(wants)
        self.check(ordered)
        if owner in self._held:
            raise BellringerError(f"'{owner}' holds a reservation already", hint="release it first")
        if self.lacking(ordered):
            return None
        self._held[owner] = ordered
        for want in ordered:
            if want.setting and want.setting != self._settings.get(want.name):
                self._settings[want.name] = want.setting
                self._settled_s[want.name] = now_s + self._resources[want.name].settle_s
        return max([now_s, *(self._settled_s.get(want.name, now_s) for want in ordered)])

    def release(self, owner: str) -> None:
        """Give back what ``owner`` holds, if anything; settings stay as they are."""
        self._held.pop(owner, None)

    def described(self) -> dict[str, Any]:
        """Return who holds how much of what, for people."""
        return {owner: {want.name: want.amount for want in held} for owner, held in self._held.items()}
