"""The records a core sends by itself: numbered, so that what was lost is noticed and asked for again."""

from collections import deque
from typing import Any

from ..interfaces import Applied, HeraldRecord, Instrument, Outcome, Refused
from .attempt_line import AttemptLine, fields, unsealed

_PAGE = 256


class Records:
    """Records of one core, sorted by kind.

    Args:
        control: the connection on which lost records are asked for again.
    """

    def __init__(self, instrument: Instrument, control: AttemptLine) -> None:
        self._instrument, self._control = instrument, control
        self._line = AttemptLine(instrument)
        self._next = 0
        self._boot = ""
        self.heralds: deque[HeraldRecord] = deque()
        self.applied: deque[Applied] = deque()
        self.outcomes: deque[Outcome] = deque()
        self.over = 0
        """The batch that the core said last has ended, 0 for none."""
        self.lost = 0
        """Records that the core no longer had when they were missed."""

    def open(self, boot: str) -> None:
        """Begin to listen; to a core that was not started anew, from the record after the last one taken in."""
        self._line.connect()
        self._line.greeting()
        if boot != self._boot:
            self._boot, self._next = boot, 0
        try:
            said, _ = self._line.ask(f"OPEN records {self._next}")
        except Refused as refusal:
            if refusal.code != "gone":
                raise
            said, _ = self._line.ask("OPEN records 0")
        last = int(fields(said)["records"])
        if not self._next:
            self._next = last + 1

    def close(self) -> None:
        """Stop listening; what came stays."""
        self._line.close()

    def wait(self, wanted: "deque[Any]", wait_s: float, lease_s: float) -> None:
        """Take in what is there; if ``wanted`` stays empty, wait at most ``wait_s`` (s) for more.

        The end of a batch ends the wait too. The lease (s) is renewed meanwhile.
        """
        clock, port = self._instrument.clock, self._line.port
        end_s, over = clock.monotonic_s() + wait_s, self.over
        while True:
            while port.has_input(0.0):
                pass
            while port.holds(b"\n"):
                self._take(unsealed(port.read_until(b"\n")))
            now_s = clock.monotonic_s()
            if now_s - self._control.heard_s > lease_s / 3:
                self._control.ask("KEEPALIVE")
            if wanted or self.over != over or now_s >= end_s:
                return
            clock.wait_readable(port, min(end_s - now_s, lease_s / 3))

    def catch_up(self, last: int) -> None:
        """Ask for the records up to number ``last`` that did not come."""
        while self._next <= last:
            try:
                _, lines = self._control.ask(f"RECORDS {self._next} {min(_PAGE, last + 1 - self._next)}")
            except Refused as refusal:
                oldest = fields(refusal.what).get("first", "")
                if refusal.code != "gone" or not oldest.isdecimal() or int(oldest) <= self._next:
                    raise
                self.lost += int(oldest) - self._next
                self._next = int(oldest)
                continue
            before = self._next
            for line in lines:
                self._sort(line)
            if self._next == before:
                raise self._instrument.protocol_error("RECORDS", lines, f"record {before} is missing")

    def _take(self, text: str | None) -> None:
        """Take in one line; a spoilt one is noticed by the number of the next."""
        if text is None:
            return
        number = text.split(" ")[1:2]
        if not number or not number[0].isdecimal():
            return
        if int(number[0]) > self._next:
            self.catch_up(int(number[0]) - 1)
        self._sort(text)

    def _sort(self, text: str) -> None:
        kind, number, *rest = text.split(" ")
        if int(number) != self._next:
            return
        self._next += 1
        if kind == "H":
            self.heralds.append(herald(rest))
        elif kind == "A":
            self.applied.append(applied(rest))
        elif kind == "M":
            self.outcomes.append(Outcome(int(rest[0]), int(rest[1]), rest[2], int(rest[3])))
        elif kind == "E":
            self.over = int(rest[0])


def herald(words: list[str]) -> HeraldRecord:
    """Return the herald record of ``hseq batch k pattern t reason``."""
    hseq, batch, k, pattern, t_ps = map(int, words[:5])
    return HeraldRecord(hseq, batch, k, pattern, t_ps, _reason(words[5:]))


def applied(words: list[str]) -> Applied:
    """Return the correction of ``batch k hseq operation t reason``."""
    batch, k, hseq = map(int, words[:3])
    return Applied(batch, k, hseq, words[3], int(words[4]), _reason(words[5:]))


def _reason(words: list[str]) -> str:
    text = " ".join(words)
    return "" if text == "-" else text
