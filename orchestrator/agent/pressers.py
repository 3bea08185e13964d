"""Who pressed an e-stop and was not told yet that the node is dark: its agent does not leave before.

An e-stop ends a run, and a run that brought its own testbed ends its agents with it. Whoever pressed would then ask
nobody whether it is dark, and had to believe that it is not.
"""

WAIT_S = 3.0
"""How long is waited for a sign of somebody who pressed; a hand that has gone must not keep the agent here."""


class Pressers:
    """Those who wait for darkness; times are seconds that only ever grow."""

    def __init__(self) -> None:
        self._until_s: dict[str | bytes, float] = {}
        """By key as long as only the coordinator has told of a press, by connection once it was pressed here."""

    def heard_of(self, key: str, now_s: float) -> None:
        """Note a press that the coordinator published: the same hand is on its way to us."""
        self._until_s[key] = now_s + WAIT_S

    def pressed(self, key: str, peer: bytes, now_s: float) -> None:
        """Note a press on a connection of our own."""
        self._until_s.pop(key, None)
        self._until_s[peer] = now_s + WAIT_S

    def told(self, peer: bytes, dark: bool, now_s: float) -> None:
        """Note what a connection was told; who asks again still waits."""
        if dark:
            self._until_s.pop(peer, None)
        elif peer in self._until_s:
            self._until_s[peer] = now_s + WAIT_S

    def waiting(self, now_s: float) -> bool:
        """Return whether somebody still waits."""
        return any(now_s < until_s for until_s in self._until_s.values())
