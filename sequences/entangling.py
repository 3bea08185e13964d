"""The way of a request for heralded pairs: to the coordinator, its answers read as they come, until its end."""

import threading
import uuid
from collections.abc import Mapping
from typing import Any

from ..orchestrator.agent.calls import Instruments
from ..orchestrator.wire.messages import Entangle, Entangled, Unwanted
from ..testbed.errors import BellringerError
from .pairs import Correction, Entanglement, Pair

LOOK_S = 0.01
BATCH = "batch "
NO_HERALD = ("unknown pattern", "two clicks in one window", "outside window", "overflow")
"""Reasons of records that announce nothing."""


def entangle(host: Instruments, nodes: tuple[str, str], asked: Mapping[str, Any]) -> Entanglement:
    """Ask for pairs and wait for the end of the request; a run that is aborted takes it back.

    Raises:
        BellringerError: the request was refused, or the run was aborted.
    """
    request = f"run-{uuid.uuid4().hex}"
    reply = host.ask_coordinator(Entangle(0, {"id": request, "nodes": list(nodes), **asked}))
    if reply["reply"] == "Rejected":
        raise BellringerError(
            f"pairs of {nodes[0]} and {nodes[1]}: {reply['code']}: {reply['what']}",
            where=reply["where"],
            hint=reply["hint"],
        )
    pairs: list[dict[str, Any]] = []
    pause = threading.Event()
    try:
        with host.clock.idle():
            while True:
                answer = host.ask_coordinator(Entangled(0, request, len(pairs)))
                pairs += answer["pairs"]
                if answer["end"] is not None:
                    break
                host.clock.check_aborted()
                pause.wait(LOOK_S)
    except BaseException:
        host.ask_coordinator(Unwanted(0, request))
        raise
    heralds = {
        reason: count
        for reason, count in answer["counts"].items()
        if reason not in NO_HERALD and not reason.startswith(BATCH)
    }
    return Entanglement(
        *(reply["link"], nodes, str(answer["end"]["state"]), answer["end"]["why"]),
        *(tuple(_pair(each, nodes) for each in pairs), answer["attempts"], answer["seconds"], sum(heralds.values())),
        {reason: count for reason, count in heralds.items() if reason != "delivered"},
        {what.removeprefix(BATCH): count for what, count in answer["counts"].items() if what.startswith(BATCH)},
    )


def _pair(told: Mapping[str, Any], nodes: tuple[str, str]) -> Pair:
    first, second = (told["nodes"][node] for node in nodes)
    done = [(node, each) for node, each in told["nodes"].items() if each["operation"] not in ("", "I")]
    begins = [each["applied_ps"] - each["age_ps"] for each in (first, second) if each["applied_ps"]]
    measured = bool(first["basis"] and second["basis"])
    return Pair(
        *(told["batch"], told["hseq"], told["k"], told["label"], told["state"]),
        *(min(begins, default=0), told["t_ps"]),
        tuple(Correction(node, each["operation"], each["applied_ps"]) for node, each in done),
        first["basis"] + second["basis"],
        (first["bit"], second["bit"]) if measured else None,
    )
