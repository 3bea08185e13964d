"""An e-stop of this computer's own instruments, when the ``run`` or ``up`` that it was pressed at has ended."""

import contextlib
import getpass
import os
from pathlib import Path

from ..orchestrator.client.contact import kept_estops, named, read_contact, running_here
from ..orchestrator.client.emergency import COORDINATOR, Pressed, press_text
from ..orchestrator.client.network import Network
from ..orchestrator.client.overview import pressed_by
from ..orchestrator.coordinator.kept_estop import Press, by_hand, forget, keep, kept, pressed
from ..orchestrator.wire.audit import Audit
from ..orchestrator.wire.history import utc_now
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


def is_here(network: Network) -> bool:
    """Return whether it is a ``run`` or ``up`` of this computer; a coordinator of its own has a journal that stays."""
    for file in running_here():
        with contextlib.suppress(BellringerError):  # it ends just now, or is of no interest
            if read_contact(file).control == network.contact.control:
                return True
    return False


def keep_untaken(network: Network, reason: str, pressed: Pressed) -> bool:
    """Keep an e-stop that a testbed of this computer's own instruments may forget; return whether that was needed.

    Its coordinator, which would keep it, does not answer; the agents go dark, but end with their testbed.
    """
    if COORDINATOR not in pressed.failed or pressed.simulated:
        return False
    keep(kept_estops(), Press(network.keys.name, network.keys.public, reason, utc_now()))
    return True


def acknowledged_here() -> None:
    """Forget what ``keep_untaken`` kept: its nodes told the coordinator, and a person has acknowledged that now."""
    forget(by_hand(kept_estops()))


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
