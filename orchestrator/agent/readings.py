"""Values of instruments, read for whoever watches them and published on topic ``readings``.

All watchers of an instrument are served by the same reading: a value is read as often as the most impatient of them
wants, and one read of an instrument is in flight at any time. Nothing is read while an instrument is being made dark or
could not be: the way to the dark shall not wait. A value is published when it was read, never again. What could not be
read is published as bad, with the reason.

``readings`` events: ``instrument``, ``values`` by name, ``bad`` (name -> why there is no value), and ``by`` (``watch``,
or ``request`` if somebody asked for the value anyway).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...testbed.errors import BellringerError, nearest
from ..wire.history import utc_now
from ..wire.messages import Do, Event, Get, Refusal, Reply, Subscribe
from .children import Child

SHORTEST_S, LONGEST_S = 0.05, 3600.0
LONGEST_LEASE_S = 60.0
"""How long a subscription may last without being asked for again: what a watcher that died costs the instrument."""
MOST = 64
"""Subscriptions of one instrument."""
PATIENCE_S = 3.0
"""A read that takes longer is told as bad, and goes on; the instrument may be busy with somebody's call."""


@dataclass
class _Subscription:
    names: frozenset[str]
    period_s: float
    until_s: float


@dataclass
class _Watched:
    """One instrument that is or was watched."""

    child: Child
    known: tuple[str, ...]
    subscriptions: dict[tuple[str, str], _Subscription] = field(default_factory=dict)
    next_s: dict[str, float] = field(default_factory=dict)
    asked_s: float | None = None
    """When the read in flight was asked for."""
    told_s: float = 0.0
    left: list[str] = field(default_factory=list)
    """What the read in flight still has to read."""


class Readings:
    """All watching of a node.

    Args:
        children: who has the instrument.
        known: returns the names of an instrument's values.
        publish: sends an event to whoever listens.
        lockstep: whether the instruments are in a dry run in lockstep, where every call moves lab time.
    """

    def __init__(
        self,
        children: Mapping[str, Child],
        known: Callable[[str], Sequence[str]],
        publish: Callable[[Event], object],
        lockstep: bool,
    ) -> None:
        self._children, self._known, self._publish, self._lockstep = children, known, publish, lockstep
        self._watched: dict[str, _Watched] = {}

    def subscribe(self, message: Subscribe, key: str, now_s: float) -> dict[str, Any]:
        """Begin, prolong or end a subscription; return what is read now, and how often.

        Raises:
            BellringerError: no such instrument or value, nonsense, too many, or a dry run in lockstep.
        """
        watched = self._find(message)
        self._check(message, watched)
        who = (key, message.watcher)
        self._forget_late(watched, now_s)
        if not message.for_s > 0:  # also when it is NaN
            watched.subscriptions.pop(who, None)
        else:
            if who not in watched.subscriptions and len(watched.subscriptions) >= MOST:
                raise BellringerError(
                    f"{message.instrument} has {MOST} watchers already", hint="end one of them; they last a minute"
                )
            names = frozenset(message.names or watched.known)
            until_s = now_s + min(message.for_s, LONGEST_LEASE_S)
            watched.subscriptions[who] = _Subscription(names, message.period_s, until_s)
        periods = _periods(watched)
        watched.next_s = {name: min(watched.next_s.get(name, now_s), now_s + periods[name]) for name in periods}
        return {"instrument": message.instrument, "periods_s": periods}

    def turn(self, now_s: float) -> None:
        """Ask for what is due; call it often."""
        for instrument, watched in self._watched.items():
            self._forget_late(watched, now_s)
            if watched.asked_s is not None:
                self._tell_silence(instrument, watched, now_s)
                continue
            periods = _periods(watched)
            due = [name for name in watched.known if name in periods and now_s >= watched.next_s.get(name, 0.0)]
            if not due:
                continue
            watched.next_s |= {name: now_s + periods[name] for name in due}
            why = _why_not(watched.child)
            if why:
                self._tell(instrument, {}, dict.fromkeys(due, why))
            else:
                watched.asked_s = watched.told_s = now_s
                watched.left = due
                self._read(instrument, watched)

    def passed(self, message: Get | Do, value: Any) -> None:
        """Publish what somebody else has just read of a watched instrument."""
        watched = self._watched.get(message.instrument)
        if watched is None or not watched.subscriptions:
            return
        if isinstance(message, Get):
            self._tell_read(message.instrument, {message.name: value}, "request")
        elif message.verb == "snapshot" and isinstance(value, dict):
            self._tell_read(message.instrument, value, "request")

    # --- inside -----------------------------------------------------------------------------------------------

    def _find(self, message: Subscribe) -> _Watched:
        name = message.instrument
        if name not in self._children:
            raise BellringerError(f"there is no instrument '{name}' here", hint=nearest(name, self._children))
        if self._lockstep:
            raise BellringerError(
                "nothing can be watched in a dry run in lockstep: every reading would change what the run finds",
                where=name,
                hint="watch a testbed of 'bellringer up FILE --dry-run', which is in step with the wall clock",
            )
        if name not in self._watched:
            self._watched[name] = _Watched(self._children[name], tuple(self._known(name)))
        return self._watched[name]

    def _check(self, message: Subscribe, watched: _Watched) -> None:
        for name in message.names:
            if name not in watched.known:
                raise BellringerError(
                    f"{message.instrument} has no setting or reading '{name}'", hint=nearest(name, watched.known)
                )
        if not SHORTEST_S <= message.period_s <= LONGEST_S:
            raise BellringerError(
                f"a value cannot be read every {message.period_s:g} s",
                where=message.instrument,
                hint=f"choose between {SHORTEST_S:g} s and {LONGEST_S:g} s",
            )

    def _forget_late(self, watched: _Watched, now_s: float) -> None:
        for who in [who for who, each in watched.subscriptions.items() if now_s >= each.until_s]:
            del watched.subscriptions[who]

    def _read(self, instrument: str, watched: _Watched) -> None:
        """Ask for the next of what is left: one value, or all if all are due."""
        names = list(watched.left) if set(watched.left) == set(watched.known) else watched.left[:1]
        watched.left = [name for name in watched.left if name not in names]

        def take(answer: Reply | Refusal) -> None:
            if isinstance(answer, Refusal):
                self._tell(instrument, {}, dict.fromkeys(names, answer.what))
            elif len(names) > 1 and not isinstance(answer.value, dict):
                self._tell(instrument, {}, dict.fromkeys(names, "its driver's snapshot is none"))
            else:
                self._tell_read(instrument, answer.value if len(names) > 1 else {names[0]: answer.value}, "watch")
            if watched.left and not _why_not(watched.child):
                self._read(instrument, watched)
            else:
                watched.left, watched.asked_s = [], None

        if len(names) > 1:
            watched.child.submit(Do(0, instrument, "snapshot", 0), take)
        else:
            watched.child.submit(Get(0, instrument, names[0], 0), take)

    def _tell_silence(self, instrument: str, watched: _Watched, now_s: float) -> None:
        """Tell, as often as it would have been read, that a read takes long."""
        assert watched.asked_s is not None
        periods = _periods(watched)
        patience_s = max(PATIENCE_S, *periods.values()) if periods else PATIENCE_S
        if now_s - watched.told_s > patience_s and periods:
            watched.told_s = now_s
            why = f"no answer for {now_s - watched.asked_s:.0f} s; it may be busy with a longer call"
            self._tell(instrument, {}, dict.fromkeys(periods, why))

    def _tell_read(self, instrument: str, values: Mapping[str, Any], by: str) -> None:
        good = {name: value for name, value in values.items() if value is not None}
        bad = {name: "the instrument's answer could not be understood" for name in values.keys() - good.keys()}
        self._tell(instrument, good, bad, by)

    def _tell(self, instrument: str, values: Mapping[str, Any], bad: Mapping[str, str], by: str = "watch") -> None:
        body = {"instrument": instrument, "values": dict(values), "bad": dict(bad), "by": by}
        self._publish(Event(0, "readings", instrument, 0, body, utc_now()))


def _periods(watched: _Watched) -> dict[str, float]:
    """Return how often each value is wanted, s."""
    found: dict[str, float] = {}
    for each in watched.subscriptions.values():
        for name in each.names:
            found[name] = min(each.period_s, found.get(name, each.period_s))
    return found


def _why_not(child: Child) -> str:
    """Return why an instrument must not be asked now, "" if it may be."""
    if child.given_up:
        return "its driver process was given up"
    if child.darkening:
        return "it is being made dark"
    return f"not confirmed dark: {'; '.join(child.failures)}" if child.failures else ""
