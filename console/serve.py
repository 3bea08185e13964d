"""``bellringer coordinator`` and ``bellringer agent``: one service of a testbed on this machine, in the foreground."""

import contextlib
import ipaddress
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..orchestrator.agent.service import CoordinatorAddress
from ..orchestrator.agent.service import Setup as AgentSetup
from ..orchestrator.client.contact import Contact, default_file, find_contact, port_locks, read_contact, write_contact
from ..orchestrator.coordinator.process import Start
from ..orchestrator.wire import KeyFolder, fingerprint
from ..testbed.errors import BellringerError, nearest
from .files import load_checked, parse_overrides
from .local_testbed import AGENT, COORDINATOR
from .main import emit_json
from .services import Service, asked_to_end, attend


def coordinator_command(
    state: Path, bind: str, port: int, keys: Path | None, key: str, contact: Path | None, as_json: bool
) -> None:
    """Run a coordinator until Ctrl-C; the contact file is there as soon as it listens."""
    pair = KeyFolder(keys).load(key)
    control, estop, events = (f"tcp://{address(bind)}:{port + number if port else '*'}" for number in range(3))
    start = Start(pair.parts, str(state.absolute()), control=control, estop=estop, events=events, leave_at_end=True)
    file = contact or default_file()
    with asked_to_end() as stop, _running(Service("the coordinator", COORDINATOR, start, forked=False)) as service:
        where = service.ready()
        write_contact(file, Contact(where["control"], where["estop"], where["events"], pair.public))
        if as_json:
            emit_json({**where, "public_key": pair.public, "contact": str(file)})
        else:
            print(f"coordinator: control {where['control']}, estop {where['estop']}, events {where['events']}")
            print(f"its key: {fingerprint(pair.public)}; contact file: {file}")
            print(f"whose keys it accepts: {state / 'enrolled.json'}; Ctrl-C ends it, and then every node goes dark")
        sys.stdout.flush()
        attend([service], stop)


def agent_command(
    file: Path,
    node: str,
    overrides: Sequence[str],
    contact: Path | None,
    state: Path | None,
    bind: str,
    port: int,
    stream_port: int,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Run a node's agent until Ctrl-C; it leaves in the dark."""
    nodes = load_checked(file, overrides).testbed.nodes
    if node not in nodes:
        raise BellringerError(f"the file has no node '{node}'", where=str(file), hint=nearest(node, nodes))
    coordinator = read_contact(find_contact(contact))
    pair = KeyFolder(keys).load(node)
    folder = (state or Path.home() / ".local" / "state" / "bellringer" / node).absolute()
    setup = AgentSetup(
        node=node,
        testbed=str(file.absolute()),
        keys=pair.parts,
        coordinator=CoordinatorAddress(coordinator.control, coordinator.events, coordinator.public_key),
        state=str(folder),
        overrides=parse_overrides(overrides),
        bind=f"tcp://{address(bind)}:{port or '*'}",
        stream=f"tcp://{address(bind)}:{stream_port_of(port, stream_port)}",
        locks=str(port_locks()),
        leave_at_end=True,
    )
    with asked_to_end() as stop, _running(Service(f"the agent of '{node}'", AGENT, setup, forked=False)) as service:
        where = service.ready()
        if as_json:
            emit_json({"node": node, **where, "public_key": pair.public, "state": str(folder)})
        else:
            print(f"agent of {node}: control {where['control']}, stream {where['stream']}")
            print(f"its key: {fingerprint(pair.public)}; state and enrolled keys: {folder}")
            print("Ctrl-C ends it in the dark")
        sys.stdout.flush()
        attend([service], stop)


def stream_port_of(port: int, stream_port: int) -> str:
    """Return the stream's port: the wanted one, else the one after a chosen control port, else ``*`` for any."""
    return str(stream_port or (port + 1 if port else "*"))


def address(bind: str) -> str:
    """Return an address to listen on, which others are also told; so it must be one of this machine's own.

    Raises:
        BellringerError: it is none that others could use.
    """
    try:
        parsed = ipaddress.IPv4Address(bind)
    except ValueError:
        parsed = ipaddress.IPv4Address(0)
    if parsed.is_unspecified:
        raise BellringerError(
            f"{bind!r} is no address that others can be told",
            where="--bind",
            hint="give this machine's own IPv4 address in the testbed's network, e.g. --bind 192.0.2.10",
        )
    return bind


@contextlib.contextmanager
def _running(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.stop()
