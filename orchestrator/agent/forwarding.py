"""Requests for a node's instruments: handed to the driver process that has each; its answer goes back as it comes.

Whether they may be carried out now was checked before (``Authority``), except for what has to wait for interlocks.
"""

import functools
from collections.abc import Mapping

import msgspec

from ...testbed.errors import BellringerError, nearest
from ..wire.errors import from_refusal
from ..wire.gate import Incoming
from ..wire.messages import Do, Get, Refusal, Reply, Stream
from ..wire.nonces import elapsed_s
from ..wire.server import Server
from .authority import Authority
from .children import Answer, Child
from .guards import Guards
from .interlocks import Interlocks
from .readings import Readings
from .recorder import TagRecorder
from .streams import Streams


class Forwarding:
    """One agent's.

    Args:
        children: driver processes by instrument.
        lockstep: lab time is a simulated lab's in lockstep; then only calls that are registered with it are taken.
    """

    def __init__(
        self,
        node: str,
        children: Mapping[str, Child],
        authority: Authority,
        server: Server,
        guards: Guards,
        interlocks: Interlocks,
        streams: Streams,
        recorder: TagRecorder,
        readings: Readings,
        lockstep: bool,
    ) -> None:
        self._node, self._children, self._authority, self._server = node, children, authority, server
        self._guards, self._interlocks, self._streams = guards, interlocks, streams
        self._recorder, self._readings, self._lockstep = recorder, readings, lockstep

    def forward(self, incoming: Incoming) -> None:
        """Hand a request to the driver process that has the instrument; its answer goes back as it comes."""
        message = incoming.message
        child = self._children.get(message.instrument)
        if child is None:
            raise BellringerError(
                f"node '{self._node}' has no instrument '{message.instrument}'",
                hint=nearest(message.instrument, self._children),
            )
        if isinstance(message, Do) and message.verb == "check":
            self._server.reply(incoming)  # that it got here is the answer
            return
        if isinstance(message, Do) and message.verb == "safe_state":
            why = f"asked for by {incoming.name}"
            child.dark(why, message.instrument, ticket=message.ticket, answer=self.answer_to(incoming))
            return
        if isinstance(message, Stream):
            self._streams.serve(message, child, self.answer_to(incoming))
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
            proceed = functools.partial(self._submit_if_still_allowed, child, incoming)
            self._interlocks.admit(message.instrument, elapsed_s(), bool(self._guards.lit()), proceed, refuse)
        else:
            self._submit(child, incoming)

    def _submit_if_still_allowed(self, child: Child, incoming: Incoming) -> None:
        """Submit what has waited for the interlocks: an e-stop may have come meanwhile."""
        try:
            self._authority.check(incoming.message, incoming.key, elapsed_s())
        except BellringerError as error:
            self._server.refuse(incoming, error)
        else:
            self._submit(child, incoming)

    def _submit(self, child: Child, incoming: Incoming) -> None:
        message = incoming.message
        child.submit(lambda number: msgspec.structs.replace(message, id=number), self.answer_to(incoming))

    def answer_to(self, incoming: Incoming) -> Answer:
        """Return what takes a driver process's answer back to whoever asked."""

        def answer(message: Reply | Refusal) -> None:
            if isinstance(message, Refusal):
                self._server.refuse(incoming, from_refusal(message))
                return

            def kept(error: BellringerError | None) -> None:
                if error is not None:  # a full disk: what is not kept was not recorded
                    self._server.refuse(incoming, error)
                    return
                if isinstance(incoming.message, (Get, Do)):
                    self._readings.passed(incoming.message, message.value)
                self._server.reply(incoming, message.value)

            self._recorder.keep(incoming.message.instrument, message.value, kept)

        return answer
