"""Key pairs: who a service is and who a person is. A pair is made once; its secret never leaves its file.

    ~/.config/bellringer/keys/
        alice.key       the secret half, readable by its owner only
        alice.pub       the public half, to be given away
        enrolled.json   at a service: whose public keys it accepts (enrolled.py)

Keys are CURVE keys in Z85 text, 40 characters. Dry runs use pairs that live in memory.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from .enrolled import Enrolled
from .errors import KeyFileError
from .files import read_guarded, write_whole
from .public_keys import is_key


def default_folder() -> Path:
    """Return where this user's keys are."""
    return Path.home() / ".config" / "bellringer" / "keys"


@dataclass(frozen=True)
class KeyPair:
    """One's own keys. The secret is in no ``repr``, and so in no log."""

    name: str
    public: str
    secret: str = field(repr=False)

    @property
    def parts(self) -> tuple[str, str, str]:
        """Return name, public and secret half, as services take them on their standard input."""
        return self.name, self.public, self.secret

    @classmethod
    def ephemeral(cls, name: str) -> "KeyPair":
        """Make a pair that lives in memory only."""
        public, secret = zmq.curve_keypair()
        return cls(name, public.decode(), secret.decode())


class KeyFolder:
    """A folder of key files; the user's own by default."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_folder()

    def init(self, name: str) -> KeyPair:
        """Make a key pair and write it.

        Raises:
            KeyFileError: there is one of this name already, or it cannot be written.
        """
        secret_file, public_file = self._files(name)
        if secret_file.exists():
            raise KeyFileError(
                f"there is a key '{name}' already", where=str(secret_file), hint="use it, or choose another name"
            )
        pair = KeyPair.ephemeral(name)
        write_whole(secret_file, pair.secret + "\n", 0o600)
        write_whole(public_file, pair.public + "\n", 0o644)
        return pair

    def load(self, name: str) -> KeyPair:
        """Return one's own pair.

        Raises:
            KeyFileError: it is missing, damaged, or readable by others.
        """
        secret_file, _ = self._files(name)
        if not secret_file.exists():
            raise KeyFileError(
                f"there is no key '{name}'", where=str(secret_file), hint=f"make one: bellringer keys init {name}"
            )
        secret = read_guarded(secret_file, 0o077, "600").strip()
        if not is_key(secret):
            raise KeyFileError("this is no CURVE key", where=str(secret_file), hint="restore the file from a backup")
        return KeyPair(name, zmq.curve_public(secret.encode()).decode(), secret)

    def names(self) -> list[str]:
        """Return the names of the pairs in here."""
        return sorted(path.stem for path in self.path.glob("*.key"))

    def own(self, name: str = "") -> KeyPair:
        """Return the pair called ``name``, else the only one there is.

        Raises:
            KeyFileError: there is none, or more than one and no name.
        """
        names = [name] if name else self.names()
        if len(names) != 1:
            raise KeyFileError(
                "you have several keys: " + ", ".join(names) if names else "you have no key",
                where=str(self.path),
                hint="say which with --key NAME or BELLRINGER_KEY" if names else "make one: bellringer keys init NAME",
            )
        return self.load(names[0])

    def public(self, name: str) -> str:
        """Return a public key from its ``.pub`` file.

        Raises:
            KeyFileError: it is missing, damaged, or others may change it.
        """
        _, public_file = self._files(name)
        text = read_guarded(public_file, 0o022, "644").strip()
        if not is_key(text):
            raise KeyFileError("this is no CURVE key", where=str(public_file), hint="copy the file again")
        return text

    def enrolled(self) -> Enrolled:
        """Return the keys that services on this machine accept."""
        return Enrolled(self.path / "enrolled.json")

    def _files(self, name: str) -> tuple[Path, Path]:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise KeyFileError(f"{name!r:.80} is no name for a key", hint="use letters, digits, '.', '_' and '-'")
        return self.path / f"{name}.key", self.path / f"{name}.pub"
