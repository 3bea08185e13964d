"""The contact file: where a running testbed's coordinator is and which key it holds. Public data only.

    {"control": "tcp://192.0.2.10:5570", "estop": "tcp://192.0.2.10:5571", "events": "tcp://192.0.2.10:5572",
     "public_key": "..."}

It is written by ``bellringer coordinator`` and ``bellringer up`` and copied to whoever is to reach the testbed. Looked
for, in this order: ``--contact``, BELLRINGER_CONTACT, ``~/.config/bellringer/contact.json``, a testbed that runs on
this machine: ``up``, else that of a ``run`` which started its own.
"""

import os
from pathlib import Path

import msgspec

from ...testbed.errors import BellringerError
from ..coordinator.lock import held
from ..wire import is_key
from ..wire.files import read_guarded, write_whole

VARIABLE = "BELLRINGER_CONTACT"


class NodeContact(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where an agent is, so that an e-stop reaches it without the coordinator."""

    control: str
    public_key: str


class Contact(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """How to reach a testbed.

    Attributes:
        control, estop, events: the coordinator's addresses.
        public_key: the key it must hold.
        nodes: agents known beforehand; the others are asked of the coordinator.
        keys: folder of the key to use, "" for the user's own; ``up`` makes a key for the occasion.
        key: name of the key to use, "" for the user's only one.
    """

    control: str
    estop: str
    events: str
    public_key: str
    nodes: dict[str, NodeContact] = {}
    keys: str = ""
    key: str = ""


def default_file() -> Path:
    """Return where this user's contact file is."""
    return Path.home() / ".config" / "bellringer" / "contact.json"


def sessions() -> Path:
    """Return where the testbeds that run on this machine keep their state, each in a folder."""
    return Path.home() / ".local" / "state" / "bellringer"


def port_locks() -> Path:
    """Return where the files are that keep two driver processes of this computer from one port."""
    return sessions() / "ports"


def kept_estops() -> Path:
    """Return where e-stops of this computer's instruments are kept until somebody acknowledges them."""
    return sessions() / "estop"


def default_state() -> Path:
    """Return where ``up`` keeps its state."""
    return sessions() / "up"


def running_here() -> list[Path]:
    """Return the contact files of the testbeds that run on this machine, ``up`` first."""
    found = [default_state() / "contact.json", *sorted(sessions().glob("run-*/contact.json"))]
    return [file for file in found if file.exists() and held(file.parent)]


def named(given: Path | None) -> bool:
    """Return whether somebody said which testbed is meant, whether or not it runs."""
    return given is not None or bool(os.environ.get(VARIABLE)) or default_file().exists()


def find_contact(given: Path | None) -> Path:
    """Return the contact file to use.

    Raises:
        BellringerError: there is none, or it is not clear which one.
    """
    if given is None and os.environ.get(VARIABLE):
        given = Path(os.environ[VARIABLE])
    places = [given] if given is not None else [default_file()]
    here = running_here() if given is None else []
    for place in [*places, *here]:
        if place.exists() and (place not in here or len(here) == 1 or place.parent == default_state()):
            return place
    if here:
        raise BellringerError(
            f"{len(here)} testbeds run on this machine",
            where="\n         ".join(map(str, here)),
            hint=f"say which one with --contact or {VARIABLE}",
        )
    raise BellringerError(
        "there is no contact file, so the testbed cannot be found",
        where=f"{places[0]}; no 'up' and no 'run' of this machine either" if given is None else str(places[0]),
        hint=f"copy it from the coordinator's machine, or name it with --contact or {VARIABLE}; "
        "on one machine: bellringer up FILE --dry-run",
    )


def read_contact(path: Path) -> Contact:
    """Return what a contact file says.

    Raises:
        BellringerError: it is missing, damaged, or others may change it.
    """
    try:
        contact = msgspec.json.decode(read_guarded(path, 0o022, "644"), type=Contact)
    except msgspec.MsgspecError as error:
        raise BellringerError(
            f"this is no contact file: {error}", where=str(path), hint="copy it again from the coordinator's machine"
        ) from error
    if not all(map(is_key, (contact.public_key, *(node.public_key for node in contact.nodes.values())))):
        raise BellringerError("the contact file holds no valid public key", where=str(path), hint="copy it again")
    return contact


def write_contact(path: Path, contact: Contact) -> None:
    """Write a contact file, whole; one of another testbed is not replaced.

    Raises:
        BellringerError: it cannot be written, or belongs to another coordinator.
    """
    if path.exists() and read_contact(path).public_key != contact.public_key:
        raise BellringerError(
            "the contact file there is of a coordinator with another key; it was not replaced",
            where=str(path),
            hint="move it away, or write this one elsewhere with --contact",
        )
    write_whole(path, msgspec.json.format(msgspec.json.encode(contact)).decode() + "\n", 0o644)
