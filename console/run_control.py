"""``bellringer pause|resume|abort``: a word to a run, wherever it was started."""

from pathlib import Path

from ..orchestrator.client import Network
from ..orchestrator.client.contact import find_contact, running_here
from ..orchestrator.client.overview import running
from ..orchestrator.wire.messages import RunCommand, Status
from ..testbed.errors import BellringerError, nearest
from .main import emit_json

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
    name, network = _find(run, _networks(contact, keys, key))
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


def _find(run: str, networks: list[Network]) -> tuple[str, Network]:
    """Return the run's name and whom to tell; a coordinator that does not answer is an error only if it matters."""
    found: dict[str, Network] = {}
    silent: list[BellringerError] = []
    for network in networks:
        try:
            found |= dict.fromkeys(running(network.ask(Status(0))), network)
        except BellringerError as error:
            silent.append(error)
    if run in found:
        return run, found[run]
    if silent:
        raise silent[0]
    if not run and len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise BellringerError("no run is on", hint="bellringer runs ls shows those that have ended")
    if not run:
        raise BellringerError("several runs are on", hint="say which one: " + ", ".join(found))
    raise BellringerError(f"there is no run '{run}'", hint=nearest(run, found))
