"""The agent's side of its watchdog (watchdog_process.py): starts it, gives it a beat, replaces it, hears what it did.

A watchdog that has died, or answers no beat, is replaced, and that is reported. It is there for what emits; a node that
has nothing of the kind needs none, nor does a dry run in lockstep, whose lab time would have to wait for it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from ...testbed.testbed import InstrumentEntry
from .desk import Endpoint
from .forking import Forked, ForkServer
from .watchdog_process import Beat, Plan

BEAT_S = 1.0
MOST_UNANSWERED = 15
"""Beats without an answer, after which a watchdog is replaced; one imports its drivers first."""
AGAIN_S, LONGEST_AGAIN_S = 1.0, 60.0
"""How long until one that died is started again: at first, and at most; doubled each time, until one answers."""
LEAVE_S = 5.0
"""One that has not left for this long after its good-bye is killed."""
TOLD = 100
"""Lines of the log that are told again after a restart of the agent."""


@dataclass(frozen=True)
class _Running:
    """One process, and our ends of its pipes."""

    process: Forked
    told: FileIO
    heard: FileIO


class Watchdog:
    """One node's watchdog.

    Args:
        emitters: what emits at this node, by full name.
        endpoints: replacements for resource strings.
        locks: folder of the files that keep two processes from one port, None for none.
        log: file in which it notes what it does; it outlives both.
        report: called with the body of an event: what the watchdog did, or what became of it.
        fork_server: starts it.
    """

    def __init__(
        self,
        emitters: Mapping[str, InstrumentEntry],
        endpoints: Mapping[str, Endpoint],
        locks: Path | None,
        log: Path,
        report: Callable[[dict[str, Any]], object],
        fork_server: ForkServer,
    ) -> None:
        plain = {name: entry.model_copy(update={"model": None}).model_dump_json() for name, entry in emitters.items()}
        places = {name: (each.resource, each.options) for name, each in endpoints.items() if name in emitters}
        self._plan = Plan(plain, places, str(locks) if locks else "", str(log), ())
        self._log, self._report, self._fork_server = log, report, fork_server
        self._read = log.stat().st_size if log.exists() else 0
        self._running: _Running | None = None
        self._pids: tuple[int, ...] = ()
        self._beat_s = self._start_s = 0.0
        self._again_s, self._unanswered, self._ready = AGAIN_S, 0, False
        self.restarts = 0
        self._acted = ""

    def told_before(self) -> list[dict[str, Any]]:
        """Return the newest lines of its log from before this agent, oldest first."""
        if not self._read:
            return []
        with open(self._log, "rb") as file:
            return _lines(file.read(self._read))[-TOLD:]

    def described(self) -> dict[str, Any]:
        """Return how it is, in plain values.

        ``ready``: whether it has its drivers and answers; ``acted``: what it did last while this agent lived, "" for
        nothing.
        """
        pid = (self._running.process.pid or 0) if self._running else 0
        return {"pid": pid, "ready": self._ready, "restarts": self.restarts, "acted": self._acted}

    def turn(self, now_s: float, pids: Iterable[int | None]) -> None:
        """See to it and give it its beat; call it often.

        Args:
            pids: the driver processes of this node; None for one that has not begun.
        """
        begun = tuple(filter(None, pids))
        if self._running is None:
            if now_s >= self._start_s:
                self._start(now_s, begun)
        elif now_s >= self._beat_s + BEAT_S or begun != self._pids:
            self._hear()
            self._beat(now_s, begun)

    def close(self, *, dark: bool) -> None:
        """Part with it: ``dark`` says that there is nothing left for it to do; else it begins now."""
        if self._running is None:
            return
        process = self._running.process
        if dark:
            self._say(Beat(leave=True))
        for pipe in (self._running.told, self._running.heard):
            pipe.close()
        if dark and not process.join(LEAVE_S):  # it is stopped
            process.kill()
            process.join(LEAVE_S)
        process.close()

    def _start(self, now_s: float, pids: tuple[int, ...]) -> None:
        (source, told), (heard, answers) = os.pipe(), os.pipe()
        with open(self._log.with_suffix(".err"), "ab") as errors:  # it may outlive whoever reads ours to the end
            process = self._fork_server.start_watchdog(source, answers, errors.fileno())
        os.close(source)
        os.close(answers)
        self._running = _Running(process, FileIO(told, "w"), FileIO(heard))
        self._pids, self._beat_s, self._unanswered = pids, now_s, 0
        self._ready = False
        with contextlib.suppress(OSError):
            plan = msgspec.structs.replace(self._plan, pids=self._pids)
            self._running.told.write(msgspec.json.encode(plan) + b"\n")
        for end in (told, heard):
            os.set_blocking(end, False)  # the agent's loop waits for nobody

    def _beat(self, now_s: float, pids: tuple[int, ...]) -> None:
        assert self._running is not None
        self._beat_s, self._pids = now_s, pids
        self._unanswered += 1
        if self._unanswered > MOST_UNANSWERED:
            self._running.process.kill()  # a later turn finds it gone
        if not self._running.process.join(0):
            self._say(Beat(self._pids))
            return
        how = "ended" if self._unanswered <= MOST_UNANSWERED else "was silent"
        self.close(dark=False)
        self._running, self._start_s = None, now_s + self._again_s
        self._again_s = min(2 * self._again_s, LONGEST_AGAIN_S)
        self.restarts += 1
        self._report({"text": f"the watchdog {how}; another one is started", "instruments": [], "dark": False})

    def _say(self, beat: Beat) -> None:
        assert self._running is not None
        with contextlib.suppress(OSError):  # it has died, or does not read: the next turns will tell
            self._running.told.write(msgspec.json.encode(beat) + b"\n")

    def _hear(self) -> None:
        """Take in its answers, and what it has noted since last time."""
        if self._running is not None and self._running.heard.read(4096):
            self._unanswered, self._again_s, self._ready = 0, AGAIN_S, True
        if not self._log.exists() or self._log.stat().st_size <= self._read:
            return
        with open(self._log, "rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for body in _lines(whole):
            self._acted = body["text"]
            self._report(body)


def _lines(data: bytes) -> list[dict[str, Any]]:
    """Return whole lines; one that was cut off by a crash is left out."""
    found = []
    for line in data.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(line, type=dict[str, Any]))
    return found
