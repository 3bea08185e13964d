"""``bellringer keys``: one's own key pairs, and whose public keys a service accepts."""

from pathlib import Path
from typing import Any

from rich.table import Table

from ..orchestrator.client import Network, in_parallel, node_contact
from ..orchestrator.wire import Enrolled, KeyFolder, fingerprint
from ..orchestrator.wire.enrolled import LIST
from ..orchestrator.wire.errors import NoSuchKey
from ..orchestrator.wire.messages import Keys, Nodes
from ..testbed.errors import BellringerError
from .main import emit_json
from .out import printer


def init_command(name: str, folder: Path | None) -> None:
    """Make a pair and say where its halves are."""
    keys = KeyFolder(folder)
    pair = keys.init(name)
    print(f"made {keys.path / name}.key (keep it) and {keys.path / name}.pub (give it away)")
    print(f"fingerprint: {fingerprint(pair.public)}")


def enrol_command(
    key: str, name: str, role: str, at: Path | None, contact: Path | None, keys: Path | None, own: str
) -> None:
    """Accept a public key, given as text or as a ``.pub`` file, at the service whose state is in ``at``, or at all."""
    public = public_key(key)
    if not name and not key.endswith(".pub"):
        raise BellringerError("whose key is it?", where=key, hint="give --name")
    name = name or Path(key).stem
    if at is None:
        where = _everywhere(Keys(0, "enrol", public, name, role), Network.found(contact, keys, own))
    else:
        Enrolled(at / LIST).enrol(public, name, role)
        where = str(at / LIST)
    print(f"{name} is enrolled as {role} in {where}; fingerprint: {fingerprint(public)}")


def revoke_command(which: str, at: Path | None, contact: Path | None, keys: Path | None, own: str) -> None:
    """Refuse a key from now on; a running service notices at the key's next message."""
    if at is None:
        where = _everywhere(Keys(0, "revoke", which), Network.found(contact, keys, own))
    else:
        which = fingerprint(Enrolled(at / LIST).revoke(which))
        where = str(at / LIST)
    print(f"revoked for good in {where}: {which}")


def _everywhere(message: Keys, network: Network) -> str:
    """Give every service of the testbed the same order, and return their names; nodes speak to the coordinator only.

    A node that is away hears of a revoked key from the coordinator when it is back.

    Raises:
        BellringerError: a service did not carry it out; the others did.
    """
    nodes = {f"node {node['node']}": node_contact(node) for node in network.ask(Nodes(0))}

    def order(service: str) -> Any:
        return network.ask_node(nodes[service], message) if service in nodes else network.ask(message)

    is_node_key = message.command == "enrol" and message.role == "node"
    done = in_parallel(["coordinator", *(() if is_node_key else nodes)], order)
    if message.command == "revoke" and not isinstance(done["coordinator"], BellringerError):
        # Such a node never knew the key, or has already heard of it from the coordinator.
        done = {service: None if isinstance(answer, NoSuchKey) else answer for service, answer in done.items()}
    failed = {service: answer for service, answer in done.items() if isinstance(answer, BellringerError)}
    if failed:
        raise BellringerError(
            f"{message.command} was carried out by: {', '.join(done.keys() - failed.keys()) or 'none'}; not by all",
            where="\n         ".join(f"{service}: {error.what}" for service, error in failed.items()),
            hint="put that right, or use --at on the service's own machine",
        )
    return ", ".join(done)


def list_command(folder: Path | None, at: Path | None, as_json: bool) -> None:
    """Print one's own keys, or those enrolled at a service."""
    if at is not None:
        rows = [
            {
                "name": entry.name,
                "role": entry.role,
                "fingerprint": fingerprint(key),
                "public_key": key,
                "since": entry.enrolled,
                "revoked": entry.revoked,
            }
            for key, entry in Enrolled(at / LIST).ls().items()
        ]
    else:
        keys = KeyFolder(folder)
        pairs = [keys.load(name) for name in keys.names()]
        rows = [{"name": p.name, "fingerprint": fingerprint(p.public), "public_key": p.public} for p in pairs]
    if as_json:
        emit_json(rows)
        return
    if not rows:
        nobody = f"nobody is enrolled in {at / LIST}; bellringer keys enrol FILE.pub --at {at}" if at else ""
        print(nobody or f"no keys in {KeyFolder(folder).path}; make one: bellringer keys init NAME")
        return
    table = Table(title=f"enrolled in {at / LIST}" if at is not None else f"your own, in {KeyFolder(folder).path}")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values(), style="dim" if row.get("revoked") else None)
    printer().print(table)


def public_key(text: str) -> str:
    """Return the public key in a ``.pub`` file, or the text itself."""
    if not text.endswith(".pub"):
        return text
    path = Path(text)
    return KeyFolder(path.parent).public(path.stem)
