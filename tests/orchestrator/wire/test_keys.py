"""Keys: private files stay private, secrets are not shown, enrolment and revocation hold, also between processes."""

import json
import os
import stat

import pytest
import zmq
from bellringer.orchestrator.wire import Enrolled, KeyFileError, KeyFolder, KeyPair, fingerprint, is_key
from bellringer.orchestrator.wire import enrolled as enrolled_module


@pytest.fixture
def folder(tmp_path):
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def pair():
    return KeyPair.ephemeral("bob")


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- key files ----------------------------------------------------------------------------------------------------


def test_a_new_pair_is_private_complete_and_loads_again(folder):
    pair = folder.init("alice")
    assert mode(folder.path) == 0o700
    assert mode(folder.path / "alice.key") == 0o600
    assert folder.load("alice") == pair
    assert folder.public("alice") == pair.public == zmq.curve_public(pair.secret.encode()).decode()
    assert not list(folder.path.glob("*.part"))


def test_the_secret_is_private_even_with_a_generous_umask(folder):
    before = os.umask(0)
    try:
        folder.init("alice")
    finally:
        os.umask(before)
    assert mode(folder.path / "alice.key") == 0o600


def test_an_existing_key_is_not_overwritten(folder):
    pair = folder.init("alice")
    with pytest.raises(KeyFileError, match="already"):
        folder.init("alice")
    assert folder.load("alice") == pair


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644])
def test_a_key_others_can_read_is_refused_with_the_command_that_helps(folder, bits):
    folder.init("alice")
    path = folder.path / "alice.key"
    path.chmod(bits)
    with pytest.raises(KeyFileError) as caught:
        folder.load("alice")
    assert caught.value.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    assert folder.load("alice")


def test_a_public_key_others_can_change_is_refused(folder):
    folder.init("alice")
    (folder.path / "alice.pub").chmod(0o666)
    with pytest.raises(KeyFileError, match="other users"):
        folder.public("alice")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 39, b'"' * 40, b"\xff" * 40, b"~" * 40, b"#" * 40])
def test_a_damaged_key_file_is_a_clear_error(folder, content):
    folder.init("alice")
    (folder.path / "alice.key").write_bytes(content)
    with pytest.raises(KeyFileError) as caught:
        folder.load("alice")
    assert "alice.key" in caught.value.where


def test_a_missing_key_says_how_to_make_one(folder):
    with pytest.raises(KeyFileError, match="bellringer keys init alice"):
        folder.load("alice")
    with pytest.raises(KeyFileError):
        folder.public("alice")


@pytest.mark.parametrize("name", ["", "../alice", "a/b", ".hidden", "a b", "x" * 65, "a\n", "é"])
def test_a_name_is_no_path(folder, name):
    with pytest.raises(KeyFileError, match="no name for a key"):
        folder.init(name)
    assert not folder.path.exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot write"):
        KeyFolder(tmp_path / "file").init("alice")


def test_the_secret_is_in_no_text_of_a_pair(pair):
    assert pair.secret not in repr(pair)
    assert pair.secret not in str(pair)
    assert pair.secret not in f"{pair}"


def test_a_fingerprint_is_short_readable_and_of_this_key_only(pair):
    text = fingerprint(pair.public)
    assert len(text) == 19
    assert text == fingerprint(pair.public) != fingerprint(KeyPair.ephemeral("bob").public)
    # printf KEY | sha256sum | cut -c1-20 | xxd -r -p | base32
    assert fingerprint("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7") == "qqis-pbor-bevh-576c"


@pytest.mark.parametrize("text", ["", "a" * 39, "a" * 41, "é" * 40, " " * 40, "#" * 40, "\x00" * 40])
def test_what_is_no_key_is_not_taken_for_one(text):
    assert not is_key(text)


# --- enrolment ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["file", "memory"])
def enrolled(request, tmp_path):
    return Enrolled(tmp_path / "keys" / "enrolled.json" if request.param == "file" else None)


def test_an_enrolled_key_is_found_with_name_and_role(enrolled, pair):
    assert enrolled.find(pair.public) is None
    enrolled.enrol(pair.public, "bob", "operator")
    entry = enrolled.find(pair.public)
    assert (entry.name, entry.role, entry.revoked) == ("bob", "operator", "")
    assert entry.enrolled
    assert list(enrolled.ls()) == [pair.public]


@pytest.mark.parametrize("which", ["key", "fingerprint", "name"])
def test_a_revoked_key_is_found_no_more_but_still_listed(enrolled, pair, which):
    enrolled.enrol(pair.public, "bob")
    by = {"key": pair.public, "fingerprint": fingerprint(pair.public), "name": "bob"}
    assert enrolled.revoke(by[which]) == pair.public
    assert enrolled.find(pair.public) is None
    assert enrolled.ls()[pair.public].revoked
    assert enrolled.revocations == 1


def test_revoked_is_for_good_but_the_name_is_free_again(enrolled, pair):
    enrolled.enrol(pair.public, "bob")
    enrolled.revoke("bob")
    with pytest.raises(KeyFileError, match="revoked is for good"):
        enrolled.enrol(pair.public, "bob")
    other = KeyPair.ephemeral("bob")
    enrolled.enrol(other.public, "bob")
    assert enrolled.find(other.public).name == "bob"


def test_enrolling_again_changes_the_role_and_keeps_the_date(enrolled, pair):
    first = enrolled.enrol(pair.public, "bob", "observer")
    again = enrolled.enrol(pair.public, "bob", "admin")
    assert enrolled.find(pair.public).role == "admin"
    assert again.enrolled == first.enrolled


@pytest.mark.parametrize(
    ("key", "name", "role", "match"),
    [
        ("short", "eve", "observer", "no public key"),
        (None, "eve", "root", "no role"),
        (None, "", "observer", "no name"),
        (None, "a\nb", "observer", "no name"),
        (None, "x" * 65, "observer", "no name"),
        (None, "bob", "observer", "another key is enrolled as 'bob'"),
    ],
)
def test_a_wrong_enrolment_changes_nothing(enrolled, pair, key, name, role, match):
    enrolled.enrol(pair.public, "bob")
    before = enrolled.ls()
    with pytest.raises(KeyFileError, match=match):
        enrolled.enrol(key or KeyPair.ephemeral("eve").public, name, role)
    assert enrolled.ls() == before


def test_revoking_nobody_is_an_error(enrolled):
    with pytest.raises(KeyFileError, match="no enrolled key goes by 'eve'"):
        enrolled.revoke("eve")


def test_the_file_is_private_and_holds_no_secret(tmp_path, pair):
    path = tmp_path / "enrolled.json"
    Enrolled(path).enrol(pair.public, "bob", "admin")
    assert mode(path) == 0o600
    assert pair.secret not in path.read_text()
    assert json.loads(path.read_text())[pair.public]["role"] == "admin"


def test_a_running_service_sees_what_the_shell_changed(tmp_path, pair):
    path = tmp_path / "enrolled.json"
    service, shell = Enrolled(path), Enrolled(path)
    shell.enrol(pair.public, "bob")
    assert service.find(pair.public) is not None
    shell.revoke("bob")
    assert service.find(pair.public) is None
    assert service.revocations == 1


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "enrolled.json"
    writers = [Enrolled(path), Enrolled(path)]
    for number in range(10):
        writers[number % 2].enrol(KeyPair.ephemeral("x").public, f"user {number}")
    assert len(Enrolled(path).ls()) == 10


@pytest.mark.parametrize(
    "damage", ["{", "[]", "\xff", '{"short": {}}', '{"%s": {"name": "x", "role": "root", "enrolled": ""}}']
)
def test_a_damaged_list_stops_a_start_but_not_a_running_service(tmp_path, pair, damage):
    path = tmp_path / "enrolled.json"
    running = Enrolled(path)
    running.enrol(pair.public, "bob")
    assert running.find(pair.public)
    path.write_bytes(damage.replace("%s", pair.public).encode("latin-1"))
    with pytest.raises(KeyFileError) as caught:
        Enrolled(path)
    assert str(path) in caught.value.where
    assert running.find(pair.public) is not None
    assert running.problem is not None
    with pytest.raises(KeyFileError):
        running.enrol(KeyPair.ephemeral("eve").public, "eve")  # or the damage would be overwritten unseen


def test_a_list_that_others_can_change_is_refused(tmp_path, pair):
    path = tmp_path / "enrolled.json"
    running = Enrolled(path)
    running.enrol(pair.public, "bob")
    path.chmod(0o666)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Enrolled(path)
    assert running.find(pair.public) is not None
    assert "other users" in running.problem.what
    path.chmod(0o600)
    assert running.find(pair.public) is not None
    assert running.problem is None


def test_keys_that_another_list_revoked_are_refused_though_the_file_cannot_be_written(tmp_path, pair, monkeypatch):
    enrolled, other = Enrolled(tmp_path / "enrolled.json"), KeyPair.ephemeral("other")
    for each in (pair, other):
        enrolled.enrol(each.public, each.name, "operator")
    assert enrolled.take_revoked([pair.public, "unknown"]) == [pair.public]
    assert enrolled.take_revoked([pair.public]) == []
    assert Enrolled(tmp_path / "enrolled.json").revoked() == (pair.public,)

    def full(*given):
        raise KeyFileError("no room")

    monkeypatch.setattr(enrolled_module, "write_whole", full)
    with pytest.raises(KeyFileError, match="no room"):
        enrolled.take_revoked([other.public])
    assert enrolled.find(other.public) is None
    assert Enrolled(tmp_path / "enrolled.json").find(other.public) is not None
