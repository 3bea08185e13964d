"""``bellringer watch``: values of instruments as they are now, read by their agents for all who watch."""

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.live import Live
from rich.table import Table

from ..orchestrator.client import Network
from ..orchestrator.client.connections import Connections
from ..orchestrator.client.described import Described
from ..orchestrator.client.watching import Update, Watcher
from ..orchestrator.wire.nonces import elapsed_s
from ..testbed.units import parse
from .main import emit_json
from .out import printer
from .values import whole

LOOK_S = 0.25
STALE_PERIODS, STALE_S = 2.5, 1.0
"""A value is shown as stale when it is older than so many periods and so many seconds."""


@dataclass
class Shown:
    """What is known of one value; ``at_s`` is when it came, by our own clock."""

    described: Described
    name: str
    value: Any = None
    at_s: float = -math.inf
    bad: str = "not read yet"

    def take(self, update: Update, now_s: float) -> None:
        """Take in what was read: a value, or why there is none. The last good value stays, and gets old."""
        if self.name in update.values:
            self.value, self.at_s, self.bad = update.values[self.name], now_s, ""
        elif self.name in update.bad:
            self.bad = update.bad[self.name]

    def row(self, now_s: float, period_s: float, problem: str = "") -> tuple[tuple[str, ...], str]:
        """Return cells and style: greyed if the value is old, red if it cannot be had now."""
        age_s = now_s - self.at_s
        age = "" if age_s == math.inf else f"{age_s:.1f} s"
        stale = age_s > max(STALE_PERIODS * period_s, STALE_S)
        bad = problem or self.bad
        quality = f"bad: {bad}" if bad else "stale" if stale else "good"
        value = self.described.shown(self.name, self.value)
        return (f"{self.described.name}.{self.name}", value, age, quality), "dim" if bad or stale else ""


@dataclass
class Board:
    """All values that are watched."""

    period_s: float
    shown: list[Shown] = field(default_factory=list)

    def take(self, update: Update, now_s: float) -> None:
        for each in self.shown:
            if each.described.name == update.instrument:
                each.take(update, now_s)

    def table(self, now_s: float, problems: dict[str, str]) -> Table:
        table = Table()
        table.add_column("value")
        table.add_column("now", justify="right")
        table.add_column("age", justify="right")
        table.add_column("quality", overflow="fold")
        for each in self.shown:
            cells, style = each.row(now_s, self.period_s, problems.get(each.described.name, ""))
            table.add_row(*cells, style=style or None)
        return table


def watch_command(network: Network, what: Sequence[str], every: str, seconds: float | None, as_json: bool) -> None:
    """Show values until Ctrl-C, or for ``seconds``; ``every`` is a time with a unit."""
    period_s = parse(every, "s", name="--every", example="0.5 s")
    with contextlib.closing(Connections(network)) as connections:
        board = Board(period_s, [each for one in what for each in _wanted(connections, one)])
        wanted: dict[str, tuple[str, ...]] = {}
        for each in board.shown:
            wanted[each.described.name] = (*wanted.get(each.described.name, ()), each.name)
        units = {each.described.name: each.described for each in board.shown}
        with Watcher(connections, wanted, period_s) as watcher, contextlib.suppress(KeyboardInterrupt):
            if as_json:
                for update in _updates(watcher, seconds):
                    _emit(update, units[update.instrument])
            else:
                _live(board, watcher, seconds)


def _live(board: Board, watcher: Watcher, seconds: float | None) -> None:
    out = printer()
    with Live(board.table(elapsed_s(), {}), console=out, auto_refresh=False) as live:
        for update in _updates(watcher, seconds, idle=True):
            if update is not None:
                board.take(update, elapsed_s())
            live.update(board.table(elapsed_s(), watcher.problems), refresh=out.is_terminal)
    if not out.is_terminal:
        out.print()


def _updates(watcher: Watcher, seconds: float | None, idle: bool = False) -> Iterator[Any]:
    """Give what comes; if ``idle``, also None now and then when nothing does."""
    end = math.inf if seconds is None else elapsed_s() + seconds
    while (left := end - elapsed_s()) > 0:
        found = watcher.receive(min(LOOK_S, left))
        yield from found
        if idle and not found:
            yield None


def _wanted(connections: Connections, what: str) -> list[Shown]:
    instrument, name = whole(connections, what)
    described = connections.described(instrument)
    if name:
        described.check_value(name)
    return [Shown(described, each) for each in ([name] if name else described.values)]


def _emit(update: Update, described: Described) -> None:
    units = {name: described.unit(name) for name in update.values}
    body = {"utc": update.utc, "instrument": update.instrument, "values": dict(update.values), "units": units}
    emit_json({**body, "bad": dict(update.bad)})
    sys.stdout.flush()
