"""What a node or station keeps on disk about its batches, one kind of entry each.

An entry is acknowledged to nobody before it is on disk. ``run`` and ``batch`` name the batch; ``k`` is the node's
attempt and ``hseq`` the station's number of a herald record; times are hardware time in ps.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec


class _Entry(msgspec.Struct, tag_field="entry", forbid_unknown_fields=True, frozen=True):
    pass


class Met(_Entry, tag="met", frozen=True):
    """A coordinator with this epoch was obeyed; a lower one never is again."""

    epoch: int


class Barred(_Entry, tag="barred", frozen=True):
    """No batch up to this number begins here any more; somebody was told so."""

    batch: int


class Opened(_Entry, tag="opened", frozen=True):
    """A batch is about to be armed. Without an ``Ended`` after it, its process did not live to see the end."""

    run: str
    batch: int
    epoch: int
    start_ps: int
    digest: str


class Heralded(_Entry, tag="heralded", frozen=True):
    """A herald record of the station.

    Attributes:
        pattern: clicks as a bit mask, bit = detector * windows + window.
        t_ps: the last click.
        label: the Bell state it announces, "" if it is no herald.
        reason: why not, "" if it is one.
    """

    run: str
    batch: int
    hseq: int
    k: int
    pattern: int
    t_ps: int
    label: str
    reason: str


class Corrected(_Entry, tag="held", frozen=True):
    """What a node did about a herald.

    Attributes:
        operation: the correction, "I" for none.
        applied_ps: when it was made; 0 if it was not.
        age_ps: from the beginning of the attempt until then.
        reason: why the node does not hold the pair, "" if it does.
        basis, bit: the outcome, where the program has the qubit measured in its attempt; "" and -1 elsewhere.
    """

    run: str
    batch: int
    hseq: int
    k: int
    label: str
    operation: str
    applied_ps: int
    age_ps: int
    reason: str
    basis: str = ""
    bit: int = -1


class Ended(_Entry, tag="ended", frozen=True):
    """The end of a batch at this party: its result.

    Attributes:
        start_ps, digest, epoch: what was armed.
        complete: it ran from its start to its end, on time.
        reason: why not.
        attempts: how many were made.
        lateness_ps: how late the core says it began, or a pulse of it was.
        underflows: pulses the core had not in time.
        records: heralds or corrections of this batch.
        failures: of a station: the numbers of its core's records that are no herald, by reason. The journal has them
            whole; here they only have to be counted, and there may be one for every click.
    """

    run: str
    batch: int
    epoch: int
    start_ps: int
    digest: str
    complete: bool
    reason: str
    attempts: int
    lateness_ps: int
    underflows: int
    records: tuple[Heralded | Corrected, ...] = ()
    failures: dict[str, tuple[int, ...]] = {}


class Acknowledged(_Entry, tag="acknowledged", frozen=True):
    """The coordinator has the result of this batch on its disk."""

    run: str
    batch: int


Record: TypeAlias = Heralded | Corrected
Entry: TypeAlias = Met | Barred | Opened | Heralded | Corrected | Ended | Acknowledged

_encode = msgspec.msgpack.Encoder().encode
_decode_ended = msgspec.msgpack.Decoder(Ended).decode
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)
_records_decoder: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


def with_records(ended: Ended, records: Iterable[Record]) -> Ended:
    """Return a result with all that its batch's records tell; the same records give the same bytes."""
    listed, failures = list[Record](), dict[str, list[int]]()
    for record in records:
        if isinstance(record, Heralded) and record.reason:
            failures.setdefault(record.reason, []).append(record.hseq)
        else:
            listed.append(record)
    numbers = {reason: tuple(each) for reason, each in failures.items()}
    return msgspec.structs.replace(ended, records=tuple(listed), failures=numbers)


def to_bytes(entry: Entry) -> bytes:
    """Return an entry as it stands in journals and messages; equal entries give equal bytes."""
    return _encode(entry)


def from_bytes(data: bytes) -> Entry:
    """Return the entry.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: it is none.
    """
    return _decoder.decode(data)


def result_of(data: bytes) -> Ended:
    """Return the result in a message's or a record's body.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: it is none.
    """
    return _decode_ended(data)


def records_to_bytes(records: Sequence[Record]) -> bytes:
    """Return herald records or corrections as they stand in a message."""
    return _encode(records)


def records_of(data: bytes) -> list[Record]:
    """Return the records in a message's body.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: there are none.
    """
    return _records_decoder.decode(data)


def body_hash(data: bytes) -> str:
    """Return the SHA-256 of a body in hex digits."""
    return hashlib.sha256(data).hexdigest()
