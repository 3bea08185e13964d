"""What clients were told of their requests for pairs, to be asked for as often as they like."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...testbed.errors import BellringerError, nearest
from ..heralding.delivery import Pair as Confirmed
from ..heralding.open_batch import Concluded
from ..heralding.service.replies import Event, Pair

KEPT = 1000
"""Requests that are remembered; the oldest are forgotten first."""
AT_ONCE = 500
"""Pairs in one answer."""


@dataclass
class _Request:
    pairs: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    """What became of heralds, and of batches."""
    attempts: int = 0
    seconds: float = 0.0
    confirmed: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """By order and herald: what the nodes did about pairs that nobody was told of yet."""


class Told:
    """All requests of one coordinator's life."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}

    def begin(self, request: str) -> None:
        """A request was accepted."""
        self._requests.setdefault(request, _Request())
        while len(self._requests) > KEPT:
            del self._requests[next(iter(self._requests))]

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
        else:
            request.end = plain(event)
            request.confirmed.clear()

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
                hint=nearest(request, self._requests) or "a restarted coordinator has forgotten it; ask again",
            )
        pairs = known.pairs[number : number + AT_ONCE]
        complete = number + len(pairs) == len(known.pairs)
        spent = {"attempts": known.attempts, "seconds": known.seconds}
        return {"pairs": pairs, "end": known.end if complete else None, "counts": dict(known.counts), **spent}


def plain(reply: Any) -> dict[str, Any]:
    """Return a reply or an end in plain values."""
    body: Mapping[str, Any] = asdict(reply)
    return {"reply": type(reply).__name__, **{key: str(v) if isinstance(v, str) else v for key, v in body.items()}}
