"""``bellringer keys``: one's own key pairs, and whose public keys a service accepts."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..orchestrator.wire import Enrolled, KeyFolder, fingerprint
from ..testbed.errors import BellringerError
from .main import emit_json

LIST = "enrolled.json"


def init_command(name: str, folder: Path | None) -> None:
    """Make a pair and say where its halves are."""
    keys = KeyFolder(folder)
    pair = keys.init(name)
    print(f"made {keys.path / name}.key (keep it) and {keys.path / name}.pub (give it away)")
    print(f"fingerprint: {fingerprint(pair.public)}")


def enrol_command(key: str, name: str, role: str, at: Path) -> None:
    """Accept a public key, given as text or as a ``.pub`` file, at the service whose state is in ``at``."""
    public = public_key(key)
    if not name and not key.endswith(".pub"):
        raise BellringerError("whose key is it?", where=key, hint="give --name")
    entry = Enrolled(at / LIST).enrol(public, name or Path(key).stem, role)
    print(f"{entry.name} is enrolled as {entry.role} in {at / LIST}; fingerprint: {fingerprint(public)}")


def revoke_command(which: str, at: Path) -> None:
    """Refuse a key from now on; a running service notices at the key's next message."""
    public = Enrolled(at / LIST).revoke(which)
    print(f"revoked for good in {at / LIST}: {fingerprint(public)}")


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
    table = Table(title=f"enrolled in {at / LIST}" if at is not None else f"your own, in {KeyFolder(folder).path}")
    for column in rows[0] if rows else ("name",):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values(), style="dim" if row.get("revoked") else None)
    Console(highlight=False, markup=False).print(table)


def public_key(text: str) -> str:
    """Return the public key in a ``.pub`` file, or the text itself."""
    if not text.endswith(".pub"):
        return text
    path = Path(text)
    return KeyFolder(path.parent).public(path.stem)
