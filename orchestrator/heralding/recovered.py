"""What a party's journal says after a restart."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .entries import (
    Acknowledged,
    Barred,
    Corrected,
    Ended,
    Entry,
    Heralded,
    Met,
    Opened,
    Record,
    to_bytes,
    with_records,
)

Key = tuple[str, int]
RETAINED = 64
"""How many acknowledged results are kept, for a coordinator that has lost them or never had them."""


@dataclass
class Recovered:
    """The sum of a journal's entries.

    Attributes:
        epoch: the highest one obeyed, 0 for none.
        mark: no batch up to this number begins here any more.
        unfinished: the batch that was under way, with its records; None if none was.
        results: bodies of the results that were not acknowledged, by run and batch.
        acknowledged: those of the last ones that were.
        records: of batches whose result was not acknowledged.
    """

    epoch: int = 0
    mark: int = 0
    unfinished: tuple[Opened, list[Record]] | None = None
    results: dict[Key, bytes] = field(default_factory=dict)
    acknowledged: dict[Key, bytes] = field(default_factory=dict)
    records: dict[Key, list[Record]] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Take in the next entry. A result stands there without its records, which came before it."""
        match entry:
            case Met():
                self.epoch = max(self.epoch, entry.epoch)
            case Barred():
                self.mark = max(self.mark, entry.batch)
            case Opened():
                self.epoch, self.mark = max(self.epoch, entry.epoch), max(self.mark, entry.batch)
                self.unfinished = entry, self.records.setdefault((entry.run, entry.batch), [])
            case Heralded() | Corrected():
                self.records.setdefault((entry.run, entry.batch), []).append(entry)
            case Ended():
                key = (entry.run, entry.batch)
                self.results[key] = to_bytes(with_records(entry, self.records.get(key, ())))
                self.unfinished = None
            case Acknowledged():
                self.records.pop((entry.run, entry.batch), None)
                body = self.results.pop((entry.run, entry.batch), None)
                if body is not None:
                    retain(self.acknowledged, (entry.run, entry.batch), body)


def retain(acknowledged: dict[Key, bytes], key: Key, body: bytes) -> None:
    """Add a result to the ``RETAINED`` last ones."""
    acknowledged[key] = body
    while len(acknowledged) > RETAINED:
        del acknowledged[next(iter(acknowledged))]


def recover(entries: Iterable[Entry]) -> Recovered:
    """Return the sum of ``entries``, oldest first."""
    recovered = Recovered()
    for entry in entries:
        recovered.take(entry)
    return recovered
