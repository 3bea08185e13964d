"""``bellringer pause|resume|abort``: a word to a run, wherever it was started."""

import threading
from collections.abc import Callable
from pathlib import Path

from ..orchestrator.client import Network
from ..orchestrator.client.contact import find_contact, running_here
from ..orchestrator.client.overview import running
from ..orchestrator.wire.messages import RunCommand, Status
from ..orchestrator.wire.nonces import elapsed_s
from ..testbed.errors import BellringerError, nearest
from .main import emit_json
from .sessions import announced_here

OPENING_S = 60.0
"""How long a run that has a name already may take until it owns its instruments and can be told something."""
LOOK_S = 0.1

SAID = {
    "pause": "pauses at its next checkpoint; light stays as it is",
    "resume": "goes on",
    "abort": "ends now, in the dark",
}


def run_control_command(
    command: str, run: str, contact: Path | None, keys: Path | None, key: str, as_json: bool
) -> None:
    """Tell a run to pause, resume or abort; without a name, the only one there is.

    Raises:
        BellringerError: no such run, several and no name, or the coordinator refuses.
    """
    name, network = _find(run, lambda: _networks(contact, keys, key))
    answer = network.ask(RunCommand(0, name, command))
    if as_json:
        emit_json(answer)
    else:
        print(f"{name} {SAID[command]}")


def _networks(contact: Path | None, keys: Path | None, key: str) -> list[Network]:
    """Return the testbeds to look for runs: the named one, else the usual one and all that run on this machine."""
    if contact is not None:
        return [Network.found(contact, keys, key)]
    here = running_here()
    try:
        usual = [find_contact(None)]
    except BellringerError:
        if not here:
            raise
        usual = []
    return [Network.found(file, keys, key) for file in dict.fromkeys([*usual, *here])]


def _find(run: str, look: Callable[[], list[Network]]) -> tuple[str, Network]:
    """Return the run's name and whom to tell; a coordinator that does not answer is an error only if it matters.

    A run that was started just now is waited for: whoever wants it aborted wants that now, not in a second try.
    """
    end, pause = elapsed_s() + OPENING_S, threading.Event()
    while True:
        opening = announced_here()  # before looking, so that no run can be missed by both
        found, silent = _on(look)
        if run in found:
            return run, found[run]
        wanted = run in opening if run else not found and len(opening) == 1
        if not wanted or elapsed_s() > end:
            break
        pause.wait(LOOK_S)
    if silent:
        raise silent[0]
    if not run and len(found) == 1:
        return next(iter(found.items()))
    known = sorted({*found, *opening})
    if not known:
        raise BellringerError("no run is on", hint="bellringer runs ls shows those that have ended")
    if not run:
        raise BellringerError("several runs are on", hint="say which one: " + ", ".join(known))
    raise BellringerError(f"there is no run '{run}'", hint=nearest(run, known))


def _on(look: Callable[[], list[Network]]) -> tuple[dict[str, Network], list[BellringerError]]:
    """Return the runs that are on, and why coordinators did not tell theirs."""
    found: dict[str, Network] = {}
    silent: list[BellringerError] = []
    try:
        networks = look()
    except BellringerError as error:  # no testbed at all, or not yet
        return found, [error]
    for network in networks:
        try:
            found |= dict.fromkeys(running(network.ask(Status(0))), network)
        except BellringerError as error:
            silent.append(error)
    return found, silent
