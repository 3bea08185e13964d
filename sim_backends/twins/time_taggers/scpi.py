"""A SCPI command tree as instruments parse it: short and long forms, ``;`` and ``;:``, queries, units.

Promises the syntax; what a leaf means is said by whoever adds it. A reply to a message has one line per query, and
one per command that was refused.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


class Refused(Exception):
    """A command the instrument does not take; the text is its reply."""


class NotYet(Exception):
    """A query whose answer comes only at a later lab time."""

    def __init__(self, until_ps: int) -> None:
        super().__init__(until_ps)
        self.until_ps = until_ps


@dataclass
class Kind:
    """How a parameter is read and written. ``parse`` raises ``Refused``."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


@dataclass
class Leaf:
    """What stands at the end of a path: an answer to its query, an action on its command, or both."""

    query: Callable[[], str] | None = None
    command: Callable[[str], None] | None = None


@dataclass
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict)
    leaf: Leaf | None = None


class Tree:
    """A command tree. Paths are written like ``INPUt1:COUNter:MODE``: capitals are the short form.

    A node with several spellings lists them with bars: ``ERROrs|ERROr``. ``values`` holds the settings by short path.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.root = _Node()

    def add(self, path: str, leaf: Leaf) -> None:
        node = self.root
        for spelling in path.split(":"):
            forms = [form for name in spelling.split("|") for form in (_short(name), name.upper())]
            child = next((node.children[form] for form in forms if form in node.children), _Node())
            for form in forms:
                node.children[form] = child
            node = child
        node.leaf = leaf

    def setting(self, path: str, kind: Kind, default: Any, check: Callable[[Any], None] | None = None) -> None:
        """Add a value that can be set and asked; ``check`` may refuse it with ``Refused``, or act on it."""
        key = ":".join(_short(name) for name in path.split(":"))
        self.values[key] = default

        def command(text: str) -> None:
            value = kind.parse(text)
            if check is not None:
                check(value)
            self.values[key] = value

        self.add(path, Leaf(lambda: kind.show(self.values[key]), command))

    def action(self, path: str, act: Callable[[], None]) -> None:
        """Add a command without a parameter."""

        def command(text: str) -> None:
            if text:
                raise Refused(f"ERROR: unexpected parameter '{text}'")
            act()

        self.add(path, Leaf(None, command))

    def reading(self, path: str, ask: Callable[[], Any]) -> None:
        """Add a query."""
        self.add(path, Leaf(lambda: str(ask())))

    def dialogue(self, message: str) -> "Dialogue":
        """Return the way through a message."""
        return Dialogue(self, message)

    def one(self, text: str, here: _Node) -> tuple[str | None, _Node]:
        """Obey one command; return its answer, if any, and the node the next one starts from."""
        header, _, argument = text.partition(" ")
        node = parent = self.root if header.startswith((":", "*")) else here
        for name in header.lstrip(":").removesuffix("?").upper().split(":"):
            child = node.children.get(name)
            if child is None:
                raise Refused(f"ERROR: unknown command '{text}'")
            node, parent = child, node
        after = here if header.startswith("*") else parent
        leaf = node.leaf or Leaf()
        if header.endswith("?"):
            if leaf.query is None:
                raise Refused(f"ERROR: '{header}' is no query")
            return leaf.query(), after
        if leaf.command is None:
            raise Refused(f"ERROR: '{header}' cannot be set")
        leaf.command(argument.strip())
        return None, after


class Dialogue:
    """One message being worked through, command by command."""

    def __init__(self, tree: Tree, message: str) -> None:
        self._tree, self._here = tree, tree.root
        self._left = deque(text.strip() for text in message.split(";") if text.strip())
        self._lines: list[str] = []

    def step(self) -> bool:
        """Obey the next command; return whether there are more.

        Raises:
            NotYet: nothing was done; call again at that time.
        """
        if self._left:
            try:
                answer, self._here = self._tree.one(self._left[0], self._here)
            except Refused as refusal:
                answer = str(refusal)
            self._left.popleft()
            self._lines += [] if answer is None else [answer]
        return bool(self._left)

    @property
    def reply(self) -> str:
        """The reply so far: empty if nothing was asked and nothing refused."""
        return "\n".join(self._lines)


def _short(name: str) -> str:
    return "".join(character for character in name.partition("|")[0] if not character.islower())


# --- kinds of parameter ---------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:E[-+]?\d{1,3})?)\s*([A-Z]*)")
_PREFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _number(text: str, scales: Mapping[str, Decimal]) -> Decimal:
    """Return the exact value: picoseconds outgrow the 53 bits of a float."""
    match = _NUMBER.fullmatch(text.upper())
    if match is None or match[2] not in scales:
        raise Refused(f"ERROR: illegal value '{text}'")
    return Decimal(match[1]) * scales[match[2]]


def whole(low: int, high: int, unit: str = "", infinite: bool = False) -> Kind:
    """A whole number from ``low`` to ``high``, with or without its unit (``3000 GTB``), shown with it.

    With ``infinite``, ``INF`` is None.
    """
    scales = {
        "": Decimal(1),
        **({prefix + unit: Decimal(scale) for prefix, scale in _PREFIXES.items()} if unit else {}),
    }

    def parse(text: str) -> int | None:
        if infinite and text.upper() in ("INF", "INFINITY"):
            return None
        value = _number(text, scales)
        if value != int(value) or not low <= value <= high:
            raise Refused(f"ERROR: illegal value '{text}'")
        return int(value)

    return Kind(parse, lambda value: "INF" if value is None else f"{value}{unit}")


def volts(low: float, high: float) -> Kind:
    """A voltage, ``0.5V`` or ``500mV``."""

    def parse(text: str) -> float:
        value = float(_number(text, {"": Decimal(1), "V": Decimal(1), "MV": Decimal("0.001")}))
        if not low <= value <= high:
            raise Refused(f"ERROR: illegal value '{text}'")
        return value

    return Kind(parse, lambda value: f"{value:g}V")


def choice(*spellings: str) -> Kind:
    """One of several words; ``RISI,RISING`` is shown as its first spelling."""
    words = {word: spelling.split(",")[0] for spelling in spellings for word in spelling.split(",")}

    def parse(text: str) -> str:
        if text.upper() not in words:
            raise Refused(f"ERROR: illegal value '{text}'")
        return words[text.upper()]

    return Kind(parse)


def on_off() -> Kind:
    """``ON`` or ``OFF`` (``1`` and ``0`` on the way in)."""
    kind = choice("ON,1", "OFF,0")
    return Kind(lambda text: kind.parse(text) == "ON", lambda value: "ON" if value else "OFF")
