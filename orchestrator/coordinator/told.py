"""What clients were told of their requests for pairs, to be asked for as often as they like.

Kept in the store before anybody is told (``keep``). A request that had no end when its coordinator was replaced begins
no batch any more: it ends as soon as those it had have ended, and before that its client is told of every pair of them
that is in the store.
"""

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
from ..heralding.service.requests import checked
from ..heralding.store import Asked, Store

KEPT = 1000
"""Requests that are remembered; the oldest are forgotten first."""
AT_ONCE = 500
"""Pairs in one answer."""
RESTARTED = "the coordinator was restarted; ask for the rest in a new request"


@dataclass
class _Request:
    pairs: list[dict[str, Any]] = field(default_factory=list)
    end: Mapping[str, Any] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    """What became of heralds, and of batches."""
    attempts: int = 0
    seconds: float = 0.0
    confirmed: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """By order and herald: what the nodes did about pairs that nobody was told of yet."""


class Told:
    """All requests of one coordinator's life, and the last ones of those before it.

    Args:
        store: where they are kept; what is raised there is raised here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._requests: dict[str, _Request] = {}
        self._before: dict[str, Asked] = {}
        """Requests of coordinators before this one."""
        self._begun: list[Asked] = []
        self._pairs: list[tuple[str, dict[str, Any]]] = []
        self._ends: list[tuple[str, dict[str, Any]]] = []
        for asked in store.requests(KEPT):
            self._before[asked.request] = asked
            self._requests[asked.request] = _Request(store.told(asked.request), asked.end)
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
        asked, known = self._before.get(request), self._requests.get(request)
        if asked is None or known is None or known.end is not None:
            return
        progress = Progress(checked(asked.asked), asked.who, asked.reply["link"], 0.0)
        progress.delivered = len(known.pairs)
        told = {(body["batch"], body["hseq"]) for body in known.pairs}
        pairs = [pair for pair in self._store.pairs(request) if (pair["batch"], pair["hseq"]) not in told]
        programs = {each: from_json(self._store.program(each)) for each in {pair["digest"] for pair in pairs}}
        for batch in {pair["batch"] for pair in pairs}:
            progress.began(batch)
        for pair in pairs:
            batch, hseq, label = pair["batch"], pair["hseq"], pair["label"]
            known.confirmed[batch, hseq] = {"batch": batch, "nodes": pair["corrected"]}
            herald = Herald(batch, hseq, pair["k"], label, pair["t_ps"])
            for event in progress.herald(herald, state_after(programs[pair["digest"]], label)):
                self.tell(event)
        if known.end is None and all(row.run != request for row in self._store.open_batches()):
            self.tell(progress.finish(State.PARTIAL if known.pairs else State.EXPIRED, RESTARTED))
        self.keep()

    def answered_before(self, asked: Mapping[str, Any], who: str) -> dict[str, Any] | None:
        """Return the reply to a request whose id was there before this coordinator, None if it is new or this one's."""
        name = str(asked.get("id"))
        known = self._before.get(name)
        if known is None and (name in self._requests or not self._store.knows(name)):
            return None
        if known is None or (known.who, known.asked) != (who, asked):
            what = f"the id '{name}' is another request's"
            return plain(Rejected(name, Code.BADREQ, what, "id", "make a new id for a new request"))
        return dict(known.reply)

    def taken_back_before(self, request: str, who: str) -> dict[str, Any] | None:
        """Return the end, by now, of a request of ``who`` from before this coordinator, None if there is none."""
        known = self._before.get(request)
        if known is None or known.who != who:
            return None
        if self._requests[request].end is None:
            told = len(self._requests[request].pairs)
            self.tell(Ended(request, State.CANCELLED, told, "taken back by who asked"))
            self.keep()
        return dict(self._requests[request].end or {})

    def begin(self, asked: Mapping[str, Any], who: str, reply: Accepted) -> None:
        """A request was accepted; told again, nothing changes."""
        if reply.request in self._requests or asked.get("dry_run"):
            return
        self._requests[reply.request] = _Request()
        self._begun.append(Asked(reply.request, who, asked, plain(reply)))
        while len(self._requests) > KEPT:
            oldest = next(iter(self._requests))
            del self._requests[oldest]
            self._before.pop(oldest, None)

    def confirmed(self, request: str, order: int, pair: Confirmed) -> None:
        """Note what the nodes did about a pair that may become a client's."""
        if request not in self._requests or self._requests[request].end is not None:
            return
        told = ("operation", "applied_ps", "age_ps", "basis", "bit")
        self._requests[request].confirmed[order, pair.hseq] = {
            "batch": pair.batch,
            "nodes": {node: {name: getattr(each, name) for name in told} for node, each in pair.corrected.items()},
        }

    def tell(self, event: Event) -> None:
        """Note a pair that is the client's, or the end."""
        request = self._requests.get(event.request)
        if request is None:
            return
        if isinstance(event, Pair):
            herald = event.herald
            body = {"number": event.number, "state": event.state, **asdict(herald)}
            request.pairs.append({**body, **request.confirmed.pop((herald.order, herald.hseq))})
            self._pairs.append((event.request, request.pairs[-1]))
        else:
            request.end = plain(event)
            request.confirmed.clear()
            self._ends.append((event.request, plain(event)))

    def concluded(self, request: str, batch: Concluded, attempts: int, seconds: float) -> None:
        """Note the end of a batch, and how many attempts it made in how long (s)."""
        if request in self._requests:
            self._requests[request].attempts += attempts
            self._requests[request].seconds += seconds
            counts = self._requests[request].counts
            counts[f"batch {batch.state}" + (f": {batch.reason}" if batch.reason else "")] += 1
            counts.update(batch.counts)

    def ended(self, request: str) -> bool:
        """Return whether a request has ended, as one that nobody knows has."""
        return request not in self._requests or self._requests[request].end is not None

    def since(self, request: str, number: int) -> dict[str, Any]:
        """Return the pairs above ``number``, the end once all of them were told, and what became of all heralds.

        Raises:
            BellringerError: there is no such request.
        """
        known = self._requests.get(request)
        if known is None:
            raise BellringerError(
                f"there is no request '{request}'",
                hint=nearest(request, self._requests) or f"the last {KEPT} requests are remembered; ask anew",
            )
        pairs = known.pairs[number : number + AT_ONCE]
        complete = number + len(pairs) == len(known.pairs)
        spent = {"attempts": known.attempts, "seconds": known.seconds}
        return {"pairs": pairs, "end": known.end if complete else None, "counts": dict(known.counts), **spent}


def plain(reply: Any) -> dict[str, Any]:
    """Return a reply or an end in plain values."""
    body: Mapping[str, Any] = asdict(reply)
    return {"reply": type(reply).__name__, **{key: str(v) if isinstance(v, str) else v for key, v in body.items()}}
