"""``bellringer live``: a link's taggers streaming, a correlator on their tags, and what comes out on the screen.

The correlator is a process of its own, started again if it dies or an agent has moved.
"""

import contextlib
import json
import time
from typing import Any

from rich.console import Console
from rich.live import Live

from ..orchestrator.client import Network
from ..orchestrator.correlator.process import Setup
from ..orchestrator.wire import Subscriber
from .live_testbed import LiveTestbed
from .live_view import Screen
from .services import Service, asked_to_end

CORRELATOR = "bellringer.orchestrator.correlator.process"
UPDATE_S = 0.15
"""The longest the display waits for a result before it is drawn anyway."""


def live_command(network: Network, link: str, *, seconds: float, recent_s: float, as_json: bool) -> None:
    """Show a link until ``seconds`` are over (0: no end), Ctrl-C, or the loss of the taggers."""
    with asked_to_end() as stop, contextlib.ExitStack() as stack:
        testbed = LiveTestbed(network, link, stop)
        stack.enter_context(testbed.watched())
        results = Results(testbed, recent_s, skip=not as_json)
        stack.callback(results.close)
        screen = Screen(testbed.link_name, testbed.role)
        console, terminal = Console(highlight=False), None
        if not as_json:
            if not console.is_terminal:
                stack.callback(console.line)
            terminal = stack.enter_context(Live(console=console, refresh_per_second=10))
        end_s = time.monotonic() + seconds if seconds else float("inf")
        while not stop.is_set() and time.monotonic() < end_s:
            result = results.next(UPDATE_S)
            if terminal is not None:
                screen.take(result, testbed.state, results.counts())
                terminal.update(screen.drawn())
            elif result is not None:
                body = {**result, "display": results.counts(), "testbed": testbed.state}
                print(json.dumps(body, allow_nan=False), flush=True)
    if testbed.lost is not None:
        raise testbed.lost


class Results:
    """The results of a correlator that is always there: one that dies, or listens in the wrong place, is replaced.

    Args:
        skip: only the newest result counts; for displays.
    """

    def __init__(self, testbed: LiveTestbed, recent_s: float, skip: bool) -> None:
        self._testbed, self._recent_s, self._skip = testbed, recent_s, skip
        self._stack = contextlib.ExitStack()
        self._number = self.shown = self.skipped = 0
        self.restarts = -1
        self._start()

    def next(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next result, None if none comes in time."""
        if self._sources != self._testbed.sources() or self._service.ended:
            self._start()
        published = self._subscriber.receive(timeout_s)
        if published is None:
            return None
        if self._number:
            self.skipped += published.number - self._number - 1
        self._number = published.number
        self.shown += 1
        return published.message.body

    def counts(self) -> dict[str, int]:
        """Return how many results were shown and skipped, and how often the correlator was started again."""
        return {"shown": self.shown, "skipped": self.skipped, "correlator_restarts": self.restarts}

    def close(self) -> None:
        """End the correlator."""
        self._stack.close()

    def _start(self) -> None:
        self.close()
        self._sources, keys = self._testbed.sources(), self._testbed.network.keys
        self.restarts += 1
        self._number = 0
        setup = Setup(
            link=self._testbed.link_name,
            sources=self._sources,
            window_ps=self._testbed.window_ps,
            keys=keys.parts,
            enrolled=((keys.public, keys.name, "observer"),),
            recent_s=self._recent_s,
            leave_at_end=True,
        )
        self._service = Service("the correlator", CORRELATOR, setup, forked=False)
        self._stack.callback(self._service.stop)
        endpoint = self._service.ready()["results"]
        self._subscriber = self._stack.enter_context(
            Subscriber(endpoint, keys.public, keys, topics=("link",), conflate=self._skip, hwm=20)
        )
