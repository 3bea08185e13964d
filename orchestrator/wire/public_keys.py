"""Public keys as text: what is one, and how people compare two."""

import base64
import hashlib
import struct

from zmq.utils import z85


def is_key(text: str) -> bool:
    """Return whether ``text`` is a CURVE key in Z85: 40 characters for 32 bytes."""
    try:
        return len(text) == 40 and z85.encode(z85.decode(text.encode("ascii"))) == text.encode("ascii")
    except (ValueError, KeyError, struct.error):
        return False


def fingerprint(public_key: str) -> str:
    """Return a short name of a public key that people can compare by eye or telephone: 80 bits of its SHA-256.

    >>> fingerprint("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
    'qqis-pbor-bevh-576c'
    """
    text = base64.b32encode(hashlib.sha256(public_key.encode()).digest()[:10]).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))
