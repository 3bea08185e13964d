"""Declared settings and readings: command, unit, limits and doc in one statement.

    class MyLaser(Instrument):
        power = Setting("p?", "p {:.6f}", unit="W", limits=(0.0, 0.1), doc="Output power setpoint.")
        power_now = Reading("pa?", unit="W", doc="Measured output power.")

Reading the attribute asks the instrument, assigning checks type and limits first and then writes. From the
declaration come snapshots, the testbed file's ``settings:`` and ``limits:``, remote access and the docs page.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...testbed.errors import LimitError
from ...testbed.units import ANY, from_text, text

if TYPE_CHECKING:
    from .instrument import Instrument


MARGIN = 0.1
"""How far beyond its limit a measured output may read: power meters inside lasers are good to several per cent."""

RAISE = 10.0
"""By which factor an emitter may be raised without a confirmation."""


def is_exactly(value: object, wanted: object) -> bool:
    """Return whether a value is the wanted one and of its type: 0 is not False, and an object is nothing."""
    return type(value) is type(wanted) and value == wanted


class Reading:
    """A value the instrument reports.

    ``get`` is a query string, sent through ``Instrument._ask``, or a function of the instrument.
    ``parse`` turns the reply text of a query string into the value.

    Two kinds of reading guard the light of an instrument (``Instrument.check_guards``): the instrument's own interlock
    names the one value that says that it is closed (``closed``), a measured output the setting whose limits it must
    keep to (``within``).
    """

    writable = False

    def __init__(
        self,
        get: "str | Callable[[Any], Any]",
        *,
        unit: str = "",
        kind: type = float,
        parse: "Callable[[str], Any] | None" = None,
        closed: object = None,
        within: str = "",
        doc: str,
    ) -> None:
        self.get, self.unit, self.kind, self.doc = get, unit, kind, doc
        self.closed, self.within = closed, within
        self.parse: Callable[[str], Any] = parse or kind
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instrument: "Instrument | None", owner: type) -> Any:
        if instrument is None:
            return self
        if callable(self.get):
            return self.get(instrument)
        reply = instrument._ask(self.get)
        try:
            return self.parse(reply)
        except (ValueError, KeyError, IndexError) as error:
            raise instrument.protocol_error(
                self.get, reply, f"expected {self.kind.__name__} for {self.name}"
            ) from error

    def check_guard(self, instrument: "Instrument") -> None:
        """Ask for the value if it guards the light, and return if it is as it must be.

        Raises:
            InstrumentError: an interlock that is not closed, or cannot be read.
            LimitError: a measured output beyond its setting's upper limit by more than ``MARGIN``, or no number.
        """
        if self.closed is not None:
            value = getattr(instrument, self.name)
            if not is_exactly(value, self.closed):
                raise instrument.error(
                    f"its interlock is open: {self.name} is {value!r}, not {self.closed!r}",
                    "close it (door contact, remote connector)",
                )
        if self.within:
            value = getattr(instrument, self.name)
            _, high, source = instrument.limits_of(instrument.settings()[self.within])
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not value <= high * (1 + MARGIN):  # NaN is not below anything
                shown = text(value, self.unit) if number else repr(value)
                raise LimitError(
                    f"{self.name} = {shown} is beyond {text(high, self.unit)} ({source} on {self.within})",
                    where=f"{instrument.label}.{self.name}",
                    hint="look at the instrument: somebody else sets it, or its calibration or unit is another one",
                )

    def __set__(self, instrument: "Instrument", value: Any) -> None:
        raise AttributeError(f"{instrument.label}: {self.name} is a reading and cannot be set")


class Setting(Reading):
    """A value that can be set, and usually read back.

    ``put`` is a command with one ``{}`` field, sent through ``Instrument._tell``, or a function (instrument, value).
    ``limits`` (low, high, inclusive, in ``unit``) are the hardware's; a testbed file can only narrow them.
    ``emits`` marks a setting that can raise emitted light. A wrong type, NaN or a value out of limits raises
    ``LimitError`` before any I/O.
    """

    writable = True

    def __init__(
        self,
        get: "str | Callable[[Any], Any]",
        put: "str | Callable[[Any, Any], object]",
        *,
        unit: str = "",
        kind: type = float,
        parse: "Callable[[str], Any] | None" = None,
        limits: tuple[float, float] | None = None,
        choices: tuple[str, ...] = (),
        emits: bool = False,
        doc: str,
    ) -> None:
        super().__init__(get, unit=unit, kind=kind, parse=parse, doc=doc)
        self.put, self.limits, self.choices, self.emits = put, limits, choices, emits

    def __set__(self, instrument: "Instrument", value: Any) -> None:
        checked = self.check(instrument, value)
        if callable(self.put):
            self.put(instrument, checked)
        else:
            instrument._tell(self.put.format(checked))

    def check(self, instrument: "Instrument", value: object) -> Any:
        """Return ``value`` as this setting's type if the instrument may be set to it; no I/O.

        Raises:
            LimitError: wrong type, not finite, or outside the narrower of hardware and testbed limits.
        """
        where = f"{instrument.label}.{self.name}"
        if self.kind is bool:
            if not isinstance(value, bool):
                raise LimitError(
                    f"{self.name} must be true or false, not {value!r}", where=where, hint="nothing was sent"
                )
            return value
        if self.kind is str:
            if self.choices and value not in self.choices:
                raise LimitError(f"{value!r} is no {self.name}", where=where, hint="valid: " + ", ".join(self.choices))
            return str(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise LimitError(
                f"{self.name} must be a finite number in {self.unit or 'plain units'}, not {value!r}",
                where=where,
                hint="nothing was sent; give a plain number, already in this unit",
            )
        if self.kind is int and int(value) != value:
            raise LimitError(
                f"{self.name} must be a whole number, not {value!r}", where=where, hint="nothing was sent; round it"
            )
        low, high, source = instrument.limits_of(self)
        if not low <= value <= high:
            raise LimitError(
                f"{self.name} = {text(value, self.unit)} is outside {low:.12g} to {text(high, self.unit)} ({source})",
                where=where,
                hint="nothing was sent; choose a value inside the limits or change them in the testbed file",
            )
        return self.kind(value) + self.kind(0)  # minus zero becomes zero: no sign that an instrument stumbles over

    def check_raise(self, instrument: "Instrument", value: object, usual: float = 0.0) -> None:
        """Return unless ``value`` is more than ``RAISE`` times what is set now, and ``usual``; asks the instrument.

        A slip of the unit, mW for W, is a factor of 1000. Where both are zero there is nothing to compare with.

        Raises:
            LimitError: it is, or what ``check`` raises; nothing was sent that changes anything.
        """
        wanted = self.check(instrument, value)
        if self.kind not in (int, float):
            return
        now = float(getattr(instrument, self.name))
        if 0.0 < RAISE * max(now, usual) < wanted:
            raise LimitError(
                f"{self.name} = {text(wanted, self.unit)} is {wanted / max(now, usual):.3g} times the usual: now it is "
                f"{text(now, self.unit)}" + (f", in the testbed file {text(usual, self.unit)}" if usual else ""),
                where=f"{instrument.label}.{self.name}",
                hint="nothing was sent; if you mean it: bellringer set --confirm, in a script set(..., confirm=True)",
            )

    def from_text(self, value: object, name: str, instrument: "Instrument | None" = None) -> Any:
        """Return the value written in a testbed file or on the command line ("12.5 mW") in this setting's unit.

        It may lie outside the limits; those of ``instrument``, if given, are for the hint of a refusal.
        """
        within = instrument.limits_of(self)[:2] if instrument else self.limits or ANY
        return from_text(value, self.kind, self.unit, self.choices, name=name, within=within)
