"""A sequence's request for heralded pairs: asked of the coordinator, and all that came of it in one piece."""

from collections.abc import Callable, Mapping
from typing import Any

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.client.entangle import DeliveredPair, Pairs, Refused
from ..orchestrator.wire.nonces import elapsed_s
from ..testbed.clock import Clock, Ticket
from .pairs import Correction, Entanglement, Pair
from .progress import Progress, Silent

BATCH = "batch "
LOOK_S = 0.5
"""How often it is looked how many pairs there are, while a simulated lab's lab time is waited for."""
HELD_UP_S = 2.0
"""After so long a person is told why nothing is done for a request."""
NO_HERALD = ("unknown pattern", "two clicks in one window", "outside window", "overflow")
"""Reasons of records that announce nothing."""


def entangle(host: Instruments, nodes: tuple[str, str], asked: Mapping[str, Any], progress: Progress) -> Entanglement:
    """Ask for pairs and wait for the end of the request; a run that is aborted takes it back.

    ``progress`` is told of each, unless it is one alone. Corrections of a link that was never measured are measured
    first, on a testbed that is this run's alone.

    Raises:
        BellringerError: the request was refused, or the run was aborted.
    """
    asked = {"nodes": list(nodes), **asked}
    waiting = _Waiting(progress)

    def meanwhile() -> None:
        host.clock.check_aborted()
        waiting.look(request)

    try:
        request, ticket = _asked(host, asked, meanwhile)
    except Refused as refused:
        if refused.code != "UNCAL" or not host.measure_link(refused.where):
            raise
        request, ticket = _asked(host, asked, meanwhile)
    shown = progress if asked["pairs"] > 1 else Silent()
    shown.start(f"pairs on {request.link}", asked["pairs"])
    try:
        pairs = [_pair(each, nodes) for each in _taken(request, ticket, host.clock, meanwhile, shown)]
    finally:
        shown.end()
    heralds = {
        reason: count
        for reason, count in request.counts.items()
        if reason not in NO_HERALD and not reason.startswith(BATCH)
    }
    return Entanglement(
        *(request.link, nodes, request.state, request.why),
        *(tuple(pairs), request.attempts, request.seconds, sum(heralds.values())),
        {reason: count for reason, count in heralds.items() if reason != "delivered"},
        {what.removeprefix(BATCH): count for what, count in request.counts.items() if what.startswith(BATCH)},
        {reason: count for reason, count in request.counts.items() if reason in NO_HERALD},
        request.uncounted & {pair.batch for pair in pairs},
    )


class _Waiting:
    """Tells a person, once, why nothing is done for a request for longer than ``HELD_UP_S``."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._why, self._since_s, self._told = progress, "", elapsed_s(), False

    def look(self, request: Pairs) -> None:
        if request.held_up != self._why:
            self._why, self._since_s, self._told = request.held_up, elapsed_s(), False
        elif self._why and not self._told and elapsed_s() - self._since_s > HELD_UP_S:
            self._told = True
            self._progress.say(f"pairs on {request.link} wait: {self._why}")


def _taken(
    request: Pairs, ticket: Ticket, clock: Clock, meanwhile: Callable[[], None], progress: Progress
) -> list[DeliveredPair]:
    """Return all pairs of a request once it has ended."""
    taken: list[DeliveredPair] = []
    look_s = elapsed_s() + LOOK_S

    def look() -> None:
        nonlocal look_s
        meanwhile()
        if elapsed_s() >= look_s:
            look_s = elapsed_s() + LOOK_S
            pairs = request.take()
            taken.extend(pairs)
            progress.advance(len(pairs))

    try:
        clock.wait_for([ticket], meanwhile=look)
    except BaseException:
        request.take_back()
        raise
    for pair in request:
        taken.append(pair)
        progress.advance(1)
    return taken


def _asked(host: Instruments, asked: dict[str, Any], meanwhile: Callable[[], None]) -> tuple[Pairs, Ticket]:
    """Return the request, and what ends in a dry run in lockstep when the request does."""
    ticket = host.clock.register(f"entangle {' and '.join(asked['nodes'])}")
    try:
        return Pairs(host.ask_coordinator, asked, meanwhile, getattr(ticket, "number", "")), ticket
    except BaseException:
        host.clock.forget(ticket)
        raise


def _pair(told: DeliveredPair, nodes: tuple[str, str]) -> Pair:
    first, second = (told.nodes[node] for node in nodes)
    done = [(node, each) for node, each in told.nodes.items() if each["operation"] not in ("", "I")]
    begins = [each["applied_ps"] - each["age_ps"] for each in (first, second) if each["applied_ps"]]
    measured = bool(first["basis"] and second["basis"])
    return Pair(
        *(told.batch, told.hseq, told.k, told.label, told.state),
        *(min(begins, default=0), told.t_ps),
        tuple(Correction(node, each["operation"], each["applied_ps"]) for node, each in done),
        first["basis"] + second["basis"],
        (first["bit"], second["bit"]) if measured else None,
    )
