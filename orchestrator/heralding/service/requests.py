"""What a client asks of the entanglement service, and whether it makes sense by itself.

All times are seconds from the moment the service has the request: no clock of the client's is compared with ours.
Whether a link can do what is asked is for ``admission``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from ....testbed.attempts.program import Label
from ....testbed.errors import BellringerError, nearest
from ....testbed.problems import Problem, choose

MOST_PAIRS = 1_000_000
MOST_S = 7 * 86400.0
HIGHEST_PRIORITY = 9
MOST_BASES = 1000

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestError(BellringerError):
    """A request that makes no sense; nothing was queued."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many pairs between two nodes, so good, in so long.

    Attributes:
        id: made by the client; asked again with the same id and fields, the service answers as it did before.
        nodes: the two ends.
        kind: whether the qubits are kept, or measured in every attempt.
        pairs: how many.
        min_fidelity: least fidelity, to ``target`` or (``any``) to the state that each pair is announced as.
        target: the Bell state that every pair shall be.
        deadline_s: until when, counted from now; what has been delivered by then is the client's.
        longest_wait_s: until when the first batch must have begun; None: no other limit than the deadline.
        max_age_s: memory cut-off; ``keep`` only.
        priority: 0 to 9.
        packet_pairs: pairs count only in packets of so many ...
        packet_window_s: ... heralded within this time of each other.
        calibration_max_age_s: how old the link's calibration and forecast may be; None: the link's own limits.
        most_attempts, most_light_s: budget; light counts while a batch runs. None: no limit.
        bases: in which of X, Y and Z each node measures, attempt by attempt over and over: two texts, of the first and
            of the second node. None: in all nine pairs in turn. ``measure`` only.
        miss_budget: share of corrections that may come too late; None for 0.1 %, and none due within 20 ms by software.
        dry_run: answer only, queue nothing.
    """

    id: str
    nodes: tuple[str, str]
    kind: Literal["keep", "measure"]
    pairs: int
    deadline_s: float
    min_fidelity: float = 0.0
    target: Label | Literal["any"] = "any"
    longest_wait_s: float | None = None
    max_age_s: float = 0.0
    priority: int = 0
    packet_pairs: int = 1
    packet_window_s: float = 0.0
    calibration_max_age_s: float | None = None
    most_attempts: int | None = None
    most_light_s: float | None = None
    bases: tuple[str, str] | None = None
    miss_budget: float | None = None
    dry_run: bool = False

    @property
    def packets(self) -> int:
        """How many packets are asked for."""
        return self.pairs // self.packet_pairs


def checked(asked: Request | Mapping[str, Any]) -> Request:
    """Return the request, from plain values or from a ``Request`` that nobody has checked.

    Raises:
        RequestError: names every field that is wrong; ``where`` is the first one's name.
    """
    plain = msgspec.structs.asdict(asked) if isinstance(asked, Request) else asked
    try:
        request = msgspec.convert(plain, Request)
    except msgspec.ValidationError as error:
        raise _readable(str(error), plain) from None
    found = list(_problems(request))
    if not found:
        return request
    first = found[0]
    what = (
        f"{first.what}"
        if len(found) == 1
        else "\n".join(
            [f"{len(found)} errors in the request:", *(f"{_name(each)}: {each.what} ({each.hint})" for each in found)]
        )
    )
    raise RequestError(what, where=_name(first), hint=first.hint)


def _name(problem: Problem) -> str:
    return ".".join(map(str, problem.keys))


def _readable(error: str, plain: object) -> RequestError:
    """Return what msgspec says in one line (``Expected `int`, got `str` - at `$.pairs```) as people say it."""
    what, _, place = error.partition(" - at ")
    field = place.strip("`").removeprefix("$.").partition("[")[0]
    fields = Request.__struct_fields__
    if unknown := re.search(r"unknown field `(.*)`", what):
        return RequestError(f"unknown field '{unknown[1]}'", where=unknown[1], hint=nearest(unknown[1], fields))
    if missing := re.search(r"required field `(.*)`", what):
        return RequestError(f"'{missing[1]}' is missing", where=missing[1], hint="add it")
    given = plain.get(field) if isinstance(plain, Mapping) else plain
    valid = {"kind": ("keep", "measure"), "target": ("any", "phi+", "phi-", "psi+", "psi-")}.get(field)
    if valid is not None:
        return RequestError(f"{given!r} is no valid {field}", where=field, hint=choose(given, valid))
    return RequestError(f"{what.replace('`', '')}: {given!r:.60}", where=field, hint="correct its type")


def _problems(request: Request) -> Iterator[Problem]:
    if not _ID.fullmatch(request.id):
        yield Problem(("id",), f"'{request.id:.70}' is no id", "letters, digits, '.', '_', ':' and '-', at most 64")
    if request.nodes[0] == request.nodes[1]:
        yield Problem(("nodes",), f"both ends are '{request.nodes[0]}'", "name two different nodes")
    for name, low, high in (
        ("pairs", 1, MOST_PAIRS),
        ("priority", 0, HIGHEST_PRIORITY),
        ("packet_pairs", 1, MOST_PAIRS),
    ):
        if not low <= getattr(request, name) <= high:
            yield Problem((name,), f"{getattr(request, name)} is out of range", f"{low} to {high}")
    if not 0 <= request.min_fidelity < 1:  # NaN is not
        yield Problem(
            ("min_fidelity",), f"{request.min_fidelity:g} is no fidelity to ask for", "0 or more, less than 1"
        )
    yield from _times(request)
    yield from _packets(request)
    if request.miss_budget is not None and not 0 < request.miss_budget < 1:
        hint = "it is the share of corrections that may be late, between 0 and 1; or leave it out"
        yield Problem(("miss_budget",), f"{request.miss_budget:g} is no share to lose", hint)
    if request.most_attempts is not None and not 1 <= request.most_attempts <= 2**53:
        yield Problem(("most_attempts",), f"{request.most_attempts} is out of range", "1 or more, or leave it out")


def _times(request: Request) -> Iterator[Problem]:
    for name in ("deadline_s", "longest_wait_s", "calibration_max_age_s", "most_light_s"):
        value = getattr(request, name)
        if value is not None and not 0 < value <= MOST_S:
            yield Problem((name,), f"{value:g} s is out of range", f"more than 0, at most {MOST_S:g} s")
    if request.longest_wait_s is not None and request.longest_wait_s > request.deadline_s:
        hint = "make it at most deadline_s, or leave it out"
        yield Problem(("longest_wait_s",), f"{request.longest_wait_s:g} s end after the deadline", hint)
    if request.bases is not None:
        yield from _bases(request, request.bases)
    if request.kind == "measure" and request.max_age_s != 0:
        yield Problem(
            ("max_age_s",), "pairs that are measured at once have no age", "leave it out, or ask to keep them"
        )
    if request.kind == "keep" and not (request.max_age_s > 0 and math.isfinite(request.max_age_s)):
        hint = "state the age (s) beyond which a pair is of no use"
        yield Problem(("max_age_s",), f"{request.max_age_s:g} s is no memory cut-off", hint)


def _bases(request: Request, bases: tuple[str, str]) -> Iterator[Problem]:
    if request.kind == "keep":
        hint = "leave them out, or ask to measure"
        yield Problem(("bases",), "pairs that are kept are not measured", hint)
    for text in bases:
        if not 1 <= len(text) <= MOST_BASES or set(text) - set("XYZ"):
            hint = f"1 to {MOST_BASES} letters, each X, Y or Z, for example XXXYYYZZZ"
            yield Problem(("bases",), f"{text[:20]!r} are no bases", hint)
    if len(bases[0]) != len(bases[1]):
        what = f"{len(bases[0])} bases at one node and {len(bases[1])} at the other make no pairs"
        yield Problem(("bases",), what, "give both nodes as many")


def _packets(request: Request) -> Iterator[Problem]:
    size, window_s = request.packet_pairs, request.packet_window_s
    if size > 1 and request.pairs % size:
        what = f"{request.pairs} pairs are no whole number of packets of {size}"
        yield Problem(("pairs",), what, f"ask for {-(-request.pairs // size) * size}")
    if (size > 1) != (window_s != 0) or not 0 <= window_s <= MOST_S:
        hint = "packets of several pairs need a time, more than 0; single pairs have none"
        yield Problem(("packet_window_s",), f"{window_s:g} s for packets of {size}", hint)
    if request.kind == "keep" and window_s > request.max_age_s:
        what = f"the first pair of a packet may be {window_s:g} s old, more than max_age_s"
        yield Problem(("packet_window_s",), what, "make it at most max_age_s")
