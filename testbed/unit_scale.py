"""How the units of testbed files relate to one another, without the table of all units there are.

Every process of a testbed reads quantities, and nearly all are like "12.5 mW" or "17 ps/(nm km)". Those take
microseconds here, where loading pint's table takes a fifth of a second of every process's start. What is not known
here (inches, calories, names spelled out, mistakes) is left to pint; the tests compare the two.
"""

import functools
import math
import re
from collections import Counter
from fractions import Fraction

_PREFIXES = {"": 0, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}
_PREFIXED = {"W": ("W", 1), "A": ("A", 1), "V": ("V", 1), "K": ("K", 1), "m": ("m", 1), "s": ("s", 1), "Hz": ("s", -1)}
_ALONE = {
    "cm": (Fraction(1, 100), "m", 1),
    "min": (Fraction(60), "s", 1),
    "h": (Fraction(3600), "s", 1),
    "cps": (Fraction(1), "s", -1),
    "deg": (Fraction(1), "deg", 1),
    "°": (Fraction(1), "deg", 1),
    "dB": (Fraction(1), "dB", 1),
    "pair": (Fraction(1), "pair", 1),
    "pairs": (Fraction(1), "pair", 1),
    "counts": (Fraction(1), "", 0),
    "photons": (Fraction(1), "", 0),
    "tags": (Fraction(1), "", 0),
    "1": (Fraction(1), "", 0),
    "%": (Fraction(1, 100), "", 0),
    "ppm": (Fraction(1, 10**6), "", 0),
}
SYMBOLS = _ALONE | {
    prefix + symbol: (Fraction(10) ** ten, base, power)
    for prefix, ten in _PREFIXES.items()
    for symbol, (base, power) in _PREFIXED.items()
}
"""What is known: how many of its base symbol a symbol is, that, and its power."""

_FACTOR = re.compile(r"([^\W\d]+|[%°1])(?:(?:\^|\*\*)(\d))?")
_PIECE = re.compile(r"\(([^()/]*)\)|([^()/ ]*)")


def ratio(given: str, unit: str) -> Fraction | None:
    """Return the factor that turns a number in ``given`` into one in ``unit``; None if that is not known here."""
    ours, theirs = _read(given), _read(unit)
    if ours is None or theirs is None or ours[1] != theirs[1]:
        return None
    return ours[0] / theirs[0]


def scaled(number: float, factor: Fraction) -> float:
    """Return a finite ``number`` times ``factor``, rounded once; infinite if that is no float."""
    try:
        return float(Fraction(number) * factor)
    except OverflowError:
        return math.copysign(math.inf, number)


@functools.cache
def _read(text: str) -> tuple[Fraction, frozenset[tuple[str, int]]] | None:
    """Return how many of its base symbols a unit is, and their powers; None if it is not known here."""
    if text in ("degC", "°C"):  # not in products: whether a degree is a difference then, is not for us to say
        return Fraction(1), frozenset({("degC", 1)})
    factor, powers = Fraction(1), Counter[str]()
    for place, piece in enumerate(text.replace("µ", "u").replace("μ", "u").split("/")):
        match = _PIECE.fullmatch(piece)
        words = (match[1] or match[2]).split() if match else [""]
        if not words and place:
            return None
        for word in words:
            found = _FACTOR.fullmatch(word)
            if found is None or found[1] not in SYMBOLS:
                return None
            times = int(found[2] or 1) * (-1 if place else 1)
            many, base, power = SYMBOLS[found[1]]
            factor *= many**times
            powers[base] += power * times
    return factor, frozenset((base, power) for base, power in powers.items() if base and power)
