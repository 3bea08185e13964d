"""The counts server of the WebSQ electronics: one text line per measurement period to whoever is connected.

The first line after connecting is what was left over from before: all of an old line, or the tail of one. Nothing is
counted while nobody is connected.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...lab.byte_ports import Client
    from ...lab.lab import Event, Lab

_EPOCH_UNIX_S = 1_800_000_000
"""Unix time the unit shows at lab time zero."""


class CountsServer:
    """Counts of the detector channels ``name.1`` to ``name.N``.

    Args:
        period_s: asked at the beginning of each period, so that a change waits for the running one to end.
    """

    def __init__(self, lab: "Lab", name: str, channels: int, period_s: Callable[[], float]) -> None:
        self._lab, self._name, self._period_s = lab, name, period_s
        self._ports = [f"{name}.{number}" for number in range(1, channels + 1)]
        self._rng = lab.rng(f"{name} counts")
        self._last = self._line(0, [0] * channels)
        self._end_ps = 0
        self._tick: Event | None = None
        self._capture: Any = None
        self.port = lab.tcp_port(f"{name}.counts", lambda data, client: None)
        self.port.on_connect = self._connected
        self.port.on_disconnect = lambda client: self._disconnected()

    def _line(self, time_ps: int, counts: list[int]) -> bytes:
        return ",".join([f"{_EPOCH_UNIX_S + time_ps / 1e12:.3f}", *map(str, counts)]).encode() + b"\n"

    def _connected(self, client: "Client") -> None:
        cut = int(self._rng.integers(len(self._last))) if self._rng.random() < 0.5 else 0
        client.send(self._last[cut:])
        if self._tick is None:
            self._end_ps = self._lab.now_ps
            if self._lab.bench is not None:
                self._capture = self._lab.bench.capture(self._ports, self._end_ps)
            self._start_period()

    def _start_period(self) -> None:
        self._end_ps += round(self._period_s() * 1e12)
        self._tick = self._lab.at(self._end_ps, self._end_period, owner=self._name)

    def _end_period(self) -> None:
        end_ps, capture = self._end_ps, self._capture
        ready_ps = end_ps if capture is None else self._lab.bench.ready_at(end_ps)
        self._lab.at(ready_ps, lambda: self._publish(end_ps, capture), owner=self._name)
        self._start_period()

    def _publish(self, end_ps: int, capture: Any) -> None:
        """Send a period's line as soon as its counts are final, unless everybody has left meanwhile."""
        if self._tick is None or capture is not self._capture:
            return
        clicks = {} if capture is None else capture.read(end_ps)
        self._last = self._line(end_ps, [len(clicks.get(port, ())) for port in self._ports])
        self.port.broadcast(self._last)

    def _disconnected(self) -> None:
        if self.port.streams or self._tick is None:
            return
        self._tick.cancel()
        self._tick = None
        if self._capture is not None:
            self._capture.close()
            self._capture = None
