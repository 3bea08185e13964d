"""The units of testbed files as powers of ten of one another, without the table of all units there are.

Every process of a testbed reads quantities, and nearly all are like "12.5 mW" or "17 ps/(nm km)". Those take
microseconds here, where loading pint's table takes a fifth of a second of every process's start. What is not known
here (inches, calories, names spelled out, mistakes) is left to pint; the tests compare the two.
"""

import functools
import re
from collections import Counter

_PREFIXES = {"": 0, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}
_PREFIXED = {"W": ("W", 1), "A": ("A", 1), "V": ("V", 1), "K": ("K", 1), "m": ("m", 1), "s": ("s", 1), "Hz": ("s", -1)}
_ALONE = {
    "cm": (-2, "m", 1),
    "cps": (0, "s", -1),
    "deg": (0, "deg", 1),
    "°": (0, "deg", 1),
    "dB": (0, "dB", 1),
    "pair": (0, "pair", 1),
    "pairs": (0, "pair", 1),
    "counts": (0, "", 0),
    "photons": (0, "", 0),
    "tags": (0, "", 0),
    "1": (0, "", 0),
    "%": (-2, "", 0),
    "ppm": (-6, "", 0),
}
SYMBOLS = _ALONE | {
    prefix + symbol: (ten, base, power)
    for prefix, ten in _PREFIXES.items()
    for symbol, (base, power) in _PREFIXED.items()
}
"""What is known: a symbol's power of ten, its base symbol, and the power of that."""

_FACTOR = re.compile(r"([^\W\d]+|[%°1])(?:(?:\^|\*\*)(\d))?")
_PIECE = re.compile(r"\(([^()/]*)\)|([^()/ ]*)")


def decades(given: str, unit: str) -> int | None:
    """Return the power of ten that turns a number in ``given`` into one in ``unit``; None if that is not known here."""
    ours, theirs = _read(given), _read(unit)
    if ours is None or theirs is None or ours[1] != theirs[1]:
        return None
    return ours[0] - theirs[0]


def scaled(number: float, power_of_ten: int) -> float:
    """Return ``number`` times that power of ten, rounded once: negative powers of ten are no floats."""
    scale = float(f"1e{abs(power_of_ten)}")  # beyond 308 infinite, and no exception
    return number / scale if power_of_ten < 0 else number * scale


@functools.cache
def _read(text: str) -> tuple[int, frozenset[tuple[str, int]]] | None:
    """Return a unit's power of ten and the powers of its base symbols; None if it is not known here."""
    if text in ("degC", "°C"):  # not in products: whether a degree is a difference then, is not for us to say
        return 0, frozenset({("degC", 1)})
    ten, powers = 0, Counter[str]()
    for place, piece in enumerate(text.replace("µ", "u").replace("μ", "u").split("/")):
        match = _PIECE.fullmatch(piece)
        words = (match[1] or match[2]).split() if match else [""]
        if not words and place:
            return None
        for word in words:
            factor = _FACTOR.fullmatch(word)
            if factor is None or factor[1] not in SYMBOLS:
                return None
            times = int(factor[2] or 1) * (-1 if place else 1)
            exponent, base, power = SYMBOLS[factor[1]]
            ten += exponent * times
            powers[base] += power * times
    return ten, frozenset((base, power) for base, power in powers.items() if base and power)
