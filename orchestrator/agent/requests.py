"""What comes in at an agent's control port, one request at a time: answered here, or passed on to a driver process.

Whatever arrives has passed the port's checks (keys, roles, freshness); whether it may be done now is the
``Authority``'s word, and where it could raise light the interlocks'. Nothing here waits: a driver process's answer goes
back when it comes.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ...drivers.interfaces import Recording
from ...testbed.errors import BellringerError, nearest
from ..heralding.messages import Show
from ..wire.audit import shorten
from ..wire.errors import from_refusal
from ..wire.gate import Incoming
from ..wire.messages import Call, Do, Get, Message, Probe, Refusal, Reply, Set, Stream
from ..wire.nonces import MAX_TTL_S, elapsed_s
from ..wire.server import Server
from .authority import DARKENS, READS, Authority
from .children import Answer, Child
from .guards import Guards
from .interlocks import Interlocks
from .readings import Readings
from .recorder import TagRecorder
from .streams import Streams

QUEUE_S = 5.0
"""How much longer than it lives on its way a request may wait for those that only read: a reading whose reply was lost
is asked for again, and takes some seconds."""


class Requests:
    """Answers what comes in at the control port.

    Args:
        node: name of the node.
        server: the control port.
        authority: says whether it may be done now.
        answers: what the agent answers itself, by kind of message; a refusal is raised.
        children: the driver process of each instrument, by its full name.
        guards, interlocks: of the node's light.
        streams, recorder, readings: what passes through here on its way back is theirs to see.
        lockstep: in a dry run in lockstep only registered calls are carried out.
        tell: publishes what somebody did by hand in a run's name (``by_hand``), for the run's record.
        show: looks at a core for the coordinator, and answers when it has.
    """

    def __init__(
        self,
        node: str,
        server: Server,
        authority: Authority,
        answers: Mapping[type[Message], Callable[[Incoming], object]],
        children: Mapping[str, Child],
        guards: Guards,
        interlocks: Interlocks,
        streams: Streams,
        recorder: TagRecorder,
        readings: Readings,
        lockstep: bool,
        tell: Callable[[str, dict[str, Any]], object],
        show: Callable[[Incoming, Answer], None] | None = None,
    ) -> None:
        self._node, self._server, self._authority, self._answers = node, server, authority, answers
        self._children, self._guards, self._interlocks = children, guards, interlocks
        self._streams, self._recorder, self._readings = streams, recorder, readings
        self._lockstep, self._tell, self._show = lockstep, tell, show

    def serve(self) -> None:
        """See to one request; the loop's turn looks whether there are more."""
        incoming = self._server.take()
        if incoming is None:
            return
        try:
            answer = self._answers.get(type(incoming.message))
            if answer is not None:
                self._server.reply(incoming, answer(incoming))
            elif isinstance(incoming.message, Show) and self._show is not None:
                self._show(incoming, functools.partial(self._answered, incoming))
            else:
                self._authority.check(incoming.message, incoming.key, elapsed_s())
                self._forward(incoming)
        except BellringerError as error:
            self._server.refuse(incoming, error)

    def _forward(self, incoming: Incoming) -> None:
        """Hand a request to the driver process that has the instrument; its answer goes back as it comes."""
        message = incoming.message
        child = self._children.get(message.instrument)
        if child is None:
            raise BellringerError(
                f"node '{self._node}' has no instrument '{message.instrument}'",
                hint=nearest(message.instrument, self._children),
            )
        answer = functools.partial(self._answered, incoming)
        if isinstance(message, Get) and not self._lockstep:  # it changes nothing: the checks it needs are done
            child.submit(message, answer, key=incoming.key)
            return
        if isinstance(message, Do) and message.verb == "check":
            self._server.reply(incoming)  # that it got here is the answer
            return
        if isinstance(message, Do) and message.verb == "safe_state":
            why = f"asked for by {incoming.name}"
            child.dark(why, message.instrument, ticket=message.ticket, answer=answer)
            return
        if isinstance(message, (Set, Call)) and message.by_hand:
            answer = functools.partial(self._answered_by_hand, incoming)
        until_s = _until_s(message)
        if isinstance(message, Stream):
            self._streams.serve(message, child, answer, incoming.key, until_s)
            return
        described = isinstance(message, Do) and message.verb == "describe"  # asks no instrument
        if self._lockstep and not message.ticket and not described:
            raise BellringerError(
                "this dry run is in lockstep: its lab time would have to wait for you",
                where=message.instrument,
                hint="bellringer up FILE --dry-run is in step with the wall clock, and may be used by hand",
            )
        if self._guards.may_light(message):
            refuse = functools.partial(self._server.refuse, incoming)
            proceed = functools.partial(self._submit_if_still_allowed, child, incoming, answer, until_s)
            self._interlocks.admit(message.instrument, elapsed_s(), bool(self._guards.lit()), proceed, refuse)
        else:
            child.submit(message, answer, key=incoming.key, until_s=until_s)

    def _submit_if_still_allowed(self, child: Child, incoming: Incoming, answer: Answer, until_s: float) -> None:
        """Submit what has waited for the interlocks: an e-stop may have come meanwhile."""
        try:
            self._authority.check(incoming.message, incoming.key, elapsed_s())
        except BellringerError as error:
            self._server.refuse(incoming, error)
        else:
            self._guards.notice()
            child.submit(incoming.message, answer, key=incoming.key, until_s=until_s)
            self._guards.notice()

    def _answered_by_hand(self, incoming: Incoming, answer: Reply | Refusal) -> None:
        """Pass an answer on as ever, and tell who asked for what; also if it failed, which may be half done."""
        message: Set | Call = incoming.message
        body: dict[str, Any] = {"run": message.run, "who": incoming.name, "instrument": message.instrument}
        if isinstance(message, Set):
            body |= {"setting": message.name, "value": message.value}
        else:
            keywords = {name: shorten(value) for name, value in message.keywords.items()}
            body |= {"method": message.method, "args": [*map(shorten, message.args)], "keywords": keywords}
        self._tell("by_hand", body | ({"error": answer.what} if isinstance(answer, Refusal) else {}))
        self._answered(incoming, answer)

    def _answered(self, incoming: Incoming, message: Reply | Refusal) -> None:
        """Pass the answer of an instrument on; one with a recording as soon as that is kept."""
        if isinstance(message, Refusal):
            self._server.refuse(incoming, from_refusal(message))
        elif isinstance(message.value, Recording):
            kept = functools.partial(self._kept, incoming, message.value)
            self._recorder.keep(incoming.message.instrument, message.value, kept)
        else:
            self._server.reply(incoming, message.value)
            if isinstance(incoming.message, (Get, Do)):
                self._readings.passed(incoming.message, message.value)

    def _kept(self, incoming: Incoming, recording: Recording, error: BellringerError | None) -> None:
        if error is not None:  # a full disk: what is not kept was not recorded
            self._server.refuse(incoming, error)
        else:
            self._server.reply(incoming, recording)


def _until_s(message: Get | Set | Call | Do | Stream | Probe) -> float:
    """Return until when (``elapsed_s``) a driver process may begin with it; what makes dark is never too late."""
    if isinstance(message, Do) and message.verb in READS | DARKENS:
        return float("inf")
    return elapsed_s() + min(message.ttl_s, MAX_TTL_S) + QUEUE_S
