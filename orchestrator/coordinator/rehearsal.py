"""What makes requests for pairs come out the same in every dry run in lockstep, on any machine.

Each order to a party is registered with the simulated lab before it leaves, as the call that the party's driver process
carries out under it. Between such steps lab time stands still: answers are waited for until all are there, memories are
looked at before a batch is ordered, and pairs are delivered at the end of their batch, in the order of their heralds.
Where a fault keeps an answer away, lab time goes on in small steps; then nothing promises the same again.
"""

import enum
from collections.abc import Sequence
from typing import Any

import msgspec

from ..heralding.delivery import Pair
from ..heralding.messages import Aborted, Commit, FromParty, NotArmed, Prepare, Result, Show
from ..wire.messages import Message
from .lab_time import LabTime

STUCK_S = 20.0
"""How long answers are waited for while lab time stands still, s of wall time."""
GIVE_UP_S = 60.0
"""How long the calls of a step are waited for, s of wall time: a fault has kept one from being carried out."""
NAP_S = 0.01
"""Lab time goes on in such steps when nothing but time is waited for."""
IDLE_S = 0.05
"""And in such steps when nothing can be ordered: no memory is free, say, until a node frees one."""


class Next(enum.Enum):
    """What the coordinator has to do."""

    NOTHING = "wait"
    LOOK = "look at the cores"
    ORDER = "order batches"


class Rehearsal:
    """The request that is served.

    Args:
        lab_time: the coordinator's part in it.
    """

    def __init__(self, lab_time: LabTime) -> None:
        self._lab_time = lab_time
        self.request = ""
        self.cores: tuple[str, ...] = ()
        """Of its link."""
        self._numbers: dict[tuple[type[Message], int, str], str] = {}
        self._asked: dict[tuple[str, int], Show] = {}
        """Node and message -> what was asked."""
        self._unasked: list[Show] = []
        self._looked = False
        self._held: dict[int, list[Pair]] = {}
        self._tried = False
        """Whether the last thing was to order batches: if none is under way then, none could be ordered."""
        self._waiting = False
        """Whether the present step, or the one that is just over, is one of calls."""
        self._since_s = 0.0

    def serve(self, request: str, ticket: str, cores: Sequence[str], now_s: float) -> None:
        """Serve this request from now on."""
        self.request, self.cores, self._looked, self._since_s = request, tuple(cores), False, now_s
        self._numbers.clear()
        self._asked.clear()
        self._unasked.clear()
        self._lab_time.begin(ticket)

    def next(self, now_s: float, under_way: bool, draining: bool, ended: bool) -> Next:
        """Begin a step if one is due, and return what has to be done before the next one; call it in every turn.

        Args:
            now_s: wall time.
            under_way: whether a batch has no end yet.
            draining: whether parties have not answered that one is void.
            ended: whether the request has.
        """
        lab_time = self._lab_time
        if not lab_time.at_work:
            if lab_time.serving and now_s - self._since_s > GIVE_UP_S:
                self._since_s = now_s
                lab_time.give_up()
            return Next.NOTHING
        if self._waiting:  # a step of calls is over: from now on it is answers that are waited for
            self._waiting, self._since_s = False, now_s
        if lab_time.wait():
            self._waiting, self._since_s, self._tried = True, now_s, False
        elif self._asked or self._unasked or under_way:
            self._tried = False
            if now_s - self._since_s > STUCK_S:
                lab_time.sleep(NAP_S)
        elif draining:
            lab_time.sleep(NAP_S)
        elif ended:
            self.request = ""
            lab_time.end()
        elif self._tried:
            self._tried = False
            lab_time.sleep(IDLE_S)
        elif not self._looked:
            self._looked, self._since_s = True, now_s
            return Next.LOOK
        else:
            self._looked, self._since_s, self._tried = False, now_s, True
            return Next.ORDER
        return Next.NOTHING

    # --- messages -------------------------------------------------------------------------------------------------

    def ticketed(self, party: str, message: Any) -> Any:
        """Return a message with the ticket of the call that it asks for, if it asks for one."""
        if not isinstance(message, (Prepare, Commit)):
            return message
        key = type(message), message.batch, party
        if key not in self._numbers:
            what = f"{type(message).__name__.lower()} batch {message.batch} at {party}"
            self._numbers[key] = self._lab_time.register(what, party)
        return msgspec.structs.replace(message, ticket=self._numbers[key])

    def look(self) -> None:
        """Have all cores looked at."""
        for core in self.cores:
            ticket = self._lab_time.register(f"look at {core}", core.partition(".")[0])
            self._unasked.append(Show(0, core, ticket))

    def unasked(self) -> list[Show]:
        """Return the questions that have not left yet."""
        return list(self._unasked)

    def asked(self, node: str, number: int, message: Show) -> None:
        """Note that a question has left as this message."""
        self._unasked.remove(message)
        self._asked[node, number] = message

    def shown(self, node: str, number: int, *, refused: bool = False) -> str:
        """Return which core an answer is about, "" if it is about none.

        A look that was ``refused`` may never have begun: its driver process can have died before.
        """
        message = self._asked.pop((node, number), None)
        if message is None:
            return ""
        if refused:
            self._lab_time.cancel(message.ticket)
        return message.instrument

    def answered(self, party: str, message: FromParty) -> None:
        """A party has said what became of a batch: it carries out nothing more of it."""
        if isinstance(message, (NotArmed, Aborted, Result)):
            for kind in (Prepare, Commit):
                number = self._numbers.get((kind, message.batch, party))
                if number is not None:
                    self._lab_time.cancel(number)

    # --- pairs ----------------------------------------------------------------------------------------------------

    def hold(self, pairs: Sequence[Pair]) -> None:
        """Keep pairs until the end of their batch."""
        for pair in pairs:
            self._held.setdefault(pair.batch, []).append(pair)

    def held(self, batch: int) -> list[Pair]:
        """Return the pairs of a batch that has ended, in the order of their heralds."""
        return sorted(self._held.pop(batch, []), key=lambda pair: pair.hseq)
