"""What a live view shows: one picture of a result and the testbed's state, for a terminal of 80 columns."""

import time
from collections import deque
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..analysis import Estimate

MINUTE = 60
_BARS = "▁▂▃▄▅▆▇█"
_SIDES = ("transmitted", "reflected")


class Screen:
    """Collects results and draws the newest one, with the last minute as sparklines."""

    def __init__(self, link: str, role: str) -> None:
        self._link, self._role = link, role
        self._result: dict[str, Any] | None = None
        self._state: dict[str, Any] = {}
        self._display: dict[str, int] = {}
        self._second = 0
        self._rates: deque[float | None] = deque(maxlen=MINUTE)
        self._correlations: deque[float | None] = deque(maxlen=MINUTE)

    def take(self, result: dict[str, Any] | None, state: dict[str, Any], display: dict[str, int]) -> None:
        """Take in a result, if there is a new one, and how everything else is."""
        self._state, self._display = state, display
        if result is None:
            return
        self._result = result
        if int(time.monotonic()) != self._second:
            self._second = int(time.monotonic())
            rates = [each["value"] for row in result["recent"]["coincidences"] for each in row]
            self._rates.append(None if None in rates else sum(rates))
            self._correlations.append(result["recent"]["E"]["value"])

    def drawn(self) -> RenderableType:
        """Return the picture."""
        parts: list[RenderableType] = [Text(f"link {self._link}: {self._role}", style="bold")]
        if self._result is None:
            parts.append(Text("waiting for the correlator"))
        else:
            parts += self._measured(self._result)
        return Group(*parts, *self._around())

    def _measured(self, result: dict[str, Any]) -> list[RenderableType]:
        recent, ends = result["recent"], result["ends"]
        headline = Text(f"{result['state']}", style="green" if result["state"] == "aligned" else "yellow")
        if result["reason"]:
            headline.append(f": {result['reason']}")
        singles = Table("clicks (1/s)", *_SIDES, title=f"over {recent['seconds']:.1f} s of {result['source']}s")
        for name, row in zip(ends, recent["singles"]):
            singles.add_row(name, *(str(_rate(each)) for each in row))
        both = Table("together (1/s)", *(f"{ends[1]} {side}" for side in _SIDES))
        for side, row, accidental in zip(_SIDES, recent["coincidences"], recent["accidentals"]):
            both.add_row(f"{ends[0]} {side}", *(f"{_rate(x)}" for x in row))
            both.add_row("  accidental", *(f"{_rate(x)}" for x in accidental), style="dim")
        lines = [
            f"E          {Estimate(**recent['E'])}  {_sparkline(self._correlations, -1.0, 1.0)}",
            f"visibility {Estimate(**recent['visibility'])} if the bases match",
            f"coincid./s {_sparkline(self._rates, 0.0, max((x for x in self._rates if x), default=1.0))}",
            "heralding  " + ", ".join(f"{n} {Estimate(**each)}" for n, each in zip(ends, recent["heralding"])),
            _clock(result["clock"], ends),
            _blocks(result),
        ]
        return [headline, singles, both, *map(Text, lines)]

    def _around(self) -> list[RenderableType]:
        parts: list[RenderableType] = []
        nodes = self._state.get("nodes", {})
        parts.append(Text("nodes      " + ", ".join(f"{name} {_node(body)}" for name, body in nodes.items())))
        parts.append(
            Text(
                f"display    {self._display.get('shown', 0)} shown, {self._display.get('skipped', 0)} skipped, "
                f"correlator restarted {self._display.get('correlator_restarts', 0)} times"
            )
        )
        if self._state.get("estop"):
            parts.append(Text("E-STOP is latched", style="bold red"))
        problems = [*self._state.get("problems", [])]
        problems += [f"tags of {name}: {text}" for name, text in (self._result or {}).get("problems", {}).items()]
        parts += [Text(problem.splitlines()[0], style="red") for problem in problems]
        return parts


def _rate(estimate: dict[str, Any]) -> str:
    return str(Estimate(**{**estimate, "unit": ""}))


def _clock(clock: dict[str, Any] | None, ends: list[str]) -> str:
    if clock is None:
        return "clocks     not known: no common peak yet"
    return (
        f"clocks     {ends[1]} {clock['offset_ps'] * 1e-6:+.6f} us, {clock['drift'] * 1e6:+.6f} ppm, "
        f"to {clock['offset_error_ps']:.1f} ps"
    )


def _blocks(result: dict[str, Any]) -> str:
    return "blocks     " + ", ".join(
        f"{name} {body['received']} ({body['lost']} lost, {body['late']} late)"
        for name, body in result["blocks"].items()
    )


def _node(body: dict[str, Any]) -> str:
    if body["state"] != "here":
        return str(body["state"])
    lease = "leased" if body["leased"] else "no lease"
    return f"{lease}, streams" if body["streams"] else lease


def _sparkline(values: "deque[float | None]", low: float, high: float) -> str:
    def bar(value: float | None) -> str:
        if value is None:
            return " "
        share = (value - low) / (high - low) if high > low else 0.0
        return _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]

    return "".join(map(bar, values))
