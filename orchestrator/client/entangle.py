"""Pairs from the coordinator's entanglement service: asked for, taken as they come, until the one end.

A request has an id of the client's own, so that asking again is the same request. Pairs are numbered and each is taken
once, also when an answer was lost on the way. Whoever stops taking takes the request back.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...testbed.errors import BellringerError
from ..wire.errors import LinkError
from ..wire.messages import Entangle, Entangled, Message, Unwanted
from ..wire.nonces import elapsed_s

LOOK_S = 0.02
SILENT_S = 5.0
"""How long the coordinator may be out of reach before a request is given up."""


class Refused(BellringerError):
    """The service does not take the request; ``code`` says why: UNSUPP, NOTIME, NORES, UNCAL, ...."""

    def __init__(self, code: str, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{code}: {what}", where=where, hint=hint)
        self.code = code


@dataclass(frozen=True)
class DeliveredPair:
    """One pair that is the client's.

    Attributes:
        number: from 1 in its request.
        state: the Bell state it is in, corrections made.
        label: the one that was announced.
        batch, hseq, k: its name: batch, number of the herald at the station, attempt.
        t_ps: the herald, hardware time.
        nodes: by node: ``operation``, ``applied_ps``, ``age_ps`` when it was made, and ``basis`` and ``bit`` of the
            outcome where qubits are measured.
    """

    number: int
    state: str
    label: str
    batch: int
    hseq: int
    k: int
    t_ps: int
    nodes: dict[str, dict[str, Any]]


class Pairs:
    """The pairs of one request, to be iterated over once, or taken as they come.

    Args:
        ask: asks the coordinator.
        request: fields of ``orchestrator.heralding.service.Request``; ``id`` is chosen here.
        meanwhile: called again and again while pairs are waited for; what it raises ends the request.
        ticket: the participant of a dry run in lockstep that ends when the request does.

    Attributes:
        link: the name of the link that serves it.
        estimate: when the service expects to be done: ``wait_s``, ``work_s``, ``sigma_s``, ``chance``.
        state: how it ended: OK, PARTIAL, TIMEOUT, EXPIRED or CANCELLED; "" until then.
        why: in words.
        counts: what became of batches and heralds, by reason.
        attempts, seconds: what the request took up to now.
        uncounted: batches of which nobody knows how many attempts they made: theirs are not in these, nor are their
            heralds in ``counts``.
        held_up: why nothing is done for it just now (its link is suspended, say), "" if something is.

    Raises:
        Refused: the service does not take it.
    """

    def __init__(
        self,
        ask: Callable[[Message], Any],
        request: dict[str, Any],
        meanwhile: Callable[[], object] = lambda: None,
        ticket: str = "",
    ) -> None:
        self._ask, self._meanwhile = ask, meanwhile
        self.request = {"id": secrets.token_hex(8), **request}
        self.state = self.why = self.held_up = ""
        self.counts: dict[str, int] = {}
        self.attempts, self.seconds = 0, 0.0
        self.uncounted: frozenset[int] = frozenset()
        self._pause = threading.Event()
        self._taken, self._heard_s = 0, elapsed_s()
        reply = ask(Entangle(0, self.request, ticket))
        if reply["reply"] == "Rejected":
            raise Refused(reply["code"], reply["what"], where=reply["where"], hint=reply["hint"])
        self.link: str = reply["link"]
        self.estimate: dict[str, float] = reply["estimate"]

    def __iter__(self) -> Iterator[DeliveredPair]:
        try:
            while not self.state:
                self._meanwhile()
                pairs = self.take()
                yield from pairs
                if not (pairs or self.state):
                    self._pause.wait(LOOK_S)
        finally:
            if not self.state:
                self.take_back()

    def take(self) -> list[DeliveredPair]:
        """Return the pairs that came since the last time; never waits for one. The last ones come with the end.

        Raises:
            LinkError: the coordinator has been out of reach for too long.
        """
        try:
            told = self._ask(Entangled(0, self.request["id"], self._taken))
        except LinkError:
            if elapsed_s() - self._heard_s > SILENT_S:
                raise
            return []
        self._heard_s = elapsed_s()
        self._taken += len(told["pairs"])
        self.counts, self.attempts, self.seconds = told["counts"], told["attempts"], told["seconds"]
        self.uncounted, self.held_up = frozenset(told["uncounted"]), told["held_up"]
        if told["end"] is not None:
            self.state, self.why = told["end"]["state"], told["end"]["why"]
        names = DeliveredPair.__dataclass_fields__
        return [DeliveredPair(**{name: body[name] for name in names}) for body in told["pairs"]]

    def take_back(self) -> None:
        """Want no more pairs."""
        with contextlib.suppress(BellringerError):  # it ends at its deadline in any case
            self._ask(Unwanted(0, self.request["id"]))
