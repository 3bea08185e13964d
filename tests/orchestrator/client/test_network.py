"""Which key a testbed is spoken with."""

import pytest
from bellringer.orchestrator.client import Network
from bellringer.orchestrator.client.contact import Contact, write_contact
from bellringer.orchestrator.wire import KeyFileError, KeyFolder
from bellringer.testbed.errors import BellringerError


@pytest.fixture
def started_by_up(tmp_path):
    """A contact file as ``up`` writes it: with the folder and the name of a key made for the occasion."""
    made = KeyFolder(tmp_path / "keys").init("operator")
    addresses = {"control": "tcp://127.0.0.1:1", "estop": "tcp://127.0.0.1:2", "events": "tcp://127.0.0.1:3"}
    contact = Contact(**addresses, public_key=made.public, keys=str(tmp_path / "keys"), key="operator")
    write_contact(tmp_path / "contact.json", contact)
    return tmp_path / "contact.json"


def test_up_has_a_key_of_its_own_and_says_so_to_who_names_another(started_by_up):
    for key in ("", "operator"):
        assert Network.found(started_by_up, None, key).keys.name == "operator"
    with pytest.raises(KeyFileError, match="started by `up` for one person and has the key operator only") as caught:
        Network.found(started_by_up, None, "anna")
    assert "leave --key" in caught.value.hint


def test_with_a_key_folder_of_ones_own_a_missing_key_is_to_be_made(started_by_up, tmp_path):
    with pytest.raises(BellringerError, match="keys init anna"):
        Network.found(started_by_up, tmp_path / "own", "anna")
