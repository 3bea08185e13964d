"""A link on its running testbed, as far as a live view has to do with it: its taggers owned, streaming, looked after.

A thread looks at the testbed's state about once a second and has the taggers stream whenever they do not. If they have
an owner, or our key may own nothing, they are only watched.
"""

import contextlib
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from ..orchestrator.client import Network, Ownership, in_parallel, node_contact
from ..orchestrator.client.overview import overview
from ..orchestrator.correlator.process import Source
from ..orchestrator.wire import NotAllowed
from ..orchestrator.wire.messages import Do, Status, Stream
from ..testbed.clock import WallClock
from ..testbed.errors import BellringerError, nearest

LOOK_S = 1.0
HEARD_S = 5.0
"""How long an agent may take to hear that we own its tagger."""
INSTRUMENT_S = 30.0


class LiveTestbed:
    """The link and its taggers.

    Attributes:
        role: ``owner`` or ``observer``, with the reason.
        state: node states, what could not be done, and why; replaced about once a second.
        lost: why the taggers were lost, if they were.
    """

    def __init__(self, network: Network, link: str, stop: threading.Event) -> None:
        self.network, self._stop = network, stop
        self.body = overview(network)
        self.link_name, self._link = _find(self.body, link)
        self.ends: dict[str, dict[str, Any]] = self._link["ends"]
        self.taggers = [end["tagger"] for end in self.ends.values()]
        self.run = f"live-{self.link_name}-{secrets.token_hex(2)}"
        self.role = "owner"
        self.state: dict[str, Any] = {}
        self.lost: BellringerError | None = None
        self._problems: dict[str, str] = {}
        self._over = threading.Event()

    def node(self, instrument: str) -> dict[str, Any]:
        """Return the coordinator's description of the node that has an instrument."""
        described: dict[str, Any] = self.body["nodes"][instrument.partition(".")[0]]
        return described

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Own the taggers if that is possible, and look after everything as long as the context lasts."""
        ownership = self._own()
        self._note()
        thread = threading.Thread(target=self._look_after, name="live testbed", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            if ownership is not None:
                left = in_parallel(self.taggers, self._leave)
                ownership.close()  # from then on the agents make them safe, also those we could not reach
                for tagger, error in left.items():
                    if isinstance(error, BellringerError) and self.lost is None:
                        print(f"{tagger} was left streaming: {error.what}", file=sys.stderr)

    # --- owning -----------------------------------------------------------------------------------------------

    def _own(self) -> Ownership | None:
        owners = {tagger: self._owners(tagger).get(tagger) for tagger in self.taggers}
        taken = {tagger: run for tagger, run in owners.items() if run}
        if taken:
            self.role = "observer: " + ", ".join(f"{tagger} belongs to {run}" for tagger, run in taken.items())
            return None
        try:
            return Ownership(
                self.run,
                self.taggers,
                lambda: self.network.client(name=self.run),
                self._commanded,
                self._lose,
                WallClock().epoch_tai_s,
            ).__enter__()
        except NotAllowed as error:
            self.role = f"observer: {error.what}"
            return None

    def _owners(self, tagger: str) -> dict[str, str]:
        agent = self.node(tagger)["agent"]
        return dict(agent["owners"]) if agent else {}

    def _commanded(self, command: str) -> None:
        if command == "abort":
            self._stop.set()

    def _lose(self, error: BellringerError) -> None:
        self.lost = error
        self._stop.set()

    def _leave(self, tagger: str) -> None:
        contact = node_contact(self.node(tagger))
        self.network.ask_node(contact, Stream(0, tagger, (), 0, run=self.run))
        self.network.ask_node(contact, Do(0, tagger, "safe_state", 0), INSTRUMENT_S)

    # --- looking after ----------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        while not self._over.is_set():
            try:
                now = overview(self.network)
                # A coordinator that was just restarted knows no node for a moment; the agents are where they were.
                self.body = {**now, "nodes": {**self.body["nodes"], **now["nodes"]}}
                self._problems.pop("coordinator", None)
            except BellringerError as error:
                self._problems["coordinator"] = error.what
            if self.role == "owner":
                in_parallel(self.taggers, self._have_streamed)
            self._note()
            self._over.wait(LOOK_S)

    def _have_streamed(self, tagger: str) -> None:
        """Have a tagger stream if it does not; what went wrong is noted, and tried again the next time."""
        try:
            agent = self.node(tagger)["agent"]
            if agent is None or tagger not in agent["streams"]:
                self._start(tagger)
            self._problems.pop(tagger, None)
        except BellringerError as error:
            self._problems[tagger] = error.what

    def _start(self, tagger: str) -> None:
        contact = node_contact(self.node(tagger))
        end_s = time.monotonic() + HEARD_S
        while self.network.ask_node(contact, Status(0))["owners"].get(tagger) != self.run:
            if time.monotonic() > end_s or self._over.wait(0.05):
                raise BellringerError(f"the agent has not heard that {tagger} is ours")
        for verb in ("open", "apply"):
            self.network.ask_node(contact, Do(0, tagger, verb, 0, run=self.run), INSTRUMENT_S)
        end = next(end for end in self.ends.values() if end["tagger"] == tagger)
        channels = tuple(sorted((end["transmitted"], end["reflected"])))
        self.network.ask_node(contact, Stream(0, tagger, channels, 0, run=self.run), INSTRUMENT_S)

    def _note(self) -> None:
        """Make the state for the display."""
        nodes = {}
        for name, node in self.body["nodes"].items():
            agent = node["agent"] or {}
            nodes[name] = {
                "state": node["state"],
                "silent_s": node["silent_s"],
                "leased": bool(agent.get("leased")),
                "dark": bool(agent.get("dark")),
                "streams": agent.get("streams", {}),
            }
        estop = self.body["estop"]
        self.state = {
            "role": self.role,
            "nodes": nodes,
            "estop": bool(estop["latched"]),
            "problems": [*self.body["problems"], *(f"{who}: {what}" for who, what in self._problems.items())],
        }

    def sources(self) -> tuple[Source, Source]:
        """Return where the tags of both ends are published now."""
        first, second = (
            Source(
                name, self.node(end["tagger"])["stream"], self.node(end["tagger"])["public_key"], end["tagger"],
                end["transmitted"], end["reflected"],
            )
            for name, end in self.ends.items()
        )  # fmt: skip
        return first, second

    @property
    def window_ps(self) -> int:
        return round(self._link["coincidence_window"] * 1e12)


def _find(body: dict[str, Any], wanted: str) -> tuple[str, dict[str, Any]]:
    """Return name and description of a link, as the agents know it from their testbed file.

    Raises:
        BellringerError: there is none of that name, or one of its nodes is not there.
    """
    links: dict[str, dict[str, Any]] = {}
    for node in body["nodes"].values():
        links |= (node["agent"] or {}).get("about", {}).get("links", {})
    if not links:
        raise BellringerError("no node of this testbed knows of a link", hint="bellringer status; are its agents up?")
    if not wanted and len(links) > 1:
        raise BellringerError("this testbed has several links", hint="name one: " + ", ".join(links))
    name = wanted or next(iter(links))
    if name not in links:
        raise BellringerError(f"there is no link '{name}'", hint=nearest(name, links))
    for end in links[name]["ends"].values():
        node = end["tagger"].partition(".")[0]
        if node not in body["nodes"]:
            raise BellringerError(f"node '{node}' of link '{name}' is not there", hint=f"start its agent at '{node}'")
    return name, links[name]
