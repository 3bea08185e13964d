"""Which run owns which instruments, and what people asked of it.

An instrument has one owner or none. A run asks for all its instruments at once, gets all or none, and keeps them as
long as it asks again in time; what it does not ask for any more is free. No I/O; all times are seconds on the
coordinator's monotonic clock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ...testbed.errors import BellringerError, nearest
from ..wire.messages import Own, RunCommand
from ..wire.shown import moment
from .terms import Caller, Change

LONGEST_S = 300.0
"""The longest time a run may ask for at once: how long the instruments of one that died can stay blocked."""
GRACE_S = 10.0
"""How long a run of before a restart has for asking again."""
ENDED_KEPT = 50
"""How many runs that ended stay in the table, for people."""
COMMANDS = {"pause": "pausing", "resume": "running", "abort": "aborting"}
"""What people can ask of a run, and the state of the run from then on."""


@dataclass
class Run:
    """One run; its name is its own for good, a new run has a new one.

    Attributes:
        state: ``running``, ``pausing``, ``aborting``; ``released`` or ``expired`` at its end.
        command: what it was last asked to do, "" for nothing; given to it every time it asks for its instruments.
        instruments: what it owns, sorted.
        since_utc: since when, for people.
        until_s: until when it owns them, unless it asks again.
        epoch_tai_s: the TAI second from which it counts hardware time, 0 if it did not say.
    """

    name: str
    key: str
    who: str
    instruments: tuple[str, ...]
    since_utc: str
    seen_s: float
    until_s: float
    state: str = "running"
    command: str = ""
    epoch_tai_s: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ("released", "expired")

    def described(self, now_s: float) -> dict[str, Any]:
        """Return what people and clients are told."""
        return {
            "run": self.name,
            "key": self.key,
            "who": self.who,
            "state": self.state,
            "command": self.command,
            "instruments": list(self.instruments),
            "since_utc": self.since_utc,
            "silent_s": round(now_s - self.seen_s, 3),
            "seconds_left": 0.0 if self.ended else round(max(self.until_s - now_s, 0.0), 3),
        }


@dataclass
class Runs:
    """All runs by name, and through them all ownership.

    Args:
        report: called with every change.
        utc: the time of day, for people.
    """

    report: Callable[[Change], None]
    utc: Callable[[], str]
    table: dict[str, Run] = field(default_factory=dict)

    def owner(self, instrument: str) -> Run | None:
        """Return the run that owns an instrument now (``tick`` first)."""
        return next((run for run in self.table.values() if not run.ended and instrument in run.instruments), None)

    def own(self, caller: Caller, message: Own, now_s: float) -> Run:
        """Give a run all it asks for, or nothing; that instruments exist is the caller's to check.

        Raises:
            BellringerError: another run owns one of them, the run's name is another key's, or it makes no sense.
        """
        wanted = tuple(sorted(set(message.instruments)))
        if not message.run or not wanted or not 0.0 < message.seconds <= LONGEST_S:
            raise BellringerError(
                f"run '{message.run}' cannot own {len(wanted)} instruments for {message.seconds:g} s",
                hint=f"give a name, at least one instrument, and more than 0 s up to {LONGEST_S:g} s",
            )
        old = self.table.get(message.run)
        if old is not None and not old.ended and old.key != caller.key:
            raise BellringerError(
                f"there is another run '{message.run}', of '{old.who}'", hint="give this run another name"
            )
        self._free_for(message.run, wanted, now_s)
        if old is None or old.ended:
            run = Run(message.run, caller.key, caller.name, wanted, self.utc(), now_s, now_s + message.seconds)
            run.epoch_tai_s = message.epoch_tai_s
            if old is not None and (old.state, old.key) == ("expired", caller.key) and old.command:
                run.command, run.state = old.command, COMMANDS[old.command]  # it was silent when it was asked
            self.table.pop(message.run, None)  # so that it comes last
            self.table[message.run] = run
            self.report(Change("owned", _body(run, now_s)))
            return run
        old.seen_s, old.until_s = now_s, now_s + message.seconds
        if wanted != old.instruments:
            old.instruments = wanted
            self.report(Change("owned", _body(old, now_s)))
        return old

    def release(self, caller: Caller, name: str) -> Run:
        """End a run: all its instruments are free.

        Raises:
            BellringerError: there is no such run, it ended, or it is another key's.
        """
        run = self._running(name)
        if run.key != caller.key:
            raise BellringerError(
                f"run '{name}' belongs to '{run.who}'",
                hint="only who started a run gives its instruments back; abort it",
            )
        self._end(run, "released")
        return run

    def command(self, caller: Caller, message: RunCommand) -> Run:
        """Note what a person wants a run to do; the run hears it when it next asks for its instruments.

        Raises:
            BellringerError: there is no such run or command, it ended, or it is aborting already.
        """
        if message.command not in COMMANDS:
            raise BellringerError(
                f"a run cannot be asked to '{message.command}'", hint=nearest(message.command, COMMANDS)
            )
        run = self._running(message.run)
        if run.command == "abort" and message.command != "abort":
            raise BellringerError(f"run '{run.name}' is being aborted", hint="start a new run")
        if run.command != message.command:
            run.command, run.state = message.command, COMMANDS[message.command]
            body = {"run": run.name, "command": run.command, "who": caller.name, "key": caller.key}
            self.report(Change("run_command", body))
        return run

    def tick(self, now_s: float) -> None:
        """End the runs that did not ask again in time."""
        for run in [run for run in self.table.values() if not run.ended and now_s >= run.until_s]:
            self._end(run, "expired")

    def owners(self, instruments: Iterable[str], now_s: float) -> dict[str, dict[str, Any]]:
        """Return who owns which of these: run, key, and for how many seconds more."""
        found = ((name, self.owner(name)) for name in instruments)
        return {
            name: {
                "run": run.name,
                "key": run.key,
                "who": run.who,
                "seconds_left": run.until_s - now_s,
                "epoch_tai_s": run.epoch_tai_s,
            }
            for name, run in found
            if run is not None
        }

    def restore(self, name: str, body: dict[str, Any], now_s: float) -> None:
        """Make a journalled change again; runs have ``GRACE_S`` from ``now_s`` to ask again."""
        if name == "owned":
            self.table.pop(body["run"], None)
            self.table[body["run"]] = Run(
                name=body["run"],
                key=body["key"],
                who=body["who"],
                instruments=tuple(body["instruments"]),
                since_utc=body["since_utc"],
                seen_s=now_s,
                until_s=now_s + GRACE_S,
                state=body["state"],
                command=body["command"],
                epoch_tai_s=body.get("epoch_tai_s", 0),
            )
        elif name == "run_command":
            run = self.table[body["run"]]
            run.command, run.state = body["command"], COMMANDS[body["command"]]
        elif name in ("released", "expired"):
            self.table[body["run"]].state = name
            self._forget_oldest()
        else:
            raise LookupError(f"there is no change '{name}'")

    def kept(self, now_s: float) -> list[Change]:
        """Return changes that lead here when they are made again, as after a restart."""
        return [Change("owned", _body(run, now_s)) for run in self.table.values()]

    def _free_for(self, run: str, wanted: tuple[str, ...], now_s: float) -> None:
        for name in wanted:
            owner = self.owner(name)
            if owner is not None and owner.name != run:
                since = f"{moment(owner.since_utc)} UTC"
                raise BellringerError(
                    f"{name} is owned by run '{owner.name}' of '{owner.who}'",
                    where=f"since {since}, for {owner.until_s - now_s:.1f} s more unless it asks again",
                    hint="wait for that run, or ask its owner; nothing was taken",
                )

    def _running(self, name: str) -> Run:
        running = [run.name for run in self.table.values() if not run.ended]
        run = self.table.get(name)
        if run is None:
            raise BellringerError(f"there is no run '{name}'", hint=nearest(name, running))
        if run.ended:
            raise BellringerError(f"run '{name}' has ended ({run.state})", hint=nearest(name, running))
        return run

    def _end(self, run: Run, state: str) -> None:
        run.state = state
        self.report(Change(state, {"run": run.name, "who": run.who, "instruments": list(run.instruments)}))
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        ended = [run.name for run in self.table.values() if run.ended]
        for name in ended[:-ENDED_KEPT]:
            del self.table[name]


def _body(run: Run, now_s: float) -> dict[str, Any]:
    return {
        "run": run.name,
        "key": run.key,
        "who": run.who,
        "instruments": list(run.instruments),
        "since_utc": run.since_utc,
        "state": run.state,
        "command": run.command,
        "epoch_tai_s": run.epoch_tai_s,
        "seconds_left": run.until_s - now_s,
    }
