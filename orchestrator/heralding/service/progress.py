"""One request from its admission to its one end: which pairs are delivered, and when it is over.

Promises: exactly one end, no pair after it, never more pairs than asked for, no herald delivered twice.
"""

from typing import Any

from .replies import Ended, Event, Herald, Pair, State
from .requests import Request

PS_PER_S = 10**12


class Progress:
    """What became of a request so far; times are seconds on the service's clock.

    Attributes:
        state: where it is.
        delivered: pairs that are the client's.
        not_delivered: confirmed pairs that are nobody's, by reason.
        attempts, light_s: spent so far.
    """

    def __init__(self, request: Request, who: str, link: str, now_s: float) -> None:
        self.request, self.who, self.link, self.submitted_s = request, who, link, now_s
        self.state = State.WAITING
        self.delivered = 0
        self.not_delivered: dict[str, int] = {}
        self.attempts, self.light_s = 0, 0.0
        self.end: Ended | None = None
        self._packet: list[tuple[Herald, str]] = []
        self._seen: dict[int, set[int]] = {}

    @property
    def remaining(self) -> int:
        """Pairs still to be delivered."""
        return self.request.pairs - self.delivered

    @property
    def deadline_s(self) -> float:
        """The deadline on the service's clock."""
        return self.submitted_s + self.request.deadline_s

    def began(self, order: int) -> None:
        """A batch is started for it."""
        if self.state is State.WAITING:
            self.state = State.BEGUN
        self._seen[order] = set()

    def spent(self, order: int, attempts: int, light_s: float) -> None:
        """A batch ended, having cost this."""
        self._seen.pop(order, None)
        self.attempts += attempts
        self.light_s += light_s

    def herald(self, herald: Herald, state: str) -> list[Event]:
        """Take a confirmed pair that is in the Bell state ``state`` now; return what the client is told."""
        seen = self._seen.get(herald.order)
        if self.end is not None or seen is None:
            return self._refuse("after the end")
        if herald.hseq in seen:
            return self._refuse("twice")
        seen.add(herald.hseq)
        if self.request.target not in ("any", state):
            return self._refuse("another Bell state")
        self._packet.append((herald, state))
        self._drop_old()
        if len(self._packet) < self.request.packet_pairs:
            return []
        events: list[Event] = []
        for number, (each, bell) in enumerate(self._packet, self.delivered + 1):
            events.append(Pair(self.request.id, number, bell, each))
        self.delivered += len(self._packet)
        self._packet.clear()
        return [*events, *([self.finish(State.OK, "all pairs delivered")] if self.remaining == 0 else [])]

    def over(self, now_s: float) -> tuple[State, str] | None:
        """Return how and why it must end now, None if it may go on."""
        request, some = self.request, self.delivered > 0
        if now_s >= self.deadline_s:
            return (State.PARTIAL if some else State.TIMEOUT), f"the deadline of {request.deadline_s:g} s has come"
        wait_s = request.longest_wait_s
        if self.state is State.WAITING and wait_s is not None and now_s >= self.submitted_s + wait_s:
            return State.EXPIRED, f"no batch began within {wait_s:g} s"
        if self.attempts_left() <= 0 or self.light_left_s() <= 0:
            what = f"{self.attempts} attempts and {self.light_s:.3g} s of light are spent"
            return (State.PARTIAL if some else State.EXPIRED), f"the budget is: {what}"
        return None

    def attempts_left(self) -> float:
        """Return the attempts left of the budget, infinite without one."""
        most = self.request.most_attempts
        return float("inf") if most is None else most - self.attempts

    def light_left_s(self) -> float:
        """Return the seconds of light left of the budget, infinite without one."""
        most = self.request.most_light_s
        return float("inf") if most is None else most - self.light_s

    def finish(self, state: State, why: str) -> Ended:
        """End it; the first end stands."""
        if self.end is None:
            for _ in self._packet:
                self._refuse("packet not full")
            self._packet.clear()
            self.state = state
            self.end = Ended(self.request.id, state, self.delivered, why)
        return self.end

    def described(self, now_s: float) -> dict[str, Any]:
        """Return what people are told."""
        return {
            "request": self.request.id,
            "who": self.who,
            "link": self.link,
            "state": str(self.state),
            "why": self.end.why if self.end else "",
            "pairs": self.request.pairs,
            "delivered": self.delivered,
            "not_delivered": dict(self.not_delivered),
            "attempts": self.attempts,
            "light_s": self.light_s,
            "seconds_left": 0.0 if self.end else max(self.deadline_s - now_s, 0.0),
        }

    def _drop_old(self) -> None:
        """Let go what is too old to be in one packet with the newest; batches may report out of order."""
        if self.request.packet_pairs == 1:
            return
        self._packet.sort(key=lambda held: held[0].t_ps)
        oldest_ps = self._packet[-1][0].t_ps - round(self.request.packet_window_s * PS_PER_S)
        while self._packet[0][0].t_ps < oldest_ps:
            del self._packet[0]
            self._refuse("packet not full")

    def _refuse(self, reason: str) -> list[Event]:
        self.not_delivered[reason] = self.not_delivered.get(reason, 0) + 1
        return []
