"""The public keys a service accepts: who each belongs to, its role, since when, and until when.

Kept in ``enrolled.json`` (or in memory, for dry runs). A running service notices when the file changed, so that a key
revoked from the shell is refused at its next message. A damaged file changes nothing: the last good list stays, and
``problem`` says what is wrong. Any thread may ask; changes take turns, also between processes.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from .errors import KeyFileError, NoSuchKey
from .files import locked, read_guarded, write_whole
from .public_keys import fingerprint, is_key
from .roles import ROLES

LIST = "enrolled.json"


class Enrolment(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line of the list; times are UTC, ISO 8601, and ``revoked`` is "" as long as the key is good."""

    name: str
    role: str
    enrolled: str
    revoked: str = ""


_decoder = msgspec.json.Decoder(dict[str, Enrolment])


class Enrolled:
    """The list of accepted keys.

    Args:
        path: the file; None keeps the list in memory.

    Raises:
        KeyFileError: the file is there and cannot be used.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.problem: KeyFileError | None = None
        """Why the newest file was not taken, or None."""
        self.revocations = 0
        """How often a key that was good stopped being good, since this object was made."""
        self._list: dict[str, Enrolment] = {}
        self._refused: set[str] = set()
        self._seen: tuple[int, ...] = ()
        self._lock = threading.RLock()
        self.refresh()
        if self.problem is not None:
            raise self.problem

    @classmethod
    def of_service(cls, folder: Path, given: Iterable[tuple[str, str, str]] = ()) -> "Enrolled":
        """Return the list of a service: (public key, name, role) of those ``given``, in memory, or its folder's file.

        Raises:
            KeyFileError: as the file is, or what was given.
        """
        return cls.in_memory(given) if given else cls(folder / LIST)

    @classmethod
    def in_memory(cls, given: Iterable[tuple[str, str, str]]) -> "Enrolled":
        """Return a list of (public key, name, role) that lives in memory only.

        Raises:
            KeyFileError: as what was given is.
        """
        enrolled = cls()
        for public_key, name, role in given:
            enrolled.enrol(public_key, name, role)
        return enrolled

    def find(self, public_key: str) -> Enrolment | None:
        """Return the enrolment of a key that is good now."""
        if self.path is not None:
            self.refresh()
        entry = self._list.get(public_key)
        return entry if entry is not None and not entry.revoked and public_key not in self._refused else None

    def ls(self) -> dict[str, Enrolment]:
        """Return the whole list, revoked keys too, by public key."""
        self.refresh()
        return dict(self._list)

    def enrol(self, public_key: str, name: str, role: str = "observer") -> Enrolment:
        """Accept a key from now on; one that is enrolled gets the new name and role.

        Raises:
            KeyFileError: no key, no role, the key was revoked, or another good key has this name.
        """
        if not is_key(public_key):
            raise KeyFileError(
                f"{public_key!r:.60} is no public key", hint="give the text of a .pub file, 40 characters"
            )
        if role not in ROLES:
            raise KeyFileError(f"there is no role {role!r:.60}", hint="roles: " + ", ".join(ROLES))
        if not name or len(name) > 64 or not name.isprintable():
            raise KeyFileError(f"{name!r:.80} is no name for a key's owner", hint="use 1 to 64 printable characters")
        with self._changing() as entries:
            old = entries.get(public_key)
            if old is not None and old.revoked:
                raise KeyFileError(
                    f"this key of {old.name} was revoked at {old.revoked}; revoked is for good",
                    hint="have a new key made: bellringer keys init",
                )
            if any(e.name == name and not e.revoked for key, e in entries.items() if key != public_key):
                raise KeyFileError(f"another key is enrolled as '{name}'", hint="revoke it first, or use another name")
            entries[public_key] = Enrolment(name, role, old.enrolled if old else _now())
        return entries[public_key]

    def revoke(self, which: str) -> str:
        """Refuse a key from now on, named by itself, its fingerprint or its owner's name; return the public key.

        Raises:
            KeyFileError: no good key goes by this (``NoSuchKey``), or the list cannot be written.
        """
        with self._changing() as entries:
            good = {key: entry for key, entry in entries.items() if not entry.revoked}
            found = [key for key, entry in good.items() if which in (key, fingerprint(key), entry.name)]
            if not found:
                raise NoSuchKey(f"no enrolled key goes by {which!r:.80}", hint="see them: bellringer keys ls")
            entries[found[0]] = msgspec.structs.replace(entries[found[0]], revoked=_now())
        return found[0]

    def revoked(self) -> tuple[str, ...]:
        """Return the public keys that were revoked, in order."""
        self.refresh()
        return tuple(sorted(key for key, entry in self._list.items() if entry.revoked))

    def take_revoked(self, public_keys: Iterable[str]) -> list[str]:
        """Refuse what another list says was revoked, from now on; return those of them that were good here.

        Raises:
            KeyFileError: the list could not be written; as long as this object lasts they are refused all the same.
        """
        good = [key for key in public_keys if self.find(key) is not None]
        self._refused.update(good)
        self.revocations += len(good)
        if good:
            with self._changing() as entries:
                for key in entries.keys() & set(good):
                    entries[key] = msgspec.structs.replace(entries[key], revoked=_now())
        return good

    def refresh(self) -> None:
        """Read the file again if it changed."""
        if self.path is None:
            return
        try:
            status = self.path.stat()
        except OSError:  # not written yet, or moved away: the list stays as it was
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
        if seen == self._seen:
            return
        with self._lock:
            self._seen = seen
            try:
                self._take(self._read(self.path))
                self.problem = None
            except KeyFileError as error:
                self.problem = error

    def _read(self, path: Path) -> dict[str, Enrolment]:
        text = read_guarded(path, 0o022, "600")
        try:
            entries = _decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise KeyFileError(
                f"the list of enrolled keys is damaged: {error}", where=str(path), hint="restore it from a backup"
            ) from error
        for key, entry in entries.items():
            if not is_key(key) or entry.role not in ROLES:
                raise KeyFileError(
                    f"the list of enrolled keys holds no valid key or role for '{entry.name}'",
                    where=str(path),
                    hint="enrol again; roles: " + ", ".join(ROLES),
                )
        return entries

    def _take(self, entries: dict[str, Enrolment]) -> None:
        before = {key for key, entry in self._list.items() if not entry.revoked}
        now = {key for key, entry in entries.items() if not entry.revoked}
        self.revocations += len(before - now)
        self._list = entries

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Enrolment]]:
        """Give a copy of the newest list, and take it over and write it if nothing was raised."""
        file_lock = locked(self.path.with_name("enrolled.lock")) if self.path else contextlib.nullcontext()
        with self._lock, file_lock:
            self.refresh()
            if self.problem is not None:
                raise self.problem
            entries = dict(self._list)
            yield entries
            if self.path is not None:
                write_whole(self.path, msgspec.json.format(msgspec.json.encode(entries)).decode() + "\n", 0o600)
            self._take(entries)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
