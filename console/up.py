"""``bellringer up`` and ``down``: a whole testbed on this machine, for as long as somebody wants it.

However ``up`` ends, also killed, the services notice the end of their input, make dark and leave. An e-stop
of real instruments stays latched beyond that: the next ``up`` starts with it, until somebody acknowledges it.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..orchestrator.client import Network, in_parallel
from ..orchestrator.client.contact import VARIABLE, default_state, find_contact
from ..orchestrator.coordinator.lock import held
from ..orchestrator.wire.messages import Status
from ..testbed.errors import BellringerError
from .dry_run import lab_in_step
from .files import load_checked
from .local_testbed import local_testbed
from .main import emit_json
from .services import asked_to_end, attend
from .sessions import session_folder

START_S = 30.0
"""How long the nodes may take to be dark and leased; what is not by then is told, and can be looked at."""
DOWN_S = 60.0
"""How long ``down`` waits for ``up`` to end."""


def up_command(
    file: Path, overrides: Sequence[str], *, dry_run: bool, seed: int, state: Path | None, as_json: bool
) -> None:
    """Run everything until Ctrl-C, SIGTERM or ``down``; then everything ends in the dark."""
    loaded = load_checked(file, overrides)
    if held(place := (state or default_state()).absolute()):
        hint = "bellringer status shows it, bellringer down ends it; a second one needs a folder of its own: --state"
        raise BellringerError("a testbed is up already", where=str(place), hint=hint)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(asked_to_end())
        folder = stack.enter_context(session_folder(place))
        endpoints, lab = lab_in_step(stack, file, overrides, seed) if dry_run else (None, ())
        simulated: dict[str, Any] = {"simulated": endpoints, "services": lab, "audits": None if dry_run else folder}
        # Without correlators: nobody could look at them here, and the end of one must not end the testbed.
        here = stack.enter_context(local_testbed(loaded, overrides, folder, correlating=False, **simulated))
        wrong = _settled(here.network, stop)
        _tell(here.network, here.contact, [service.pid for service in here.services], wrong, as_json)
        attend(here.services, stop)
    print("everything ended", file=sys.stderr)


def down_command(state: Path | None) -> None:
    """End a running ``up`` and wait until it has ended."""
    folder = (state or default_state()).absolute()
    if not held(folder):
        raise BellringerError("no testbed is up", where=str(folder), hint="nothing to do; is it another --state?")
    os.kill(int((folder / "lock").read_text()), signal.SIGTERM)
    tick = threading.Event()
    for _ in range(round(DOWN_S / 0.1)):
        if not held(folder):
            print("the testbed is down")
            return
        tick.wait(0.1)
    raise BellringerError(
        f"the testbed did not end within {DOWN_S:g} s", where=str(folder), hint="look at the messages of 'up'"
    )


def _settled(network: Network, stop: threading.Event) -> dict[str, str]:
    """Wait until every node is dark and may have light; return what is wrong with the others."""
    wrong: dict[str, str] = {}
    for _ in range(round(START_S / 0.2)):
        answers = in_parallel(
            network.contact.nodes, lambda node: network.ask_node(network.contact.nodes[node], Status(0))
        )
        wrong = {node: text for node, answer in answers.items() if (text := _unsettled(answer))}
        latched = [answer for answer in answers.values() if isinstance(answer, dict) and _latched(answer)]
        if len(latched) == len(wrong) or stop.wait(0.2):
            break
    return wrong


def _latched(answer: dict[str, Any]) -> bool:
    """Return whether waiting is no use: a person must acknowledge something first."""
    return bool(answer["fault"] or (answer["estop"] and answer["dark"]))


def _unsettled(answer: Any) -> str:
    if isinstance(answer, BellringerError):
        return str(answer)
    if answer["estop"] and answer["refused"] and not answer["fault"]:
        return f"{answer['refused']}; after you looked: bellringer ack"
    if answer["fault"] or not answer["leased"]:
        return str(answer["fault"] or answer["refused"] or "no lease yet")
    return "" if answer["dark"] else "not dark yet"


def _tell(network: Network, contact: Path, pids: list[int], wrong: dict[str, str], as_json: bool) -> None:
    if as_json:
        nodes = {node: found.control for node, found in network.contact.nodes.items()}
        emit_json({"contact": str(contact), "nodes": nodes, "wrong": wrong, "processes": pids})
    else:
        print(f"up: {', '.join(network.contact.nodes)}; Ctrl-C or `bellringer down` ends everything in the dark")
        for node, text in wrong.items():
            print(f"  {node}: {text}")
        try:
            found = find_contact(None)
        except BellringerError:
            found = None
        if found != contact:
            print(f"for the other commands: export {VARIABLE}={contact}")
    sys.stdout.flush()
