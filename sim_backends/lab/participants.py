"""The lockstep rule, lab side: who runs, who waits, and until when.

Pure bookkeeping over messages and counts; no sockets. Time may advance only when ``quiet()`` is true, and then not
beyond ``next_wake_ps()``. See ``testbed/lockstep.py`` for the wire.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

RUNNING, SLEEPING, READING, WAITING = "running", "sleeping", "reading", "waiting"
QUEUED, IDLE, ENDING = "queued", "idle", "ending"


@dataclass
class Participant:
    """One call in flight, or a caller."""

    number: str
    name: str
    state: str = RUNNING
    until_ps: int = 0
    line: str = ""
    sent: int = 0
    received: int = 0
    waits_for: set[str] = field(default_factory=set)
    unsaid: dict[str, int] = field(default_factory=dict)
    """Bytes this participant says it has written, per connection; until the lab has them all, it counts as running."""
    answer: Callable[[int], None] | None = None
    process: int = 0
    """That carries it out, as soon as it has begun."""

    @property
    def belongs_to(self) -> int:
        """Return the process without which it will never end: that carries it out, or else that registered it."""
        return self.process or int(self.number.partition("-")[0])

    def claims(self) -> list[tuple[str, int, int | None]]:
        """Return what it says of its connections: key, sent, and received if it reads there."""
        said: list[tuple[str, int, int | None]] = [(line, sent, None) for line, sent in self.unsaid.items()]
        return [*said, (self.line, self.sent, self.received)] if self.state == READING else said


class Participants:
    """All participants. ``counts(line)`` returns (consumed, delivered) of a connection, (-1, -1) for one unknown."""

    def __init__(self, counts: Callable[[str], tuple[int, int]]) -> None:
        self._counts = counts
        self.foreign: set[str] = set()
        """Connections to somewhere else than the lab: what comes there, nobody here can know."""
        self._all: dict[str, Participant] = {}
        self._left: set[str] = set()
        """Calls whose process has gone: its last words may still come, and must not bring them back."""
        self._still: Counter[str] = Counter()
        """How often each has said that it still waits, since it said anything else and since the lab moved."""

    def register(self, number: str, name: str, after: str | None, running: bool) -> None:
        """Add a participant: a caller runs at once; a call is queued behind ``after``, or running if that has ended."""
        participant = Participant(number, name)
        if not running and after in self._all:
            participant.state, participant.waits_for = QUEUED, {after}
        self._all[number] = participant

    def begin(self, number: str, process: int, answer: Callable[[int], None], now_ps: int) -> None:
        """The call's thread is there, in ``process``; it is answered when the call before it has ended.

        One that nobody knows any more was given up by who had registered it; it is carried out all the same.
        """
        self._left.discard(number)
        participant = self._all.setdefault(number, Participant(number, number))
        participant.answer, participant.process = answer, process
        if participant.state == RUNNING:
            self._wake(participant, now_ps)

    def cancel(self, number: str) -> None:
        """Forget a call that was registered, unless it has begun: then it ends by itself."""
        if number in self._all and not self._all[number].process:
            del self._all[number]

    def sleep(self, number: str, until_ps: int, unsaid: dict[str, int], answer: Callable[[int], None]) -> None:
        self._suspend(number, SLEEPING, unsaid, answer).until_ps = until_ps

    def read(
        self,
        number: str,
        line: str,
        sent: int,
        received: int,
        until_ps: int,
        unsaid: dict[str, int],
        answer: Callable[[int], None],
    ) -> None:
        participant = self._suspend(number, READING, unsaid, answer)
        participant.line, participant.sent, participant.received, participant.until_ps = line, sent, received, until_ps

    def wait(self, number: str, others: list[str], unsaid: dict[str, int], answer: Callable[[int], None]) -> None:
        self._suspend(number, WAITING, unsaid, answer).waits_for = set(others)

    def idle(self, number: str, unsaid: dict[str, int]) -> None:
        """A caller waits for something outside the lab; others may move time meanwhile."""
        self._suspend(number, IDLE, unsaid, None)

    def done(self, number: str, unsaid: dict[str, int], answer: Callable[[int], None]) -> None:
        """End a participant, once the lab has taken in all it wrote."""
        participant = self._suspend(number, RUNNING, unsaid, answer)
        participant.state = ENDING

    def awake(self, number: str) -> None:
        """Any other message from a participant shows that it runs; an announced read is void."""
        if number in self._all:
            self._all[number].state = RUNNING
            del self._still[number]

    def processes(self) -> set[int]:
        """Return the processes that participants belong to."""
        return {participant.belongs_to for participant in self._all.values()}

    def drop(self, process: int) -> None:
        """Forget all participants of a process that has gone; what it registered and others have begun goes on."""
        self._left |= {number for number, p in self._all.items() if p.process == process}
        self._all = {number: p for number, p in self._all.items() if p.belongs_to != process}

    def settle(self, now_ps: int) -> bool:
        """End and wake whoever can be without time moving; return whether anything changed."""
        changed = False
        for participant in list(self._all.values()):
            if participant.state == ENDING and self._all_taken_in(participant):
                del self._all[participant.number]
                changed = True
                if participant.answer is not None:
                    participant.answer(now_ps)
        for participant in self._all.values():
            if participant.state in (WAITING, QUEUED) and not participant.waits_for & self._all.keys():
                participant.state = RUNNING
                changed = True
                if participant.answer is not None:
                    self._wake(participant, now_ps)
        return changed

    def quiet(self) -> bool:
        """Return whether somebody waits for the lab, nobody runs, and no written byte is still on its way."""
        return any(p.state != IDLE for p in self._all.values()) and not self.running()

    def running(self) -> list[Participant]:
        """Return those that run, or count as running because bytes are on their way."""
        return [p for p in self._all.values() if not self._waits(p)]

    def still(self, number: str) -> None:
        """Note that somebody who waits has said so again: what it says of its connections holds now."""
        self._still[number] += 1

    def moved(self) -> None:
        """Note that the lab did something: what it delivered may be on its way, however long was waited before."""
        self._still.clear()

    def stranded(self, times: int) -> list[Participant]:
        """Return those that run, if all of them wait and have said so ``times`` times: bytes were lost on the way."""
        running = self.running()
        return running if all(self._still[p.number] >= times for p in running) else []

    def next_wake_ps(self) -> int | None:
        """Return the earliest lab time somebody sleeps or reads until."""
        return min((p.until_ps for p in self._all.values() if p.state in (SLEEPING, READING)), default=None)

    def wake_due(self, now_ps: int) -> bool:
        """Wake the first participant whose time has come; return whether there was one."""
        due = [p for p in self._all.values() if p.state in (SLEEPING, READING) and p.until_ps <= now_ps]
        for participant in due:
            self._wake(participant, now_ps)
        return bool(due)

    def _waits(self, participant: Participant) -> bool:
        if participant.state in (RUNNING, ENDING) or not self._all_taken_in(participant):
            return False
        if participant.state == READING:
            counts = self._counts(participant.line)
            unknown = counts == (-1, -1) and participant.line in self.foreign
            return unknown or counts == (participant.sent, participant.received)
        return True

    def _all_taken_in(self, participant: Participant) -> bool:
        """Connections that are gone cannot owe anything."""
        return all(self._counts(line)[0] in (count, -1) for line, count in participant.unsaid.items())

    def _suspend(
        self, number: str, state: str, unsaid: dict[str, int], answer: Callable[[int], None] | None
    ) -> Participant:
        participant = Participant(number, number)
        if number not in self._left:
            participant = self._all.setdefault(number, participant)
        participant.state, participant.unsaid, participant.answer = state, unsaid, answer
        del self._still[number]
        return participant

    def _wake(self, participant: Participant, now_ps: int) -> None:
        participant.state = RUNNING
        del self._still[participant.number]
        answer, participant.answer = participant.answer, None
        if answer is not None:
            answer(now_ps)
