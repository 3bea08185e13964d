"""The coordinator's part in batches of attempts: the book, its store, the service that orders them, and the way there.

What the book wants said goes out at once over one connection per party and is never waited for; the parties' messages
come in through the control port. Hardware time is what most nodes said last, good to the network's delay: it decides
when to order and when to look, never what counts.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import zmq

from ...testbed.attempts import from_json
from ...testbed.errors import BellringerError
from ...testbed.testbed import Testbed
from ..heralding.book import Book
from ..heralding.delivery import Pair
from ..heralding.messages import Aborted, Armed, Confirm, NotArmed, Result
from ..heralding.open_batch import BatchState, BookEffect, Concluded, Delivered
from ..heralding.service import EntanglementService, Herald, Rejected
from ..heralding.service.actions import AbortBatch, Action, Calibrate, StartBatch, Tell
from ..heralding.store import Spent, Store
from ..heralding.terms import PS_PER_S, Now, Report, Send
from ..wire.client import Answered
from ..wire.errors import LinkError, NotAllowed
from ..wire.history import utc_now
from ..wire.keys import KeyPair
from ..wire.messages import Entangle, Entangled, Measured, Message, Refusal, Register, Renew, Unwanted
from .calibrating import Calibrating
from .capable import Capable
from .conditions import ESTOP, LinkConditions, Look, contradicted, estop
from .estop import Latch
from .hardware_time import HardwareTime
from .lab_time import LabTime
from .lead import Lead
from .left_open import keep_room
from .links import lab_of
from .nodes import Nodes
from .party_lines import PartyLines
from .rehearsal import Next, Rehearsal
from .terms import Caller, Ending, Ordered
from .timing import Timing
from .told import Told, plain

FROM_PARTIES = (Armed, NotArmed, Aborted, Confirm, Result)
FROM_CLIENTS = (Entangle, Entangled, Unwanted, Measured)
LATENCY_FILE = "latency.json"
"""In the coordinator's folder: how long corrections take."""
Counts = Mapping[str, int]
NOTHING: Counts = MappingProxyType({})
TICK_S = 0.05
"""How often the service looks for what it can begin."""
AGAIN_S = 0.002
"""How soon a question that could not leave is asked again, while lab time waits for its answer."""


class Batches:
    """All batches of one coordinator.

    Args:
        testbed: its memory links are what can be asked for.
        epoch: the coordinator's.
        boot: random per process start.
        folder: of the store.
        keys: the coordinator's pair.
        nodes: who is where.
        latency: file of how long corrections take; None for the one in ``folder``.
        lab_time: in a dry run in lockstep; then it is hardware time, and the service's clock too.
        latch: the testbed's e-stop.
        happened: tells people of an event, by its name and body.
    """

    def __init__(
        self,
        testbed: Testbed,
        epoch: int,
        boot: str,
        folder: Path,
        keys: KeyPair,
        nodes: Nodes,
        now_s: float,
        latency: Path | None = None,
        lab_time: LabTime | None = None,
        latch: Latch | None = None,
        happened: Callable[[str, dict[str, Any]], object] = lambda name, body: None,
    ) -> None:
        self.accepts: tuple[type[Message], ...] = (*FROM_PARTIES, *FROM_CLIENTS)
        """Messages for ``answer``."""
        self._testbed, self._nodes = testbed, nodes
        self._lines = PartyLines(keys, nodes.table)
        self._store = Store(folder / "batches.sqlite", epoch)
        self._book = Book(epoch, boot, self._store, from_json)
        self._timing = Timing(latency or folder / LATENCY_FILE, testbed.name, utc_now)
        self.lab_time = lab_time
        self._looked = Now(-1.0, 0)
        """Lab time at the last look."""
        self._rehearsal = None if lab_time is None else Rehearsal(lab_time)
        self._latch, self._happened = latch, happened
        self._estop: Look = (ESTOP, "", 0)
        """As it was last seen."""
        self._conditions = LinkConditions(testbed, watched=lab_time is None)
        lab = self._lab = lab_of(testbed, self._conditions.all, self._service_s(now_s), lockstep=lab_time is not None)
        if lab_time is None:  # in lockstep messages take no lab time: it says nothing of latencies
            lab.check_timing = self._timing.check
        self._capable = Capable(testbed.memory_links)
        lab.check_cores = self._capable.check
        self._service = EntanglementService(lab)
        self._calibrating = Calibrating(testbed, lab, self._service)
        lab.at_leisure = self._calibrating.at_leisure if lab_time is None else _never
        self._told = Told(self._store)
        self._orders: dict[int, Ordered] = {}
        """By batch."""
        self._served = ""
        """The link of the request that is served in lockstep."""
        self._ordered = False
        """Whether the service was asked in this turn; if it had no answer but an end, that is told in the next one."""
        self._waiting: list[StartBatch] = []
        """Ordered while a batch before them is still open."""
        self._hardware_time = HardwareTime()
        self._tick_s = 0.0
        self._lead = Lead()
        keep_room(self._store, testbed, lab.credits)
        self._do(self._book.start(self._now(now_s)), now_s)

    def close(self) -> None:
        """Let go of the store and the connections."""
        self._lines.close()
        self._store.close()
        if self.lab_time is not None:
            self.lab_time.close()

    # --- messages -------------------------------------------------------------------------------------------------

    def answer(self, caller: Caller, message: Message, now_s: float) -> Any:
        """Take a party's or a client's message and return the value to reply with.

        Raises:
            Ending: this coordinator's time is over.
            BellringerError: refused.
        """
        if isinstance(message, FROM_PARTIES):
            party = next((node.name for node in self._nodes.table.values() if node.key == caller.key), "")
            if not party:
                raise NotAllowed(f"'{caller.name}' is no party of batches", hint="only registered nodes are")
            if self._rehearsal is not None:
                self._rehearsal.answered(party, message)
            self._do(self._book.on_message(party, message, self._now(now_s)), now_s)
            return None
        if isinstance(message, Entangle):
            before = self._told.answered_before(message.request, caller.key)
            return self._entangle(caller, message, now_s) if before is None else before
        if isinstance(message, Measured):
            self._timing.take(message.measurements)
            return None
        if isinstance(message, Entangled):
            held_up = self._service.held_up(message.request)
            unsettled_s = self._book.unsettled_s(message.request, self._now(now_s))
            return {**self._told.since(message.request, message.since, unsettled_s), "held_up": held_up}
        assert isinstance(message, Unwanted)
        before = self._told.taken_back_before(message.request, caller.key)
        if before is not None:
            return before
        ended = self._service.cancel(message.request, caller.key, self._service_s(now_s))
        self._turn_service(now_s)
        return plain(ended)

    def _entangle(self, caller: Caller, message: Entangle, now_s: float) -> Any:
        rehearsal, lab_time = self._rehearsal, self.lab_time
        if lab_time is not None and (lab_time.serving or not message.ticket):
            raise BellringerError(
                "this dry run is in lockstep: it serves one request at a time, and that of its run",
                hint="bellringer up FILE --dry-run is in step with the wall clock, and takes requests of anybody",
            )
        reply = self._service.submit(message.request, caller.key, self._service_s(now_s))
        if isinstance(reply, Rejected):
            return plain(reply)
        self._told.begin(message.request, caller.key, reply)
        if rehearsal is None:
            self._turn_service(now_s)
        else:
            link = self._testbed.memory_links[reply.link]
            rehearsal.serve(reply.request, message.ticket, (*link.memories, link.station), now_s)
            self._served = reply.link
            self._told.keep()
        return plain(reply)

    def heard(self, message: Register | Renew, now_s: float) -> None:
        """A node was heard: whether its process is a new one, how well it is, and how much room it has."""
        for core in message.cores:
            self._capable.heard(core)
        if self.lab_time is None:
            self._hardware_time.heard(message.node, message.cores, now_s)
            for core in message.cores:
                self._room(core.instrument, core.batches, core.slots, core.over, message.boot)
            self._look(self._conditions.told(message, self._nodes.table.get(message.node)), now_s)
        self._do(self._book.on_boot(message.node, message.boot, self._now(now_s)), now_s)

    def turn(self, now_s: float) -> None:
        """Do what is due; call it in every turn of the loop."""
        for name, answered in self._lines.answers():
            self._answered(name, answered)
        if self._book.open or self._rehearsal is None:
            self._do(self._book.tick(self._now(now_s)), now_s)
        if self._latch is not None and (look := estop(self._latch)) != self._estop:
            self._estop = look
            self._look([look], now_s)
        if self._rehearsal is not None and self.lab_time is not None:
            self.lab_time.heard()
            self._rehearse(self._rehearsal, now_s)
        elif now_s >= self._tick_s:
            self._turn_service(now_s)

    def _look(self, looks: Iterable[Look], now_s: float) -> None:
        """Have the service know how conditions are; what tripped ends batches at once, and people hear of it."""
        tripped = False
        for name, why, trips in looks:
            if self._service.condition(name, why, trips, self._service_s(now_s)):
                tripped = True
                links = self._conditions.links[name]
                self._calibrating.tripped(links, f"'{name}' tripped: {why}")
                self._happened("suspended", {"links": links, "condition": name, "why": why})
        if tripped:
            self._turn_service(now_s)

    def _answered(self, node: str, answered: Answered) -> None:
        """Take an answer: that a message was heard is nothing new, only how much room a core has."""
        refused = isinstance(answered.message, Refusal)
        core = "" if self._rehearsal is None else self._rehearsal.shown(node, answered.id, refused=refused)
        if core:
            slots, over = (0, 0) if refused else answered.value()
            self._room(core, 1, slots, over, self._nodes.table[node].boot)

    def _room(self, core: str, batches: int, slots: int, over: int, boot: str) -> None:
        self._service.room(core.partition(".")[0], batches, 0, over, boot)
        self._service.room(core, batches, slots, over, boot)

    def _rehearse(self, rehearsal: Rehearsal, now_s: float) -> None:
        under_way = bool(self._book.states())
        ended = self._told.ended(rehearsal.request) and not self._calibrating.busy
        if failed := self._lab.calibrations.failed(self._served):  # and nothing gets better by itself in lockstep
            self._service.give_up(self._served, f"calibration {failed}")
        due = rehearsal.next(now_s, under_way, self._book.draining, ended)
        self._ordered = due is Next.ORDER
        if due is Next.LOOK:
            rehearsal.look()
        elif due is Next.ORDER:
            self._looked = Now(-1.0, 0)  # lab time may have moved until the step was over
            self._turn_service(now_s)
        for message in rehearsal.unasked():
            node = message.instrument.partition(".")[0]
            with contextlib.suppress(LinkError):  # it is being connected; asked again in the next turn
                rehearsal.asked(node, self._lines.ask(node, message), message)

    def wait_s(self, most_s: float, now_s: float) -> float:
        """Return how long the loop may wait if nothing happens."""
        if self.lab_time is not None and (self._ordered or self.lab_time.step_due):
            return 0.0
        if self._rehearsal is not None:
            due_s = self._book.due_s(Now(now_s, self._looked.hw_ps))
            return max(0.0, min(AGAIN_S if self._rehearsal.unasked() else most_s, due_s - now_s))
        due_s = self._book.due_s(self._now(now_s))
        return max(0.0, min(most_s, due_s - now_s, self._tick_s - now_s))

    def sockets(self) -> set[zmq.Socket[bytes]]:
        """Return what to poll beside the control port: where the parties' answers come in."""
        return self._lines.sockets()

    def described(self, now_s: float) -> dict[str, Any]:
        """Return how it is, for people."""
        return {
            "batches": {str(number): str(state) for number, state in self._book.states().items()},
            "stopped": dict(self._book.stopped),
            "messages": dict(self._book.traffic.counters),
            "undelivered": self._lines.undelivered,
            "memory_links": {
                name: {"station": link.station, "memories": list(link.memories)}
                for name, link in self._testbed.memory_links.items()
            },
            "latency": None if self._timing.measured is None else self._timing.measured.model_dump(mode="json"),
            "calibrated": self._calibrating.described(),
            "service": self._service.status(self._service_s(now_s)),
        }

    # --- what follows ---------------------------------------------------------------------------------------------

    def _turn_service(self, now_s: float) -> None:
        self._tick_s = now_s + TICK_S
        self._carry_out(self._service.tick(self._service_s(now_s), self._now(now_s).hw_ps), now_s)
        self._carry_out(self._calibrating.turn(self._service_s(now_s)), now_s)
        self._told.keep()
        for waiting in list(self._waiting):
            if not self._book.busy() & set(waiting.parties):
                self._waiting.remove(waiting)
                self._start(waiting, now_s)

    def _carry_out(self, actions: Iterable[Action], now_s: float) -> None:
        for action in actions:
            match action:
                case StartBatch():
                    self._waiting.append(action)
                case AbortBatch(order, reason):
                    if order in {each.order for each in self._waiting}:
                        self._waiting = [each for each in self._waiting if each.order != order]
                        self._over(order, reason, now_s)
                    for batch in [batch for batch, known in self._orders.items() if known.order == order]:
                        self._do(self._book.abort(batch, reason, self._now(now_s)), now_s)
                case Calibrate():
                    self._calibrating.begin(action)
                case Tell(_, event):
                    self._told.tell(event)

    def _over(
        self, order: int, problem: str, now_s: float, batch: int = 0, attempts: int = 0, counts: Counts = NOTHING
    ) -> None:
        """Tell whoever ordered a batch that it is over; ``batch`` is its number if it was to be lit."""
        if order < 0:
            self._calibrating.ended(order, problem, attempts, counts)
        else:
            self._service.batch_ended(order, attempts, self._service_s(now_s), batch)

    def _start(self, action: StartBatch, now_s: float) -> None:
        calibrations = {party: self._testbed.fingerprint(party) for party in action.parties}
        now = self._now(now_s)
        start_ps = max(action.start_ps, now.hw_ps + self._lead.ps)
        try:
            batch, effects = self._book.allocate(action.request, action.program, start_ps, calibrations, now)
        except Ending:
            raise
        except BellringerError as error:
            self._over(action.order, error.what, now_s)
            return
        self._orders[batch] = Ordered(action.order, action.request)
        self._do(effects, now_s)

    def _do(self, effects: Iterable[BookEffect], now_s: float) -> None:
        for effect in effects:
            match effect:
                case Send(to, message):
                    if self._rehearsal is not None and to in self._nodes.table:
                        message = self._rehearsal.ticketed(to, message)
                    self._lines.say(to, message)
                case Delivered(pairs) if self._rehearsal is not None:
                    self._rehearsal.hold(pairs)
                case Delivered(pairs):
                    self._delivered(pairs, now_s)
                case Concluded():
                    if self._rehearsal is not None:
                        self._delivered(self._rehearsal.held(effect.batch), now_s)
                    self._concluded(effect, now_s)
                case Spent(_, request, attempts, seconds):
                    self._told.spent(effect)
                    self._service.spent(request, attempts, seconds)
                case Report(what, body):
                    self._happened("distrusted", {"what": what, **body})
                    self._look(contradicted(self._book.stopped), now_s)

    def _delivered(self, pairs: Iterable[Pair], now_s: float) -> None:
        for pair in pairs:
            known = self._orders.get(pair.batch, Ordered())
            if known.order < 0:
                self._calibrating.pair(known.order, pair)
            elif known.order:  # else of a batch from before a restart, whose end is about to be told
                self._told.confirmed(known.request, known.order, pair)
                herald = Herald(known.order, pair.hseq, pair.k, pair.label, pair.t_ps)
                self._service.pair(herald, self._service_s(now_s))

    def _concluded(self, effect: Concluded, now_s: float) -> None:
        known = self._orders.pop(effect.batch, Ordered())
        row = self._store.batch(effect.batch)
        recorded, committed = effect.state == BatchState.RECORDED, row is None or row.committed
        self._lead.ended(recorded=recorded, committed=committed)
        self._told.concluded(effect)
        if known.order:
            attempts = 0 if effect.spent is None else effect.spent.attempts
            problem = "" if recorded else effect.reason or "void"
            self._over(known.order, problem, now_s, effect.batch if committed else 0, attempts, effect.counts)
        else:
            self._told.take_up(effect.run)

    def _service_s(self, now_s: float) -> float:
        """Return the time of the service's clock."""
        return now_s if self.lab_time is None else self._now(now_s).hw_ps / PS_PER_S

    def _now(self, now_s: float) -> Now:
        if self.lab_time is not None:
            if self._looked.mono_s != now_s:  # else it was asked for in this turn already
                self._looked = Now(now_s, self.lab_time.now_ps())
            return self._looked
        return Now(now_s, self._hardware_time.now_ps(now_s))


def _never(link: str) -> bool:
    """Let no link be calibrated that nobody has asked for: in lockstep there is lab time for requests only."""
    return False
