"""What clients were told of their requests for pairs, to be asked for as often as they like.

Kept in the store before anybody is told (``keep``), and told out of it: the store alone says which ids there ever were,
so no id is done a second time. Here is only what is open. A request that had no end when its coordinator was replaced
begins no batch any more: it ends as soon as those it had have ended, and before that its client is told of every pair
of them that is in the store.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...testbed.attempts import from_json
from ...testbed.errors import BellringerError, nearest
from ..heralding.delivery import Pair as Confirmed
from ..heralding.open_batch import Concluded
from ..heralding.service.links import state_after
from ..heralding.service.progress import Progress
from ..heralding.service.replies import Accepted, Code, Ended, Event, Herald, Pair, Rejected, State
from ..heralding.service.requests import MOST_PAIRS, RequestError, checked
from ..heralding.store import Asked, Spent, Store
from ..heralding.under_way import SILENT_S

KEPT = 1000
"""Requests that have ended whose sums stay in memory; those of the others are added up anew for whoever asks."""
AT_ONCE = 500
"""Pairs in one answer."""
SETTLE_S = SILENT_S + 1.0
"""How long the end is kept back for what the last batches took: a core that was stopped says it by then, or never.
A qubit that is kept has no time for that: then it is this share of its longest age."""
KEPT_SHARE = 0.1
RESTARTED = "the coordinator was restarted; ask for the rest in a new request"


@dataclass
class _Took:
    """What the batches of a request took.

    Attributes:
        counts: what became of heralds, and of batches.
        attempts, seconds: of the batches that all parties have said it of; so are the heralds in ``counts``.
        uncounted: the others.
    """

    counts: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    seconds: float = 0.0
    uncounted: set[int] = field(default_factory=set)

    def ended(self, batch: int, state: str, reason: str, spent: Spent | None) -> None:
        """Take in a batch's end."""
        self.counts[f"batch {state}" + (f": {reason}" if reason else "")] += 1
        self.uncounted.add(batch)
        if spent is not None:
            self.spent(spent)

    def spent(self, spent: Spent) -> None:
        """Take in what a batch that has ended took."""
        if spent.batch not in self.uncounted:
            return
        self.uncounted.discard(spent.batch)
        self.attempts += spent.attempts
        self.seconds += spent.seconds
        self.counts.update(spent.counts)


@dataclass
class _Open:
    """A request without an end."""

    took: _Took
    told: int = 0
    """Pairs, perhaps not kept yet."""
    confirmed: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """By order and herald: what the nodes did about pairs that nobody was told of yet."""


class Told:
    """All requests of one coordinator's life, and of those before it.

    Args:
        store: where they are kept; what is raised there is raised here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, _Open] = {}
        self._ended: dict[str, _Took] = {}
        """Of the requests that ended last or were asked for since."""
        self._before: dict[str, Asked] = {}
        """Those that a coordinator before this one left open, until they end."""
        self._begun: list[Asked] = []
        self._pairs: list[tuple[str, dict[str, Any]]] = []
        self._ends: list[tuple[str, dict[str, Any]]] = []
        for asked in store.open_requests():
            self._before[asked.request] = asked
            self._open[asked.request] = _Open(self._sum(asked.request), store.told_pairs(asked.request))
        for request in list(self._before):
            self.take_up(request)

    def keep(self) -> None:
        """Make durable what is to be told; call it before anybody is answered."""
        if self._begun or self._pairs or self._ends:
            self._store.tell(self._begun, self._pairs, self._ends)
            self._begun, self._pairs, self._ends = [], [], []

    def take_up(self, request: str) -> None:
        """Tell of what the store holds for a request that was left open, and end it if its batches have; else nothing.

        Call it at the end of a batch of an earlier coordinator. The nodes and the station had confirmed these pairs.
        """
        asked, known = self._before.get(request), self._open.get(request)
        if asked is None or known is None:
            return
        progress = Progress(checked(asked.asked), asked.who, asked.reply["link"], 0.0)
        progress.delivered = known.told
        pairs = self._store.untold(request)
        programs = {each: from_json(self._store.program(each)) for each in {pair["digest"] for pair in pairs}}
        for batch in {pair["batch"] for pair in pairs}:
            progress.began(batch)
        for pair in pairs:
            batch, hseq, label = pair["batch"], pair["hseq"], pair["label"]
            known.confirmed[batch, hseq] = {"batch": batch, "nodes": pair["corrected"]}
            herald = Herald(batch, hseq, pair["k"], label, pair["t_ps"])
            for event in progress.herald(herald, state_after(programs[pair["digest"]], label)):
                self.tell(event)
        if not self.ended(request) and all(row.run != request for row in self._store.open_batches()):
            self.tell(progress.finish(State.PARTIAL if known.told else State.EXPIRED, RESTARTED))
        self.keep()

    def answered_before(self, asked: Mapping[str, Any], who: str) -> dict[str, Any] | None:
        """Return the reply to a request whose id was there before, None if it is new."""
        name = str(asked.get("id"))
        known = self._store.request(name)
        if known is None:
            return None
        if known.who != who or not _same(known.asked, asked):
            what = f"the id '{name}' is another request's"
            return plain(Rejected(name, Code.BADREQ, what, "id", "make a new id for a new request"))
        return dict(known.reply)

    def taken_back_before(self, request: str, who: str) -> dict[str, Any] | None:
        """Return the end, by now, of a request of ``who``; None if there is none, or it is the service's to end."""
        known = self._store.request(request)
        if known is None or known.who != who:
            return None
        if request in self._before:
            self.tell(Ended(request, State.CANCELLED, self._open[request].told, "taken back by who asked"))
            self.keep()
            known = self._store.request(request)
        return None if known is None or known.end is None else dict(known.end)

    def begin(self, asked: Mapping[str, Any], who: str, reply: Accepted) -> None:
        """A request was accepted, which it is once only."""
        if not asked.get("dry_run"):
            self._open[reply.request] = _Open(_Took())
            self._begun.append(Asked(reply.request, who, asked, plain(reply)))

    def confirmed(self, request: str, order: int, pair: Confirmed) -> None:
        """Note what the nodes did about a pair that may become a client's."""
        if request not in self._open:
            return
        told = ("operation", "applied_ps", "age_ps", "basis", "bit")
        self._open[request].confirmed[order, pair.hseq] = {
            "batch": pair.batch,
            "nodes": {node: {name: getattr(each, name) for name in told} for node, each in pair.corrected.items()},
        }

    def tell(self, event: Event) -> None:
        """Note a pair that is the client's, or the end."""
        request = self._open.get(event.request)
        if request is None:
            return
        if isinstance(event, Pair):
            herald = event.herald
            body = {"number": event.number, "state": event.state, **asdict(herald)}
            request.told += 1
            self._pairs.append((event.request, {**body, **request.confirmed.pop((herald.order, herald.hseq))}))
        else:
            del self._open[event.request]
            self._remember(event.request, request.took)
            self._before.pop(event.request, None)
            self._ends.append((event.request, plain(event)))

    def concluded(self, batch: Concluded) -> None:
        """Note the end of a batch."""
        if took := self._took(batch.run):
            took.ended(batch.batch, batch.state, batch.reason, batch.spent)

    def spent(self, spent: Spent) -> None:
        """Note what a batch took whose end was told before."""
        if took := self._took(spent.run):
            took.spent(spent)

    def ended(self, request: str) -> bool:
        """Return whether a request has ended, as one that nobody knows has."""
        return request not in self._open

    def since(self, request: str, number: int, unsettled_s: float = float("inf")) -> dict[str, Any]:
        """Return the pairs above ``number``, the end once all of them were told, and what it took until now.

        Args:
            request: its id.
            number: of the last pair that is there already.
            unsettled_s: for how long it has been waited for what its last batches took.

        Raises:
            BellringerError: there is no such request.
        """
        number = min(max(number, 0), MOST_PAIRS)
        pairs, end, took = self._store.told(request, number, AT_ONCE), None, self._took(request)
        if self.ended(request):
            asked = self._store.request(request)
            if asked is None:
                hint = nearest(request, self._open) or "ask for pairs in a new request"
                raise BellringerError(f"there is no request '{request}'", hint=hint)
            settled = math.isinf(unsettled_s) or unsettled_s >= _patience_s(asked.asked)
            if settled and number + len(pairs) >= self._store.told_pairs(request):
                end = asked.end
        if took is None:
            took = self._sum(request)
            self._remember(request, took)
        spent = {"attempts": took.attempts, "seconds": took.seconds, "uncounted": sorted(took.uncounted)}
        return {"pairs": pairs, "end": end, "counts": dict(took.counts), **spent}

    def _took(self, request: str) -> _Took | None:
        """Return what is in memory of it."""
        return self._open[request].took if request in self._open else self._ended.get(request)

    def _remember(self, request: str, took: _Took) -> None:
        self._ended[request] = took
        if len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]

    def _sum(self, request: str) -> _Took:
        took = _Took()
        for ended in self._store.ended_batches(request):
            took.ended(*ended)
        return took


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two requests ask for the same."""
    try:
        return checked(one) == checked(other)
    except RequestError:
        return False


def _patience_s(asked: Mapping[str, Any]) -> float:
    request = checked(asked)
    return SETTLE_S if request.kind == "measure" else min(SETTLE_S, KEPT_SHARE * request.max_age_s)


def plain(reply: Any) -> dict[str, Any]:
    """Return a reply or an end in plain values."""
    body: Mapping[str, Any] = asdict(reply)
    return {"reply": type(reply).__name__, **{key: str(v) if isinstance(v, str) else v for key, v in body.items()}}
