"""An instrument as its agent describes it: what it has, and how a value that a person wrote becomes a plain one.

No driver is needed here; the units are the driver's, and so are the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...testbed.errors import BellringerError, nearest

KINDS = {"float": float, "int": int, "bool": bool, "str": str}


class NoSuchName(BellringerError, AttributeError):
    """A node, instrument, setting or method that does not exist."""


class WrongCall(BellringerError, TypeError):
    """A method was given other arguments than it takes; nothing was sent."""


@dataclass(frozen=True)
class Described:
    """One instrument.

    Attributes:
        name: full name.
        body: as the agent sent it (agent/describe.py).
        settings, readings, methods: by name.
    """

    name: str
    body: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    readings: Mapping[str, Mapping[str, Any]]
    methods: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Described":
        """Return an instrument from what its agent answered to ``describe``."""
        tables = ({each["name"]: each for each in body[kind]} for kind in ("settings", "readings", "methods"))
        return cls(body["instrument"], body, *tables)

    @property
    def values(self) -> dict[str, Mapping[str, Any]]:
        """Return settings and readings together."""
        return {**self.settings, **self.readings}

    def unit(self, name: str) -> str:
        """Return the unit of a value, "" if it has none."""
        return str(self.values.get(name, {}).get("unit", ""))

    def check_value(self, name: str) -> None:
        """Raise ``NoSuchName`` if there is neither a setting nor a reading of this name."""
        if name not in self.values:
            raise NoSuchName(f"{self.name} has no setting or reading '{name}'", hint=nearest(name, self.values))

    def plain(self, name: str, value: Any, *, needs_unit: bool = False) -> Any:
        """Return ``value`` for a setting, as its agent takes it: text with a unit becomes a number in the setting's.

        Args:
            needs_unit: refuse a number, even one in text, that has no unit though the setting has.

        Raises:
            NoSuchName: no such setting, or a reading.
            QuantityError: a wrong unit, or none of the choices.
        """
        if name not in self.settings:
            what = f"{self.name} has no setting '{name}'"
            if name in self.readings:
                what = f"'{name}' of {self.name} is a reading and cannot be set"
            raise NoSuchName(what, hint=nearest(name, self.settings))
        setting = self.settings[name]
        kind = KINDS.get(setting["kind"])
        if kind is None or not (isinstance(value, str) or needs_unit):
            return value
        from ...testbed.units import ANY, from_text  # the table of units takes a tenth of a second to load

        low, high = setting["limits"] or ANY
        choices, name = tuple(setting["choices"]), f"{self.name}.{name}"
        return from_text(value, kind, setting["unit"], choices, name=name, within=(low, high))

    def shown(self, name: str, value: Any, digits: int = 6) -> str:
        """Return a value as people read it, with its unit and so many significant digits; "?" if there is none."""
        if value is None:
            return "?"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return f"{value} {self.unit(name)}".strip()
        if isinstance(value, float):
            return f"{value:.{digits}g} {self.unit(name)}".strip()
        return str(value)
