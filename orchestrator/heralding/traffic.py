"""How much of what others sent arrived: by the numbers that every message carries."""

from collections import Counter

KEPT = 64
"""How many numbers back a message that was overtaken is still told from a doubled one."""


class Traffic:
    """Counts messages: ``received``, ``missing`` (passed over so far), ``overtaken`` and ``doubled``."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[str, int, frozenset[int]]] = {}
        self.counters: Counter[str] = Counter()

    def heard(self, sender: str, boot: str, seq: int) -> None:
        """Note one message; a sender's new ``boot`` counts from 1 again."""
        known, newest, missing = self._heard.get(sender, (boot, 0, frozenset[int]()))
        if known != boot:
            newest, missing = 0, frozenset()
        self.counters["received"] += 1
        if seq > newest:
            self.counters["missing"] += seq - newest - 1
            passed = range(max(newest + 1, seq - KEPT), seq)
            missing = frozenset(number for number in (*missing, *passed) if number > seq - KEPT)
            newest = seq
        elif seq in missing:
            self.counters.update(missing=-1, overtaken=1)
            missing -= {seq}
        else:
            self.counters["doubled"] += 1
        self._heard[sender] = boot, newest, missing
