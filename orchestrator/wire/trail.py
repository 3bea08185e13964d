"""What a port writes to the audit log, and when.

Requests that could raise light and changes of keys are on disk before they are carried out; if that fails they are
refused. An e-stop waits for no disk, only its answer does: it is written when it has been carried out. Other commands
are written when they were answered; reading, lease renewals and "check" only if they were refused. Somebody who knocks
all day fills a counter, not the disk.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from .audit import Audit
from .enrolled import Enrolment
from .errors import AuditError
from .gate import Incoming
from .messages import Do, EStop, Keys, Message, Renew, kind_of
from .public_keys import fingerprint
from .rate import TokenBuckets
from .roles import NEEDED, needed_role
from .zap import Knock

HIDDEN = {"id", "nonce", "ttl_s", "ticket"}
_READS = frozenset(kind for kind, role in NEEDED.items() if role == "observer" and kind is not EStop) | {Renew}
"""Kinds that only read, whatever they say; some of ``Do`` does too."""


class Trail:
    """The lines of one port.

    Args:
        audit: the log, or None for none.
        counters: where failures to write and lines left out are counted.
        emits: whether carrying out a request could raise emitted light.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        audit: Audit | None,
        counters: Counter[str],
        emits: Callable[[Message], bool],
        clock: Callable[[], float],
    ) -> None:
        self.audit, self.counters, self._emits = audit, counters, emits
        self._buckets = TokenBuckets(per_s=5, burst=50, clock=clock)

    def before(self, incoming: Incoming) -> None:
        """Write down a request that must be on disk before it is carried out.

        Raises:
            AuditError: it could not be written.
        """
        if type(incoming.message) in _READS:
            return
        if isinstance(incoming.message, Keys) or self._emits(incoming.message):
            try:
                self._write(incoming, "accepted", durable=True)
            except AuditError:
                self.counters["audit failed"] += 1
                raise

    def after(self, incoming: Incoming, result: str) -> None:
        """Write down how a request ended."""
        if result == "done" and (type(incoming.message) in _READS or _only_reads(incoming.message)):
            return
        try:
            # What was on disk before needs no wait after: this loop may have an e-stop to carry out.
            self._write(incoming, result, durable=isinstance(incoming.message, EStop))
        except AuditError:  # it is done and answered; the counter shows that the log has a hole
            self.counters["audit failed"] += 1

    def refused(self, peer: bytes, key: str, entry: Enrolment | None, kind: str, number: int, error: Exception) -> None:
        """Write down a message that passed not every check."""
        name, role = (entry.name, entry.role) if entry else ("(unknown)", "")
        who = f"{fingerprint(key)} {name}"
        self._write_some(key, who, role, kind[:40] or "(unreadable)", f"refused: {error}", _cause(peer, number))

    def knocked(self, knock: Knock) -> None:
        """Write down a handshake."""
        result = "connected" if knock.accepted else f"denied: {knock.why}"
        bucket = knock.public_key if knock.accepted else "denied"  # a stranger has as many keys as he likes
        self._write_some(bucket, fingerprint(knock.public_key), "", "connect", result, knock.address)

    def _write(self, incoming: Incoming, result: str, *, durable: bool) -> None:
        if self.audit is not None:
            fields = msgspec.structs.asdict(incoming.message)
            self.audit.append(
                who=incoming.who,
                role=incoming.role,
                verb=kind_of(incoming.message),
                arguments={name: value for name, value in fields.items() if name not in HIDDEN},
                result=result,
                cause=_cause(incoming.peer, incoming.message.id),
                durable=durable,
            )

    def _write_some(self, bucket: str, who: str, role: str, verb: str, result: str, cause: str) -> None:
        if self.audit is None:
            return
        if not self._buckets.take(bucket):
            self.counters["not logged"] += 1
            return
        try:
            self.audit.append(who=who, role=role, verb=verb, arguments={}, result=result, cause=cause)
        except AuditError:
            self.counters["audit failed"] += 1


def _only_reads(message: Message) -> bool:
    return isinstance(message, Do) and (message.verb == "check" or needed_role(message) == "observer")


def _cause(peer: bytes, number: int) -> str:
    return f"{peer.hex()}:{number}"
