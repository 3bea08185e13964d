"""An e-stop of this computer's own instruments, when the ``run`` or ``up`` that it was pressed at has ended."""

import getpass
import os
from pathlib import Path

from ..orchestrator.client.contact import kept_estops, named, running_here
from ..orchestrator.client.emergency import press_text
from ..orchestrator.client.overview import pressed_by
from ..orchestrator.coordinator.kept_estop import forget, kept, pressed
from ..orchestrator.wire.audit import Audit
from ..testbed.errors import BellringerError
from .main import emit_json

HINT = "look at the lab, then: bellringer ack --here"


def nothing_runs(contact: Path | None) -> bool:
    """Return whether nobody said which testbed is meant, and none runs on this machine."""
    return not named(contact) and not running_here()


def latched_here() -> str:
    """Return who pressed it first, when and why; "" if nothing is latched."""
    presses = pressed(kept(kept_estops()))
    return pressed_by({"presses": presses}) if presses else ""


def refuse_if_latched() -> None:
    """Do nothing if no e-stop is latched.

    Raises:
        BellringerError: one is; says who pressed it, when and why.
    """
    if by := latched_here():
        raise BellringerError(f"the e-stop of this computer is latched, {by}", where=str(kept_estops()), hint=HINT)


def ack_here_command(node: str, as_json: bool) -> None:
    """Acknowledge what is latched on this computer and tell what it was; who did it is in the audit log beside it.

    Raises:
        BellringerError: nothing is latched, a node was named, or there is no room for the log: it stays latched.
    """
    if node:
        raise BellringerError("a fault of a node ends with its testbed", hint="bellringer ack --here, without a node")
    found = kept(kept_estops())
    if not found:
        raise BellringerError("no e-stop is latched on this computer", where=str(kept_estops()), hint="nothing to do")
    done = [press_text(press) for press in pressed(found)]
    who = f"{getpass.getuser()} (user {os.getuid()} of this computer)"
    with Audit(kept_estops() / "audit.jsonl") as audit:
        told = {"acknowledged": done}
        audit.append(who=who, role="", verb="ack", arguments=told, result="accepted", durable=True)
    forget(found)
    if as_json:
        emit_json({"acknowledged": done, "left": {}, "estop": ""})
        return
    for each in done:
        print(f"acknowledged: {each}")
